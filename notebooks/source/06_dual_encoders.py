# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · One tower or two?
#
# A query is five words that somebody types now. A passage is a page that was embedded last week. One encoder reads both so far. Should each side have its own? And if it is one: how does it know which of the two it reads?
#
# **You will be able to** decide between one encoder and two, say what a prompt such as "query: " does to a vector, keep prompts the same in training and at search, and find the place where a library leaves them out.
#
# **You need** chapters 02 (pooling) and 04 (InfoNCE). **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import dual_encoders, explore, results, show
from workbook.similarity import cos_sim

quiz("05.q1", "02.q1")

# %% [markdown]
# ## Predict

# %%
predict("06.p1")

# %% [markdown]
# ## A failure first
#
# Here are 8,000 pairs from the documentation of your own Python, and a static encoder: a vector for each piece of a word, a text is their mean. Two are trained, each for 60 steps on the same pairs. They differ in their random start alone; the batches are the same.

# %%
from workbook import data
from workbook.encoder import Dense, DualEncoder, StaticEncoder, TextEncoder, load
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
tokenizer = load("base/start").tokenizer


def new_tower(seed):
    torch.manual_seed(seed)
    return TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=64)


# %%
def train(encoder, seed=0, steps=60, **options):
    fit(encoder, pairs, steps=steps, batch_size=128, lr=0.02, seed=seed, temperature=0.05, **options)
    return encoder


one, other = (train(new_tower(seed)) for seed in (0, 1))

# %% [markdown]
# Each answers a search well. Now queries by the first, passages by the second. Quality is Recall@10 of 300 dev queries against 2,000 passages; a guess finds 0.005.

# %%
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search

small = docs.split("dev").sample(300, num_passages=2000)


def recall(encoder):  # one value for each query
    run = dense_search(encoder, small.corpus, small.queries, k=10)
    return np.array(list(evaluate(small.qrels, run, ("recall@10",), per_query=True)["recall@10"].values()))


crossed = recall(DualEncoder(one, other)).mean()
print("each alone finds more than a third:", bool(min(recall(one).mean(), recall(other).mean()) > 1 / 3))
print("crossed, they find less than one in fifty:", bool(crossed < 0.02))

# %% [markdown]
# No error came. The shapes fit, and every score is a number between −1 and 1. Somebody whose model had a head for each side reports the like: a correlation of 0.73 became 0.01 (sentence-transformers, issue 671).
#
# ## The idea
#
# Two encoders that are compared with one another are called **towers**: f reads queries, g reads documents. Together they are a **dual encoder**. The loss sees nothing but the cosines between the two sides:
#
# $$s_{ij} = \cos\big(f(\text{query}_i),\; g(\text{document}_j)\big)$$
#
# So what an axis means is an agreement between f and g. Turn all vectors of both in the same way, and nothing changes; turn one side alone, and search is lost. Training makes the agreement, and only between towers that are trained *together*.
#
# | towers | what differs by role | weights of a static encoder |
# |---|---|---|
# | **shared**: g is f | nothing | V · D |
# | **separate**: two of a kind | everything | 2 · V · D |
# | **shared trunk**: one encoder, then a linear layer for each role (a **head**) | the last layer | V · D + 2 · D · D |
# | **mixed**: a word table for queries, a transformer for documents | even the kind | both |
#
# A shared tower cannot know what it reads. You can tell it in the text itself: put "query: " before the one and "passage: " before the other. Such words are called a **prompt**, or prefix; a whole sentence is an **instruction**. So a role can be told by other weights or by other words.
#
# ## By hand
#
# What does a prompt do to a mean? Let a prompt of two tokens point to 0°, and every token of the text to 90°, all of length 1. The mean of a text with n tokens then lies at

# %%
for n in (1, 2, 4, 8, 16):
    print(f"{n:>2} tokens of text: {dual_encoders.angle_of_mean(2, n):.1f}°")

# %%
explore(lambda tokens: dual_encoders.pull(2, tokens), tokens=[1, 2, 4, 8, 16])

