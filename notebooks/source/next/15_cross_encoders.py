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
# # 15 · What does reading both texts together buy?
#
# So far two texts were read apart, and met in a product: all that a query may ask had to be in the passage's vectors before. Now both are one input, and every token may look at every other.
#
# **You will be able to** build such a reader's input, choose its loss, let it teach, tell a logit from a probability, and train it on its retriever's mistakes.
#
# **You need** chapters 01, 04 and 08. **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. Two questions from memory:

# %%
from itertools import pairwise

import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import attention, explore, show

quiz("14.q6", "08.q3")

# %% [markdown]
# ## Predict

# %%
predict("15.p1")

# %% [markdown]
# ## A failure first
#
# Three texts, each with its mirror image, and with the same in other words. Which is nearer?

# %%
from workbook.encoder import load

base = load("base")
three = {  # text: its mirror image, the same in other words
    "convert celsius to fahrenheit": ("convert fahrenheit to celsius", "turn degrees of celsius into fahrenheit"),
    "convert a list to a tuple": ("convert a tuple to a list", "turn a list into a tuple"),
    "flights from Oslo to Rome": ("flights from Rome to Oslo", "fly from Oslo to Rome"),
}
vectors = [base.encode([text, *others]) for text, others in three.items()]  # (3, D), each
cosines = {text: x[1:] @ x[0] for text, x in zip(three, vectors)}
print("each mirror image has a cosine above .95:", all(mirror > 0.95 for mirror, same in cosines.values()))
print("each is nearer than the same in other words:", all(mirror > same for mirror, same in cosines.values()))

# %% tags=["nbval-ignore-output"]
for text, (mirror, same) in cosines.items():
    print(f"{text:<30} mirror image {mirror:.2f} · in other words {same:.2f}")

# %% [markdown]
# The same words make nearly the same vector. Their order is in it, faintly: nobody knew that it would be asked for.
#
# ## The idea
#
# A **cross-encoder** (Nogueira and Cho 2019) reads both texts as one. Whatever reads them apart is a **bi-encoder**.
#
# $$\text{score} = w \cdot h_{[CLS]} + c, \qquad h = \text{transformer}(\text{[CLS] query [SEP] passage [SEP]})$$
#
# | | |
# |---|---|
# | ids, **segments** (0 in the query, 1 in the passage) | (B, T) |
# | h | (B, T, D) |
# | score, a **logit**: any number, larger is more relevant | (B,) |
#
# (BERT has one more layer before w.) Two tokens meet three: of 25 cells 12 lie across. Read apart, these are empty:

# %%
tokens = ["heart", "attack", "myo", "cardial", "infarction"]
likeness = torch.tensor(  # made up
    [[1, 2, 1, 2, 0], [2, 1, 0, 1, 2], [1, 0, 1, 2, 1], [2, 1, 2, 1, 1], [0, 2, 1, 1, 1]], dtype=torch.float32
)
side = torch.tensor([0, 0, 1, 1, 1])
across = side[:, None] != side
grids = {"apart": likeness.masked_fill(across, float("-inf")).softmax(dim=1), "together": likeness.softmax(dim=1)}
explore(lambda read: attention.attention_map(tokens, grids[read], f"read {read}"), read=list(grids))
print(f"{across.numel()} cells, {int(across.sum())} across")

# %% [markdown]
# The price: nothing can be computed beforehand.

# %%
predict("15.p2")

# %% [markdown]
# So it does not search: it is a **reranker**, and orders what a cheap search has found.
#
# ## By hand
#
# Logits 1, 0, −1; the first and the last passage are relevant. ln(1 + eˣ) is 1.313, .693, .313 for x = 1, 0, −1.
#
# - **pointwise**, each by itself: (.313+.693+1.313)/3 = .773
# - **pairwise**, wrong minus right, −1 and 1: (.313+1.313)/2 = .813
# - **listwise**, shares: ln(e¹+e⁰+e⁻¹) = 1.408, so (.408+2.408)/2 = 1.408
#
# The price, for a query of 8 tokens and 100 passages of 64:

# %%
from workbook.cost import multiply_adds

query, pair = (sum(multiply_adds(tokens, 384, 6).values()) for tokens in (8, 8 + 64))
print(f"the query alone {query / 1e6:.0f} M multiply-adds, a pair {pair / 1e6:.0f} M")
print(f"100 pairs: {100 * pair / query:.0f} times the query")