# %% [markdown]
# Short queries swing most. If every query swings in the same way, is that bad? Not in itself: training can count on it. The question is what it costs when the swing is there in training and missing at search, or the other way round. You will measure both.
#
# ## Build it: whose gradient is it?
#
# Take the smallest tower there is, a matrix: f(x) = W x. Two towers start with the same W. Do they stay the same? (Exercises keep their numbers for good; here they come as 3, 1, 2, 5, 4, 6.)
#
# **Contract.** `weight` is W (D, F); `queries` and `passages` are (B, F), row by row a pair; a row `x` becomes `x @ weight.T`, which is never the zero vector. The loss is that of 04.1: InfoNCE from queries to passages, cosines divided by `temperature` before the softmax. Return three tensors (D, F) of the weight's dtype, the gradients of the query tower and of the document tower, where both are towers of their own that start with `weight`; and of W where one tower is shared. `weight` is left as it is, with no gradient in `weight.grad`. B is 1 or more.


# %%
# Exercise 06.3 · two towers and a shared one · medium · 12 min
def tower_gradients(weight, queries, passages, temperature):  # (D, F), (B, F), (B, F), float -> 3 times (D, F)
    ### BEGIN SOLUTION
    query_tower, document_tower = (weight.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_())
    logits = cos_sim(queries @ query_tower.T, passages @ document_tower.T) / temperature  # (B, B)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(queries)))
    query, document = torch.autograd.grad(loss, (query_tower, document_tower))
    return query, document, query + document  # a weight with two uses gets the sum
    ### END SOLUTION


# %%
tower_gradients = check("06.3", tower_gradients)

# %% [markdown]
# How far do the two sides agree? Tokens of real pairs, counted, as input, and a random W:

# %% tags=["nbval-ignore-output"]
batch = pairs[:64]
counts = [torch.zeros(64, tokenizer.get_vocab_size()) for _ in range(2)]
for side, table in enumerate(counts):
    for row, ids in enumerate(one.token_ids([pair[side] for pair in batch])):
        table[row] = torch.bincount(torch.tensor(ids), minlength=table.shape[1]).float()
query, document, both = tower_gradients(torch.randn(16, tokenizer.get_vocab_size()), *counts, 0.05)
print(f"cosine of the two towers' gradients: {torch.cosine_similarity(query.flatten(), document.flatten(), dim=0):.2f}")

# %% [markdown]
# They are not the same, so equal towers part at the first step. And a shared tower learns from both sides: a word that only documents use teaches it how to read that word in a query. Separate towers learn each word twice, or not at all.
#
# ## Build it: the pull of a prompt
#
# **Contract.** `prompt` (P, D) and `text` (T, D) are token vectors; P and T are 1 or more. Return a number: the cosine between the mean of the text's tokens alone and the mean of all P + T tokens. Neither mean is zero.


# %%
# Exercise 06.1 · the pull of a prompt · easy · 6 min
def pull_of_prompt(prompt, text):  # (P, D), (T, D) -> float
    ### BEGIN SOLUTION
    both = torch.cat([prompt, text]).mean(dim=0)  # (D,)
    return torch.cosine_similarity(text.mean(dim=0), both, dim=0).item()
    ### END SOLUTION


# %%
pull_of_prompt = check("06.1", pull_of_prompt)

# %% [markdown]
# In a transformer a prompt acts twice: its tokens are averaged in, and every other token has *read* it through attention. The first part can be left out.
#
# ## Build it: read, and not averaged
#
# **Contract.** Masked mean pooling as in 02.1, and the first `skip` tokens of each text take no part. Tokens are counted in each row from its first token, so padding may stand on either side. `skip` is 0 or more, the same for all rows. A text with no token left has the zero vector. Gradients flow to `hidden`.


# %%
# Exercise 06.2 · a mean that leaves the prompt out · medium · 10 min
def mean_pool_without_prompt(hidden, mask, skip):  # (B, T, D), (B, T), int -> (B, D)
    ### BEGIN SOLUTION
    number = mask.cumsum(dim=1)  # (B, T): 1 for the first token, 2 for the second
    keep = (mask * (number > skip))[:, :, None].float()  # (B, T, 1)
    return (hidden * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)
    ### END SOLUTION