# %% [markdown]
# ## Build it: two texts in one input
#
# **Contract.** `query` and `passage` are lists of ids without special tokens, either may be empty; `cls` and `sep` are ids; `max_length` is 5 or more. Return two lists in a tuple: the ids of [CLS] query [SEP] passage [SEP], and their segments, 0 to the first [SEP] inclusive, then 1. While they are more than `max_length`, the text that is longer at that moment loses its last id; of equally long ones the one that was shorter at first, or the query if they began equally long. Nothing is filled up, and nothing that is passed in changes.


# %%
# Exercise 15.1 · two texts in one input · medium · 10 min
def pair_ids(query, passage, cls, sep, max_length):  # -> (list of int, list of int)
    ### BEGIN SOLUTION
    q, p = len(query), len(passage)
    longer_at_first = "query" if q > p else "passage"
    while q + p + 3 > max_length:
        if q > p or (q == p and longer_at_first == "passage"):
            q -= 1
        else:
            p -= 1
    ids = [cls, *query[:q], sep, *passage[:p], sep]
    return ids, [0] * (q + 2) + [1] * (p + 1)
    ### END SOLUTION


# %%
pair_ids = check("15.1", pair_ids)

# %%
from workbook.base.heads import cross_encoder_of

reader = cross_encoder_of(base)  # base's layers, and a new last layer that has not learned anything
texts = "convert celsius to fahrenheit", "Multiply the degrees by nine fifths and add 32. " * 30
apart = [base.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
cls, sep = (base.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
theirs = reader.token_ids([texts])
print("the package's ids and segments:", pair_ids(*apart, cls, sep, reader.max_length) == (theirs[0][0], theirs[1][0]))

# %% [markdown]
# The package lets `tokenizers` cut (`longest_first`).
#
# ## Build it: three losses on lists

# %%
predict("15.p3")

# %% [markdown]
# **Contract.** `scores` (B, L) holds the logits of L passages for each of B queries; `labels` (B, L) are floats, 1 = relevant, 0 = not, and every row has both. Return a tuple of three scalar tensors:
#
# 1. **pointwise**: binary cross-entropy of each score's sigmoid with its label, mean over all B·L;
# 2. **pairwise** (RankNet): ln(1 + exp(wrong − right)), for the scores of each relevant and each irrelevant passage of the same row, mean over all such pairs of the batch;
# 3. **listwise**: −Σ P·ln S along a row, where P is the labels divided by their sum and S the softmax of the scores, mean over rows.
#
# Logarithms are natural; scores of ±150 give finite numbers; gradients flow to `scores`.


# %%
# Exercise 15.2 · three losses on lists · medium · 12 min
def three_losses(scores, labels):  # (B, L), (B, L) -> three scalars
    ### BEGIN SOLUTION
    pointwise = torch.nn.functional.binary_cross_entropy_with_logits(scores, labels)
    right_and_wrong = (labels[:, :, None] == 1) & (labels[:, None, :] == 0)  # (B, L, L)
    wrong_minus_right = scores[:, None, :] - scores[:, :, None]
    pairwise = torch.nn.functional.softplus(wrong_minus_right[right_and_wrong]).mean()
    P = labels / labels.sum(dim=1, keepdim=True)
    listwise = -(P * scores.log_softmax(dim=1)).sum(dim=1).mean()
    return pointwise, pairwise, listwise
    ### END SOLUTION


# %%
three_losses = check("15.2", three_losses)

# %%
scores, labels = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[1.0, 0.0, 1.0]])
moved = three_losses(scores + 3, labels)
for name, before, after in zip(("pointwise", "pairwise", "listwise"), three_losses(scores, labels), moved):
    print(f"{name:<9} {before:.3f}, with 3 added to every score of the list {after:.3f}")

# %% [markdown]
# Only pointwise says where 0 lies. After the others, scores do not compare between queries.
#
# ## Build it: MarginMSE
#
# Too slow to search, it can teach a model that searches (**distillation**): not only which passage is better, but *how much*.
#
# **Contract.** `query` and `positive` (B, D) and `negatives` (B, M, D), M ≥ 1, are the student's vectors; nothing is normalized, and row i of each belongs to query i. `teacher` (B, 1 + M) holds its scores, of the positive first. A margin is the positive's score minus a negative's; the student's scores are dot products with the query. Return the squared difference between the student's margin and the teacher's, the mean over all B·M, a scalar. Gradients flow to the student's three tensors, none to `teacher`.


# %%
# Exercise 15.3 · MarginMSE · easy · 8 min
def margin_mse(query, positive, negatives, teacher):  # (B, D), (B, D), (B, M, D), (B, 1 + M) -> scalar
    ### BEGIN SOLUTION
    right = (query * positive).sum(dim=1, keepdim=True)  # (B, 1)
    wrong = torch.einsum("bd,bmd->bm", query, negatives)
    wanted = (teacher[:, :1] - teacher[:, 1:]).detach()
    return (right - wrong - wanted).square().mean()
    ### END SOLUTION


# %%
margin_mse = check("15.3", margin_mse)

# %%
query, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[4.2, 1.1]])
for name, right, wrong in (("student .9 and .4", 0.9, 0.4), ("the best of cosines", 1.0, -1.0)):
    loss = margin_mse(query, torch.tensor([[right, 0.0]]), torch.tensor([[[wrong, 0.0]]]), teacher)
    print(f"{name:<20} margin {right - wrong:.1f}, the teacher's 3.1: loss {loss:.2f}")

# %% [markdown]
# (3.1 − .5)² = 6.76. A margin of cosines is at most 2, so let the student's vectors have any length. So taught, DistilBERT had .326 MRR@10 on MS MARCO, else .298 (Hofstätter et al. 2021).
#
# ## Build it: is a probability calibrated?
#
# A probability is **calibrated** if eight in ten of the passages that got .8 are relevant. No ranking metric sees that; a **reliability curve** does.
#
# **Contract.** `probabilities` (N,) are floats from 0 to 1, `labels` (N,) floats, 1 = relevant, 0 = not; N ≥ 1. Of `bins` equally wide bins, number b, from 0, holds what is above b/bins, up to and including (b + 1)/bins; the first also holds 0. Empty ones are left out; K remain, from low to high. Return a tuple: the mean probability of each bin and its share of relevant passages, (K,) float32 tensors; their counts, (K,) int64; and the **expected calibration error**, a float: Σ count/N · |share − mean probability|.


# %%
# Exercise 15.4 · is a probability calibrated? · medium · 12 min
def reliability(probabilities, labels, bins):  # (N,), (N,), int -> (K,), (K,), (K,), float
    ### BEGIN SOLUTION
    edges = torch.linspace(0, 1, bins + 1)[1:-1]
    place = torch.bucketize(probabilities, edges)  # how many edges lie below
    inside = [place == b for b in place.unique()]
    said = torch.stack([probabilities[i].mean() for i in inside])
    share = torch.stack([labels[i].mean() for i in inside])
    count = torch.stack([i.sum() for i in inside])
    error = (count * (share - said).abs()).sum() / len(labels)
    return said, share, count, error.item()
    ### END SOLUTION


# %%
reliability = check("15.4", reliability)

# %% [markdown]
# Logits three times too large rank as before. **Platt scaling** fits a scale and a shift on labelled pairs; measured on others:

# %%
from workbook.metrics import fit_platt

generator = torch.Generator().manual_seed(0)
true_logits = 2 * torch.randn(4000, generator=generator) - 1
labels = (torch.rand(4000, generator=generator) < true_logits.sigmoid()).float()
logits = 3 * true_logits
scale, shift = fit_platt(logits[:2000], labels[:2000])
before = reliability(logits[2000:].sigmoid(), labels[2000:], 10)[-1]
after = reliability((scale * logits[2000:] + shift).sigmoid(), labels[2000:], 10)[-1]
print("calibration error above .08 before:", before > 0.08, "· below .04 after:", after < 0.04)
print("the order is the same:", scale > 0)

# %%
from workbook.figures import logits as score_figures
from workbook.metrics import reliability_curve

held_out, truth = logits[2000:], labels[2000:]
drawn = [reliability_curve(x.sigmoid(), truth, 10) for x in (held_out, scale * held_out + shift)]
show(score_figures.reliability(*drawn, names=("three times too large", "after Platt scaling")))