# %%
mean_pool_without_prompt = check("06.2", mean_pool_without_prompt)

# %% [markdown]
# ## Build it: where cleared columns fail
#
# **The other way round.** A colleague wrote `mask[:, :skip] = 0` and took the masked mean. It passed on an encoder; it fails with a decoder. Find the smallest batch that shows why.
#
# **Contract.** Return `hidden, mask, skip`: floats (B, T, D), whole numbers or bools (B, T) with 1 for a token and 0 for padding, both tensors, and a whole number, on which that mean and the one of 06.2 differ. Padding stands on one side of a text, and each text has at least one token behind its prompt. Size counts the numbers in `hidden`; the smallest possible is asked for.


# %%
# Exercise 06.5 · where cleared columns fail · medium · 8 min
def smallest_batch():  # () -> hidden (B, T, D), mask (B, T), skip
    ### BEGIN SOLUTION
    hidden = torch.tensor([[[0.0], [9.0], [1.0]]])  # padding, prompt, text
    mask = torch.tensor([[0, 1, 1]])
    return hidden, mask, 1
    ### END SOLUTION


# %%
smallest_batch = check("06.5", smallest_batch)

# %% [markdown]
# ## Build it: search by role
#
# **Contract.** `encode` takes a list of texts and gives a tensor (n, D) of vectors of any length but 0. `prompts` is a pair: what stands before a query, what stands before a document, each joined with its text exactly as it stands, blanks and capitals included; it may be empty. Return a tensor (Q, K) of int64: for each query the numbers of the nearest documents by cosine, the nearest first. K is the smaller one of `k` and the number of documents. No two cosines of a query are equal.


# %%
# Exercise 06.4 · search by role · easy · 8 min
def search_by_role(encode, prompts, queries, documents, k):  # encode, (str, str), Q texts, N texts, int -> (Q, K)
    ### BEGIN SOLUTION
    query_prompt, document_prompt = prompts
    q = encode([query_prompt + text for text in queries])  # (Q, D)
    d = encode([document_prompt + text for text in documents])  # (N, D)
    return cos_sim(q, d).topk(min(k, len(documents)), dim=1).indices
    ### END SOLUTION


# %%
search_by_role = check("06.4", search_by_role)

# %% [markdown]
# ## Build it: a training step of two towers
#
# Now all parts in a row. Note what has to happen *in training*, too: the prompt, and what pooling does with it.
#
# **Contract.** `towers` is a module with `query_encoder` and `document_encoder`, which may be one and the same; `towers.parameters()` names each weight once. A tower has `prompt` (text) and `skip` (tokens that take no part in pooling); `tower.tokenize(texts)` gives ids (B, T) and mask (B, T), `tower(ids, mask)` token vectors (B, T, D). Each side is read with its own tower's prompt and pooled as in 06.2. The loss is that of 04.1. Every weight moves once by −`lr` times its gradient; an old gradient in `.grad` does not count. Return the loss before the step, as a number.


# %%
# Exercise 06.6 · a training step of two towers · hard · 18 min
def train_step(towers, queries, passages, temperature, lr):
    # towers, B texts, B texts, float, float -> float; the towers' weights are changed
    ### BEGIN SOLUTION
    embedded = []
    for tower, texts in ((towers.query_encoder, queries), (towers.document_encoder, passages)):
        ids, mask = tower.tokenize([tower.prompt + text for text in texts])  # (B, T), (B, T)
        hidden = tower(ids, mask)  # (B, T, D)
        embedded.append(mean_pool_without_prompt(hidden, mask, tower.skip))  # (B, D)
    logits = cos_sim(*embedded) / temperature  # (B, B)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(queries)))
    optimizer = torch.optim.SGD(towers.parameters(), lr=lr)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %%
train_step = check("06.6", train_step)

# %% [markdown]
# ## Train it
#
# `fit` takes a `DualEncoder` and does what you built: each side by its tower, with its prompt.

# %%
predict("06.p2")

# %% [markdown]
# Four arms, two seeds each, equal steps. The heads start as the identity, so that they change nothing at first. Write a text of your own; it is followed in the figure below.