# %% [markdown]
# ## Build it: in every list somebody wins
#
# **The other way round.** A colleague calls a passage relevant if its share in the softmax over the query's candidates is at least one half. Right is: if the sigmoid of its own logit is.
#
# **Contract.** Return a list of one query's logits, finite numbers, at least one, such that the two differ on some candidate. Size counts the logits; the smallest is asked for.


# %%
# Exercise 15.5 · in every list somebody wins · easy · 5 min
def smallest_list():  # () -> list of float
    ### BEGIN SOLUTION
    return [-1.0]
    ### END SOLUTION


# %%
smallest_list = check("15.5", smallest_list)

# %% [markdown]
# A share says who is best, not whether anybody is good.
#
# ## Build it: a step on the retriever's own lists
#
# Train on what will be read: the retriever's own candidates, and some random passages, so that easy ones stay known.
#
# **Contract.** `queries` and `corpus` map ids to texts, `qrels` query ids to {passage id: grade}, `run` query ids to {passage id: score}, perhaps {}. Relevant is a grade above 0; every query has one at least. `others` is a list of passage ids, none twice; `num_hard` ≥ 0. A query's list is, in this order: the first relevant passage in its qrels, found or not; the `num_hard` best irrelevant ones of its run (of equal scores the earlier in the run; if fewer, all); those of `others`, in order, that are neither relevant nor listed already.
#
# `model` maps a list of (query text, passage text) to logits, a tensor (N,). Call it once, with all lists in the order of `queries`. A list's loss is −ln of its first passage's share in its softmax; take the mean over lists. Do one step of plain SGD at `lr` on `model.parameters()`, old gradients cleared. Return a tuple of two numbers, both from the scores before the step: the loss, and the mean over lists of 1/rank of the first passage, where an equal score counts as above it. Only the model changes.


# %%
# Exercise 15.6 · a step on the retriever's own lists · hard · 20 min
def train_on_lists(model, queries, corpus, qrels, run, others, num_hard, lr):  # -> (float, float)
    ### BEGIN SOLUTION
    pairs, lengths = [], []
    for query, text in queries.items():
        right = [p for p, grade in qrels[query].items() if grade > 0]
        ranked = sorted(run[query], key=run[query].get, reverse=True)  # equal ones stay in their order
        hard = [p for p in ranked if p not in right][:num_hard]
        easy = [p for p in others if p not in right and p not in hard]
        chosen = [right[0], *hard, *easy]
        pairs += [(text, corpus[p]) for p in chosen]
        lengths.append(len(chosen))
    lists = model(pairs).split(lengths)
    loss = torch.stack([-scores.log_softmax(dim=0)[0] for scores in lists]).mean()
    ranks = [1 + (scores[1:] >= scores[0]).sum().item() for scores in lists]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), sum(1 / rank for rank in ranks) / len(ranks)
    ### END SOLUTION


# %%
train_on_lists = check("15.6", train_on_lists)

# %% [markdown]
# Four queries, four steps:

# %%
from workbook.bm25 import BM25
from workbook.data.planted import planted

few = planted(3_000, unlabelled=1.0, label_noise=0.0).collection().split("dev").sample(4, 300)
run, others = BM25().index(few.corpus).search(few.queries, k=20), list(few.corpus)[:2]


class Reading(torch.nn.Module):  # pairs of texts in, logits out
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, pairs):
        return self.encoder(*self.encoder.pad(*self.encoder.token_ids(pairs)))


# %%
learner = Reading(cross_encoder_of(base)).eval()  # without dropout
steps = [train_on_lists(learner, few.queries, few.corpus, few.qrels, run, others, 3, 1.0) for _ in range(4)]
print("it begins near ln 6:", abs(steps[0][0] - np.log(6)) < 0.05)
print("it falls, step by step:", all(a[0] > b[0] for a, b in pairwise(steps)))

# %% [markdown]
# It began near ln 6, a guess. Do *other* queries gain?
#
# ## See it: a wall between the texts
#
# Must all layers look across? A wall through the first ones keeps the texts apart in there, and what lies behind it can be computed beforehand. Base has two layers. What a wall through none, one or both leaves of quality is recorded: readers that began as base, trained alike on lists of its own finds.