# %%
mine = "Return a new list in ascending order."


def with_head(trunk):
    head = Dense(128, 128, bias=False, activation="Identity")
    torch.nn.init.eye_(head.linear.weight)
    return TextEncoder(tokenizer, trunk, max_length=64, layers=[head])


new = {
    "one shared tower": lambda seed: DualEncoder(new_tower(seed)),
    "two towers, one start": lambda seed: DualEncoder(new_tower(seed), new_tower(seed)),
    "two towers, two starts": lambda seed: DualEncoder(new_tower(seed), new_tower(seed + 1000)),
    "one trunk, two heads": lambda seed: DualEncoder(*map(with_head, [new_tower(seed).backbone] * 2)),
}

# %%
texts = [*list(small.corpus.values())[:100], mine]


def moment(towers):
    cosines = (towers.encode_query(texts) * towers.encode_document(texts)).sum(axis=1)
    return dual_encoders.Moment(cosines[:-1], recall(towers).mean(), cosines[-1])


def watched(towers, at=(15, 30, 60)):
    seen = {0: moment(towers)}
    train(towers, on_step=lambda now: seen.update({now["step"]: moment(towers)} if now["step"] in at else {}))
    return {step: seen.get(step) or moment(towers) for step in (0, *at)}


# %%
moments, quality = {}, {}
for name, make in new.items():
    first, second = make(0), make(1)
    moments[name] = watched(first)
    quality[name] = np.array([recall(first), recall(train(second, seed=1))])  # (seeds, queries)
mean = {name: values.mean() for name, values in quality.items()}

# %% tags=["nbval-ignore-output"]
from workbook.bm25 import BM25

found = evaluate(small.qrels, BM25().index(small.corpus).search(small.queries, k=10), ("recall@10",))
intervals = {name: bootstrap_ci(values.mean(axis=0))[1:] for name, values in quality.items()}
show(
    results.bars(mean, "Recall@10", intervals, chance=0.005, bm25=found["recall@10"], title="60 steps of 128 pairs"),
)


# %%
def beats(a, b):
    ahead = (quality[a] - quality[b]).mean(axis=1) > 0
    return "holds" if ahead.all() else "does not hold"


shared, same, apart, heads = new
print("one shared tower beats two from one start, both seeds:", beats(shared, same))
print("one start beats two starts, both seeds:", beats(same, apart))
print("one shared tower beats a trunk with two heads, both seeds:", beats(shared, heads))
difference = bootstrap_ci((quality[shared] - quality[same]).mean(axis=0))
print("shared minus separate, interval above 0:", "holds" if difference[1] > 0 else "does not hold")

# %% [markdown]
# More weights, and less found. (BM25, the line, finds more than every arm: 60 steps teach a word table little.) With 8,000 pairs each of two tables sees one side of the pairs alone. Freedom in the last layer alone does not help either. All arms share one learning rate here, which need not suit a head; the record below tunes each.
#
# ## See it: two doors, one word
#
# **What do two towers make of one and the same text?** Each dot is a passage that goes through both doors; the diamond is yours. Do equal starts stay together? Do different starts meet?

# %% tags=["nbval-ignore-output"]
explore(lambda step: dual_encoders.two_doors(moments, step), step=[0, 15, 30, 60])
for name, by_step in moments.items():
    before, after = (np.mean(by_step[step].cosines) for step in (0, 60))
    print(f"{name:<24} {before:+.2f} became {after:+.2f}; Recall@10 {by_step[60].recall:.3f}")

# %%
ends = {name: [np.mean(by_step[step].cosines) for step in (0, 60)] for name, by_step in moments.items()}
print("equal starts drift apart:", "holds" if ends[same][1] < 0.9 * ends[same][0] else "does not hold")
print("different starts come closer:", "holds" if ends[apart][1] > ends[apart][0] + 0.2 else "does not hold")