# %%
from workbook.claims import read_record
from workbook.figures import cross_encoders

query, passage = "convert celsius to fahrenheit", "Multiply the degrees by nine fifths and add 32."  # or your own
tokens = [base.tokenizer.encode(text).tokens for text in (query, passage)]
recorded = {int(wall): row for wall, row in read_record(42).measurements["walls"]["planted"].items()}

explore(lambda walled: cross_encoders.wall(*tokens, walled, 2, recorded, hidden=256), walled=[0, 1, 2])

# %% [markdown]
# «N42: what a wall through one layer of two costs of the gain.» The passage's part is no longer free, though: its tokens' states must be stored.
#
# Does such a reader know a text from its mirror image? The one that comes with the workbook:

# %%
from workbook.base import load_cross_encoder

ours = load_cross_encoder()
for text, (mirror, same) in three.items():
    scores = ours.predict([(text, mirror), (text, same)])
    print(f"{text:<30} mirror image {scores[0]:.1f} · in other words {scores[1]:.1f}")

# %% [markdown]
# It reads both together and is as blind as base. Nothing in its lists asked for a direction. To look across is a possibility; training decides what is looked for.
#
# ## Train it
#
# So ask for it: letters among a hundred people, each passage beside its mirror image. Two arms, two seeds: base with its doors open, and the same with a wall through both layers, which reads apart. BM25 sees the same words in both passages, and guesses.

# %%
from workbook.base.reader import Reader, ReadingList, fit_reader
from workbook.data.planted.names import FIRST_NAMES

asks = ["a letter from {a} to {b}", "what did {a} write to {b}", "{b} heard from {a}"]
says = ["Dear {b}, I am well. Yours, {a}", "{a} sent it, {b} got it.", "{b} opened what {a} had written."]


def letters(names, count, seed):  # lists of a right passage and its mirror image
    draw, lists = np.random.default_rng(seed), []
    for _ in range(count):
        a, b = draw.choice(names, 2, replace=False)
        ask, say = draw.choice(asks), draw.choice(says)
        passages = [say.format(a=a, b=b), say.format(a=b, b=a)]
        lists.append(ReadingList(ask.format(a=a, b=b), passages, [100.0, 0.0]))
    return lists


# %%
unseen = letters(FIRST_NAMES[100:], 100, 9)


def told_apart(reader):  # (100,), whether the right passage is ahead, for names that no list has held
    scores = reader.predict([(each.query, passage) for each in unseen for passage in each.passages])
    return scores[::2] > scores[1::2]


def trained(wall, seed):
    reader = Reader(base, wall).count_words([passage for each in unseen for passage in each.passages])
    fit_reader(reader, letters(FIRST_NAMES[:100], 1_920, seed), steps=120, batch_size=16, lr=6e-4, seed=seed)
    return told_apart(reader)


# %%
walls = {"reads together": 0, "reads apart": 2}
right = {name: np.array([trained(wall, seed) for seed in (0, 1)]) for name, wall in walls.items()}  # (seeds, 100)
together, apart = (right[name].mean(axis=1) for name in walls)
print("together more than seven in ten, both seeds:", bool((together > 0.7).all()))
print("apart less than that, both seeds:", bool((apart < 0.7).all()))

# %% tags=["nbval-ignore-output"]
from workbook.figures import results
from workbook.metrics import bootstrap_ci

means = {name: each.mean() for name, each in right.items()}
whiskers = {name: bootstrap_ci(each.mean(axis=0))[1:] for name, each in right.items()}
show(results.bars(means, "told from their mirror image", whiskers, chance=0.5, bm25=0.5))

# %% [markdown]
# In 120 steps the doors have found out who writes to whom, also for people that they have never met. Behind the wall each text would have to write its direction into one vector, without knowing that it will be asked. In these steps it does not learn to, nor in ninety at rates from .0004 to .0012 (two seeds each: .5 to .7).
#
# ## Break it
#
# **A sigmoid twice.** The model ends with one, and whoever calls it adds another:

# %%
show(score_figures.sigmoid_twice([-5.0, 0.0, 5.0]))

# %% [markdown]
# **A logit of 40.** Our reader was trained on lists, so its zero means nothing. Take its logits for probabilities, and then Platt's two numbers from other queries:

# %%
from workbook.similarity import dense_search

docs = planted(3_000, unlabelled=1.0, label_noise=0.0).collection().split("dev").sample(60, 600)
found = dense_search(base, docs.corpus, docs.queries, k=8)
asked = [(q, p) for q in found for p in found[q]]
scores = ours.predict([(docs.queries[q], docs.corpus[p]) for q, p in asked])
relevant = np.array([float(docs.qrels[q].get(p, 0) > 0) for q, p in asked])
half = len(asked) // 2

# %%
scale, shift = fit_platt(scores[:half], relevant[:half])
sigmoid = torch.sigmoid
said = [sigmoid(torch.tensor(x)).numpy() for x in (scores[half:], scale * scores[half:] + shift)]
curves = [reliability_curve(each, relevant[half:], 10) for each in said]
errors = [score_figures.calibration_error(curve) for curve in curves]
print("the error is less than a third of what it was:", errors[1] < errors[0] / 3)
show(score_figures.reliability(*curves, names=("as they come", "after Platt scaling")))

# %% [markdown]
# Before, every passage is certain. Two numbers from thirty queries mend that, and no order changes.
#
# ## In the libraries

# %%
from sentence_transformers.sentence_transformer.losses import MarginMSELoss
from sklearn.calibration import calibration_curve

generator = torch.Generator().manual_seed(1)
query, positive = torch.randn(5, 8, generator=generator), torch.randn(5, 8, generator=generator)
negatives, teacher = torch.randn(5, 3, 8, generator=generator), 5 * torch.randn(5, 4, generator=generator)
theirs = MarginMSELoss(None).compute_loss_from_embeddings([query, positive, *negatives.unbind(dim=1)], teacher)
print("MarginMSE agrees:", torch.allclose(margin_mse(query, positive, negatives, teacher), theirs, atol=1e-4))

# %%
probabilities = logits.sigmoid()
said, share, *_ = reliability(probabilities, labels, 10)
their_share, their_said = calibration_curve(labels.numpy(), probabilities.numpy(), n_bins=10)
print(
    "the reliability curve agrees:",
    np.allclose(said, their_said, atol=1e-4) and np.allclose(share, their_share, atol=1e-4),
)

# %% [markdown]
# sentence-transformers' `RankNetLoss` divides by ln 2 unless told `reduction_log="natural"`; its `ListNetLoss` takes a softmax of the *labels*, so wrong passages get shares as well.
#
# ## Claims settled here
#

# %%
from workbook.claims import settle

settle(42, budget="record")
# %%
settle(43, budget="record")

# %% [markdown]
#
# ## Questions people ask
#
# **My reranker, fine-tuned on my data, is 10 % worse.** Train on candidates of *this* retriever and some random passages. Look-alikes alone teach nothing about easy ones, and may be unmarked answers (chapter 09).
#
# **It gives 8.4 and −11. Should scores not end at 1?** These are logits. sentence-transformers adds a sigmoid if the model's configuration says so.
#
# **May I drop all below .5?** If the curve on your queries says so; after listwise training .5 means nothing.
#
# **All probabilities lie between .5 and .73.** A sigmoid stands in the model and another behind it.
#
# **What should a teacher teach?** Margins, or shares (`distill_kl`), of logits. Scores would also teach its zero.
#
# ## Quiz

# %%
quiz("15")

# %% [markdown]
# ## Recap
#
# - Read apart, a text and its mirror image are nearly alike.
# - Pointwise fixes the zero; pairwise and listwise fix differences within a query.
# - One sigmoid, not two.
# - MarginMSE: margins of dot products against margins of logits.
# - A softmax says who is best; a calibrated sigmoid, whether it is good.
# - Train on the retriever's mistakes and some random passages.
#
# **New terms:** cross-encoder, bi-encoder, segment, logit, reranker, pointwise, pairwise, listwise, distillation, MarginMSE, calibration, reliability curve, expected calibration error, Platt scaling.
#
# **Open task.** Judge fifty candidates of your own search. Fit Platt's two numbers to a public reranker on half of the queries, and draw its curve for the others. Would you set a threshold by it?
#
# **Read next:** Nogueira and Cho 2019; Hofstätter et al. 2020 (MarginMSE); Platt 1999.
#
# **Next chapter:** 16 · How do the stages fit in 110 ms?