# %% [markdown]
# The loss never compares a text with itself. It leaves the cosine of a text's two vectors free, so drifting is no fault: what counts is query to passage. Two towers are still *not interchangeable*. Whoever embeds passages with the query tower searches in the wrong room.
#
# Static towers are the hardest case for separation, since a word knows only what its own vector was told. Here is the record, each arm at its own best of two learning rates, five seeds; in the transformer settings all arms start from `base/start`, and the last one gives queries a word table that costs next to nothing at search. Whiskers of the figure reach from the lowest seed to the highest:

# %%
from workbook.claims import read_record

settings = read_record(16).measurements["settings"]
for name, found in settings.items():
    print(name)
    for arm, (gain, low, high) in found["minus shared"].items():
        print(f"  {arm:<38} minus shared {gain:+.3f} [{low:+.3f}, {high:+.3f}] nDCG@10")

# %%
arms = settings["transformer, pydocs, equal time"]["ndcg@10"]
show(
    results.bars(
        {arm: float(np.mean(seeds)) for arm, seeds in arms.items()},
        "nDCG@10",
        {arm: (min(seeds), max(seeds)) for arm, seeds in arms.items()},
        title="transformers, equal time",
        whiskers="the lowest and the highest of five seeds",
    ),
)

# %% [markdown]
# Where an interval holds 0, no difference was seen. For words alone two towers lose in every setting; two transformers that start from the same trained weights have hardly moved apart after some twenty steps, and no difference was seen. A mixed pair is bought for its price, not for its quality: its queries need no transformer. After so few steps it finds about half as much.
#
# ## Break it
#
# Now the words. The encoder `base/start` of this workbook has never seen a prompt. Someone reads elsewhere that queries need an instruction, and adds one.

# %%
predict("06.p3")

# %%
from workbook.similarity import top_k

base = load("base/start")
bench = docs.split("dev").sample(150, num_passages=400)
names = list(bench.corpus)
passages = torch.tensor(base.encode(list(bench.corpus.values())))
foreign = "Represent this sentence for searching relevant passages: "


def found_with(prompt, pooled=True):  # one value for each query
    base.include_prompt = pooled
    vectors = torch.tensor(base.encode(list(bench.queries.values()), prompt=prompt))
    nearest = top_k(vectors, passages, k=10)[1].tolist()
    return np.array(
        [any(names[j] in bench.qrels[q] for j in row) for q, row in zip(bench.queries, nearest)], dtype=float
    )


plain, added, left_out = found_with(""), found_with(foreign), found_with(foreign, pooled=False)
print("an unknown instruction costs:", "holds" if bootstrap_ci(plain - added)[1] > 0 else "does not hold")
print("left out of pooling, it costs less:", "holds" if left_out.mean() > added.mean() else "does not hold")

# %% tags=["nbval-ignore-output"]
print(f"Recall@10: no prompt {plain.mean():.3f}, added {added.mean():.3f}, added and left out {left_out.mean():.3f}")

# %% [markdown]
# Most of the damage is the pull on the mean. Whatever is left is what the other tokens have read.
#
# So far the prompt was new at search. Now **prompts in training times prompts at search**, from the record of claim 17: `base/start` trained with "query: " and "passage: " or without, and searched in both ways, with the two exchanged, and with the query's on both sides. Five seeds, nDCG@10.


# %%
def table(id, collection):
    cells = {}
    for name, seeds in read_record(id).measurements["collections"][collection]["ndcg@10"].items():
        trained, searched = name.removeprefix("trained ").split(", searched ")
        cells.setdefault(trained, {})[searched] = float(np.mean(seeds))
    return cells


for collection in ("pydocs", "planted"):
    show(dual_encoders.table_of_prompts(table(17, collection), "nDCG@10", f"{collection}: prompts"))


# %%
def differences(id):
    for collection, found in read_record(id).measurements["collections"].items():
        for what, (gain, low, high) in found["differences"].items():
            print(f"{collection:<8} {what:<34} {gain:+.3f} [{low:+.3f}, {high:+.3f}]")


differences(17)

# %% [markdown]
# Each line is what a match is worth over a mismatch, or prompts over none. Prompts at search alone cost most. After 24 steps with them the model has won back about half of that, and is still behind the one that never saw any: words are not worth their place until they have been learned. Forgotten at search, they cost nothing. Exchanged, they cost once more on pydocs; on planted that interval holds 0. In a longer trial, outside the record, prompts won on neither.
#
# And the same with prompts everywhere, their tokens pooled or left out, in training and at search (claim 71). The sign turns: above 0 now means that leaving out is worth more than pooling everywhere:

# %%
for collection in ("pydocs", "planted"):
    show(dual_encoders.table_of_prompts(table(71, collection), "nDCG@10", f"{collection}: the prompt's tokens"))
differences(71)

# %% [markdown]
# Done the same way in training and at search, no difference was seen: training with the prompt has made up for its pull. Left out in training alone, on pydocs, it cost 0.017. Read the intervals before you retrain anything. Published effects come with long instructions and large models: E5-mistral loses 4.2 points of MTEB without its instruction (Wang et al. 2024).
#
# ## In the libraries
#
# sentence-transformers calls two towers a `Router`. `DualEncoder.save` writes one:

# %%
import tempfile

from sentence_transformers import SentenceTransformer
from transformers.utils import logging

logging.set_verbosity_error(), logging.disable_progress_bar()
towers = DualEncoder(one, other)
with tempfile.TemporaryDirectory() as folder:
    towers.save(folder)
    router = SentenceTransformer(folder, device="cpu", local_files_only=True)
for role in ("encode_query", "encode_document"):
    same_vectors = np.allclose(getattr(router, role)([mine]), getattr(towers, role)([mine]), atol=1e-5)
    print(f"{role} of their Router and of our two towers agree:", same_vectors)

# %% [markdown]
# **And prompts?** A model may carry them in its settings. What happens to them by default?

# %%
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

from workbook.encoder.shipped import FOLDER

prompts = {"query": "query: ", "document": "passage: "}
options = {"local_files_only": True, "model_kwargs": {"dtype": torch.float32}}
peer = SentenceTransformer(str(FOLDER / "start"), device="cpu", prompts=prompts, **options)
print(
    "encode_query uses the query prompt:",
    np.allclose(peer.encode_query([mine]), peer.encode([prompts["query"] + mine])),
)
print("encode uses it:", np.allclose(peer.encode([mine]), peer.encode_query([mine])))
print("pooling leaves it out:", not peer[1].include_prompt)


# %%
def tokens_in_training(**options):
    collate = SentenceTransformerDataCollator(peer.preprocess, **options)
    return collate([{"anchor": mine}])["anchor_input_ids"].shape[1]


alone, with_prompt = (len(base.token_ids([text])[0]) for text in (mine, "query: " + mine))
print("training uses it:", tokens_in_training() == with_prompt)
print("training by role, prompts=model.prompts, uses it:", tokens_in_training(prompts=peer.prompts) == with_prompt)
by_column = tokens_in_training(prompts={"anchor": "query: "})
print('training by column, prompts={"anchor": "query: "}, uses it:', by_column == with_prompt)

# %% [markdown]
# So the prompts of the settings act in `encode_query` and `encode_document` alone. Not in `encode`, and **not in training**: there the trainer's `prompts` count, and their keys are names of *columns*, not of roles.
#
# **Somebody else's model** has habits that its weights do not show. The zoo knows those of common families and warns; for a model of your own you state them.

# %%
import warnings

from workbook.zoo import Family, load_pretrained

habits = Family("workbook/start", "bert", 256, 192, pooling="mean", normalize=True)


def warned(name, **settings):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", UserWarning)
        load_pretrained(name, pooling="cls", query_prompt="query: ", **settings)
    return [str(warning.message) for warning in heard if "authors state" in str(warning.message)]


print(*warned(FOLDER / "start", family=habits), sep="\n")

# %% tags=["nbval-ignore-output"]
try:
    print(*warned("all-MiniLM-L6-v2"), sep="\n")
except FileNotFoundError:
    print("all-MiniLM-L6-v2 is not installed; `python -m workbook doctor` says how to get it")

# %% [markdown]
# ## Further: static or transformer, at equal time
#
# About {minutes} minutes. A step of a transformer costs as much as many steps of a word table. Give both the same processor time. The transformer starts from `base/start`, which took 1.6 hours to make, the table from random numbers: those hours are part of the comparison.

# %%
import time


def transformer(seed):
    torch.manual_seed(seed)
    encoder = load("base/start")
    encoder.max_length = 48
    return encoder


def seconds(encoder, **options):
    begin = time.process_time()
    fit(encoder, pairs, temperature=0.05, **options)
    return time.process_time() - begin


# %% tags=["nbval-ignore-output"]
scores = {"transformer": [], "static": []}
few = docs.split("dev").sample(100, num_passages=400)
for seed in (0, 1):
    encoders = {"transformer": transformer(seed), "static": new_tower(seed)}
    given = seconds(encoders["transformer"], steps=6, batch_size=32, lr=3e-4, seed=seed)
    a_step = seconds(new_tower(seed), steps=5, batch_size=128, lr=0.02, seed=seed) / 5
    train(encoders["static"], seed, steps=max(1, round(given / a_step)))
    for name, encoder in encoders.items():
        run = dense_search(encoder, few.corpus, few.queries, k=10)
        scores[name].append(evaluate(few.qrels, run, ("recall@10",))["recall@10"])
print({name: [round(value, 3) for value in values] for name, values in scores.items()})

# %% [markdown]
# Training is paid once. A query is paid each time, and there the two differ as well:

# %% tags=["nbval-ignore-output"]
for name, encoder in encoders.items():
    begin = time.process_time()
    encoder.encode(list(few.queries.values()))
    print(f"{name:<12} {(time.process_time() - begin) / len(few.queries) * 1000:.2f} ms for a query")

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(16, budget="record")
# %%
settle(17, budget="record")
# %%
settle(71, budget="record")
# %% [markdown]
# ## Questions people ask
#
# **One encoder or two?** One, until a measurement of yours says otherwise. Two need more data, and must be trained together. If you want asymmetry, start both from the same weights, or share the trunk and give each role a head.
#
# **My asymmetric model fell from 0.73 to 0.01. Why?** Its two sides do not share a space: heads or towers with different random starts, too little joint training, or a saved model in which one side was exchanged. Encode one text with both at step 0: from equal starts the cosine is 1.
#
# **Are the prompts in the config used in training?** Not by sentence-transformers, as shown above: give the trainer `prompts` by column. Here `fit` puts the encoder's own prompts before both sides.
#
# **Are prompts masked out of pooling?** Only with `include_prompt=False`, which INSTRUCTOR-like models set. Set it in training and at search alike. Check left padding with a batch like yours in 06.5.
#
# **The instruction made it worse. When do I need one?** When the model was trained with it: copy it from the model card, letter by letter, blank included. In retrieval it commonly stands on the query side alone, so that the index need not know the task. For similarity both texts play the same role: put it on both or on none. Then test both on your own data.
#
# ## Quiz

# %%
quiz("06")

# %% [markdown]
# ## Recap
#
# - Two towers share a space only if they were trained together. Crossed, they find nothing, and no error says so.
# - A shared tower's gradient is the sum of both sides': every word is learned once, from queries and documents.
# - Equal starts drift apart, different starts come closer. The loss never compares a text with itself.
# - In all six static settings a shared tower finds more than two, and more than a shared trunk with two heads.
# - A prompt tells the role in words. It pulls on the mean, most in short texts, and the other tokens read it.
# - A prompt is put there letter by letter. Forgotten at search, prompts cost nothing here; added at search alone, most.
# - To leave a prompt out of pooling, count tokens, not columns.
# - Prompts in a model's settings act in `encode_query` and `encode_document`, not in training.
#
# **New terms:** tower · dual encoder · shared, separate, mixed towers · trunk, head · prompt, prefix, instruction · role.
#
# **Open task.** Take a model that you use and its card. Search your own data with the stated prompts, without, and with the two exchanged. Report differences with intervals.
#
# **Read next:** Karpukhin et al. 2020, *Dense Passage Retrieval* (two towers); Wang et al. 2022, *Text Embeddings by Weakly-Supervised Contrastive Pre-training* (one tower, two prefixes).
#
# **Next chapter:** 07 · How do the pieces become a model that you can ship?
