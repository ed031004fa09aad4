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
# # 05 · How do 1,023 negatives come for free?
#
# A batch of 1,024 pairs gives each query 1,023 wrong answers that nobody had to find. Your memory holds fewer pairs, so people work around it. Some ways around do what they promise, and a popular one does not.
#
# **You will be able to** say how many negatives a training setup really has, keep false ones out, reach a large batch in little memory and on several devices, and compare losses across batch sizes.
#
# **You need** chapter 04 (InfoNCE, its gradient). **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import math

import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import contrastive, explore, in_batch, results, show
from workbook.losses import info_nce
from workbook.similarity import cos_sim

quiz("04.q2", "03.q4")

# %% [markdown]
# ## Predict

# %%
predict("05.p1")

# %% [markdown]
# ## A failure first
#
# Here are 8,000 pairs from the documentation of your own Python, the static encoder of chapter 04, and one batch of 256 pairs.

# %%
from workbook import data
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
tokenizer = train_tokenizer([text for pair in pairs for text in pair], vocab_size=6000)


def new_encoder(seed=0):
    torch.manual_seed(seed)
    return TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=64)


# %% [markdown]
# Accumulation in one function: cut the batch into pieces of 32, take the loss of each, average. Its gradient is the mean of the pieces' gradients.


# %%
def accumulated(query, positive, temperature):
    K = max(1, len(query) // 32)
    pieces = [(query[k::K], positive[k::K]) for k in range(K)]
    return torch.stack([info_nce(q, d, temperature=temperature) for q, d in pieces]).mean()


def gradient_of(loss, encoder, batch):
    query, positive = (encoder(*encoder.tokenize(list(side))) for side in zip(*batch))
    return torch.autograd.grad(loss(query, positive, temperature=0.1), encoder.backbone.word.weight)[0].flatten()


def degrees(a, b):
    return math.degrees(math.acos(min(1.0, float(torch.cosine_similarity(a, b, dim=0)))))


# %%
encoder, batch = new_encoder(), pairs[:256]
whole = gradient_of(lambda q, d, temperature: info_nce(q, d, temperature=temperature), encoder, batch)
in_pieces = gradient_of(accumulated, encoder, batch)
print("the two gradients point the same way, to 3 degrees:", degrees(whole, in_pieces) < 3)

# %% tags=["nbval-ignore-output"]
print(f"angle between them: {degrees(whole, in_pieces):.0f} degrees")

# %% [markdown]
# Same pairs, same weights, two directions: it is another loss. Two random batches differ by several times as much, so what this costs is measured below.
#
# ## The idea
#
# InfoNCE asks each query to choose among the passages *of its batch*. With B pairs, every passage is right for one query and wrong for B − 1, and it is encoded once for all of them:
#
# $$\text{loss} = -\frac{1}{B}\sum_{i=1}^{B} \log \frac{\exp(s_{ii} / \text{temperature})}{\sum_{j \in \text{batch}} \exp(s_{ij} / \text{temperature})}$$
#
# | | shape | texts encoded | choices in the sum |
# |---|---|---|---|
# | one batch | (B, B) | 2B | B |
# | K pieces, accumulated | K times (B/K, B/K) | 2B | B/K |
#
# So 2B encoded texts give B · (B − 1) wrong pairs: work grows with B, comparisons with its square. Cut the batch into pieces, and only the blocks on the diagonal are left. Accumulation makes a step *steadier*. It adds no negatives.
#
# A free negative has a price: nobody looked whether it is wrong. Here passages 1 and 3 are **twins**, the same text. The dashed cells are right answers that count as wrong: **false negatives**. The slider takes them out of the softmax.

# %%
s = np.array([[0.8, 0.3, 0.8, 0.1], [0.2, 0.7, 0.2, 0.3], [0.6, 0.1, 0.6, 0.2], [0.0, 0.4, 0.0, 0.9]])
ids = [1, 2, 1, 4]
explore(lambda twins: contrastive.batch_matrix(s, 0.1, ids=ids, masked=twins == "masked"), twins=["counted", "masked"])

# %% [markdown]
# The loss falls from 0.36 to 0.02, and no vector has moved. Beside its twin a right answer has half of a row at most.
#
# ## By hand
#
# A query with k copies of its own passage in the batch, everything else infinitely far away: k + 1 equal choices.

# %%
for copies in (0, 1, 3):
    print(f"{copies} twins: at least log {copies + 1} = {math.log(copies + 1):.3f}")

# %% [markdown]
# ## Build it: twins leave the row
#
# **Contract.** InfoNCE from queries to passages, as in 04.1, a scalar tensor. `ids` (B,) are whole numbers; rows with equal ones hold the same passage. Query i chooses among its own passage and all passages with *another* id. The mean is over all B queries. B is 1 or more, vectors may have any length but 0 and are not normalized, `temperature` is 0.001 or more, gradients flow to both sides.


# %%
# Exercise 05.1 · InfoNCE without twins · medium · 12 min
def info_nce_without_twins(query, positive, ids, temperature):  # (B, D), (B, D), (B,), float -> scalar
    logits = cos_sim(query, positive) / temperature  # (B, B)
    ### BEGIN SOLUTION
    twins = (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool)  # (B, B)
    logits = logits.masked_fill(twins, float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(query)))
    ### END SOLUTION


# %%
info_nce_without_twins = check("05.1", info_nce_without_twins)

# %% [markdown]
# ## Build it: which column is mine?
#
# So far the right answer of row i stood in column i. Once each query brings M negatives of its own, many trainers hand over one flat list, group by group: own passage, its negatives, the next query's own, … Query i's own passage is then number i · (1 + M).
#
# **The other way round.** A colleague left the labels at 0, 1, 2, … Their test with one query passes. Find the smallest input that shows the mistake.
#
# **Contract.** Return `query, passages`, float tensors (B, D) and (B·(1+M), D) in that order of groups, without zero vectors, on which the labels i and i · (1 + M) give different losses over cosines at temperature 1. M is whatever your shapes say. Size counts the numbers in both; the smallest possible is asked for.


# %%
# Exercise 05.4 · the shortest list with wrong labels · medium · 9 min
def smallest_list():  # () -> (B, D), (B·(1+M), D)
    ### BEGIN SOLUTION
    query = torch.tensor([[1.0], [1.0]])
    passages = torch.tensor([[1.0], [-1.0], [1.0], [1.0]])  # own, negative, own, negative
    return query, passages
    ### END SOLUTION


# %%
smallest_list = check("05.4", smallest_list)

# %% [markdown]
# ## Build it: how many false negatives?
#
# Put one copy of a text into the batch. N − 1 rows are left, c − 1 of them twins. B − 1 more rows are drawn. How likely is it that all of them miss the twins?
#
# **Contract.** `copies` lists how often each distinct text stands in a corpus, each 1 or more; N is their sum. A batch of B rows, 1 ≤ B ≤ N, is drawn at random without putting back. Return a float: the expected share of the batch's rows whose text stands in the batch at least once more.


# %%
# Exercise 05.2 · how many queries meet a twin · medium · 12 min
def share_with_twin(copies, batch_size):  # list of int, int -> float
    ### BEGIN SOLUTION
    N, share = sum(copies), 0.0
    for c in copies:
        alone = 1.0  # the probability that all further draws are other texts
        for i in range(batch_size - 1):
            alone *= max(N - c - i, 0) / (N - 1 - i)
        share += c / N * (1 - alone)
    return share
    ### END SOLUTION


# %%
share_with_twin = check("05.2", share_with_twin)

# %% [markdown]
# Now your corpus. A text can stand twice on either side. One question with two passages is a false negative as well: either answers it.

# %% tags=["nbval-ignore-output"]
from collections import Counter

from workbook.train import batches

copies = {side: list(Counter(texts).values()) for side, texts in zip(("queries", "passages"), zip(*pairs))}
print("batch  query twins  passage twins")
for B in (32, 256, 1024, 4096):
    print(f"{B:>5}" + "".join(f"{batches.share_with_twin(copies[side], B):>14.2%}" for side in copies))

# %%
shares = [batches.share_with_twin(copies["queries"], B) for B in (32, 1024)]
print("ten times as many query twins at 1,024 as at 32:", "holds" if shares[1] > 10 * shares[0] else "does not hold")

# %% [markdown]
# Large batches pay for their negatives in false ones. Only *exact* copies are counted here; the same in other words is chapter 09's.
#
# ## Build it: a loss that can be compared
#
# A choice among more costs more. Who guesses pays log B, the **chance level**.
#
# **Contract.** Return two numbers: InfoNCE as in 04.1 minus the natural logarithm of the number of choices B, and the share of queries whose own passage has the highest cosine of all B. No two cosines of a row are equal.


# %%
# Exercise 05.3 · the loss beside chance · easy · 6 min
def beside_chance(query, positive, temperature):  # (B, D), (B, D), float -> (float, float)
    ### BEGIN SOLUTION
    logits = cos_sim(query, positive) / temperature  # (B, B)
    own = torch.arange(len(query))
    loss = torch.nn.functional.cross_entropy(logits, own)
    right = logits.argmax(dim=1) == own  # (B,)
    return loss.item() - math.log(len(query)), right.float().mean().item()
    ### END SOLUTION


# %%
beside_chance = check("05.3", beside_chance)

# %% [markdown]
# **Is a lower loss a better model?** Train one encoder for 60 steps of 256, then leave it alone. Ask it to choose among 2, 8, … 1,024 passages that it has not seen.

# %%
from workbook.train import fit


def train(loss, batch_size, steps, seed=0, texts=pairs, **options):
    encoder = new_encoder(seed)
    fit(encoder, texts, loss, steps=steps, batch_size=batch_size, lr=0.02, seed=seed, temperature=0.1, **options)
    return encoder


frozen = train(info_nce, 256, 60)
q, d = (torch.tensor(frozen.encode(list(side))) for side in zip(*docs.pairs("train")[8000:9024]))
sizes = (2, 8, 32, 128, 512, 1024)
cut = {B: list(zip(q.split(B), d.split(B))) for B in sizes}
below = {B: np.mean([beside_chance(*piece, 0.1) for piece in cut[B]], axis=0) for B in sizes}

# %% tags=["nbval-ignore-output"]
loss = {B: excess + math.log(B) for B, (excess, _) in below.items()}
show(
    in_batch.loss_by_batch(loss, {B: right for B, (_, right) in below.items()}),
)

# %%
print("every larger batch has a larger loss:", list(loss.values()) == sorted(loss.values()))
print("further below a guess at 1,024 than at 2:", bool(below[1024][0] < below[2][0]))

# %% [markdown]
# One model, six losses. Loss, distance from log B and share of right choices all move. Compare runs at **one** number of choices, or on a search. (A share that stays at 1/B has another cause: one side was shuffled, and rows no longer belong together.)
#
# ## Build it: a GradCache step
#
# The loss needs all B embeddings at once, and those are small: B · D numbers. What fills memory is what the *encoder* keeps for its backward pass. **GradCache** parts the two with the chain rule, where $x_b = f(\text{text}_b)$ is an embedding:
#
# $$\frac{\partial\, \text{loss}}{\partial w} = \sum_b g_b \cdot \frac{\partial f(\text{text}_b)}{\partial w}, \qquad g_b = \frac{\partial\, \text{loss}}{\partial x_b}$$
#
# 1. Embed all texts, a few at a time, and keep nothing but the embeddings.
# 2. Take the loss of the whole batch, and its gradient $g$ down to the embeddings. That gradient is the cache.
# 3. Embed each piece again, this time with its history (the graph that `backward` needs), and go backward from it with its part of $g$.
#
# The price is a second forward pass. `x.backward(g)` goes back from a tensor `x` that is no scalar, with `g` as its gradient.
#
# **Contract.** `encoder` is a module, (n, F) → (n, D), that treats each text by itself and draws no random numbers. `queries` and `passages` are (B, F), B of 1 or more. `loss(query, positive)` takes (B, D) twice and gives a scalar. Add to `.grad` of the encoder's weights the gradient of the loss of the *whole* batch, as `backward` adds to what stands there; no optimizer is involved. No more than `mini_batch_size` texts of each side may be embedded with their history at a time; it may not divide B, or be larger. Return the loss as a number.


# %%
# Exercise 05.6 · a GradCache step · hard · 20 min
def gradcache_step(encoder, queries, passages, loss, mini_batch_size):
    # encoder, (B, F), (B, F), loss, int -> float; gradients are added to the encoder's weights
    ### BEGIN SOLUTION
    sides = [queries.split(mini_batch_size), passages.split(mini_batch_size)]
    embedded = []
    for pieces in sides:
        with torch.no_grad():
            x = torch.cat([encoder(piece) for piece in pieces])  # (B, D)
        embedded.append(x.requires_grad_())
    value = loss(*embedded)
    value.backward()  # down to the embeddings
    for pieces, x in zip(sides, embedded):
        for piece, g in zip(pieces, x.grad.split(mini_batch_size)):
            encoder(piece).backward(g)
    return value.item()
    ### END SOLUTION


# %%
gradcache_step = check("05.6", gradcache_step)

# %% [markdown]
# Try it on a transformer of two layers. `texts` turns token ids into embeddings. (With dropout, the second pass must draw the same numbers again: the package puts the random state back. Claim 14 tries both.)

# %%
from workbook.encoder import TransformerEncoder
from workbook.train import peak_saved_bytes

torch.manual_seed(0)
backbone = TransformerEncoder(tokenizer.get_vocab_size(), 64, num_layers=2, num_heads=4)
transformer = TextEncoder(tokenizer, backbone, max_length=32).double()
queries, passages = (transformer.tokenize(list(side))[0] for side in zip(*pairs[:64]))


def texts(ids):  # (n, T) -> (n, D)
    return transformer(ids, (ids != transformer.pad_id).long())


def at_010(query, positive):
    return info_nce(query, positive, temperature=0.1)


def gradient_after(step):
    transformer.zero_grad()
    step()
    return torch.cat([p.grad.flatten() for p in transformer.parameters() if p.grad is not None])


# %%
def in_one_piece(B=16):
    at_010(texts(queries[:B]), texts(passages[:B])).backward()


def cached(B=16, mini_batch_size=4):
    gradcache_step(texts, queries[:B], passages[:B], at_010, mini_batch_size)


right = gradient_after(in_one_piece)
apart = (gradient_after(cached) - right).abs().max() / right.abs().max()
print("GradCache is the gradient of the whole batch, to 1e-6:", bool(apart < 1e-6))

# %% [markdown]
# **Two batch sizes, which buys what?** Cached losses have both: the batch, and the piece (`mini_batch_size`). The last column is what is held for the backward pass.


# %%
def kilobytes(step, *sizes):
    return peak_saved_bytes(lambda: step(*sizes), transformer) / 1024


# %% tags=["nbval-ignore-output"]
print("batch  piece  negatives for each query  kilobytes held")
for B, mini in ((16, 4), (16, 16), (64, 4), (64, 16)):
    print(f"{B:>5}{mini:>7}{B - 1:>26}{kilobytes(cached, B, mini):>16,.0f}")
print(f"64 pairs in one piece: {kilobytes(in_one_piece, 64):,.0f}")

# %% [markdown]
# The **batch** buys negatives; what they are worth is measured below. The **piece**, or mini-batch, sets the memory. Raising it brings no negatives.
#
# ## Build it: one process among several
#
# The other way is more devices. Each encodes its own pairs and receives the embeddings of all (`all_gather`), so every query chooses among W · B passages, W being the number of processes, the **world size**. What it receives are *copies* without a history. After going backward, frameworks take the **mean** of the processes' gradients. A row has a history in one process only: there it gets its gradient once, and the mean divides by W.
#
# **Contract.** `query` and `positive` (B, D) are this process's own, with a history. `all_query` and `all_positive` are lists of W tensors (B, D), one for each process, your own values at place `rank`; all are copies. Return the scalar to go backward from, such that the mean of what all W processes do this way is the gradient of 04.1 over all W · B pairs, for queries and passages. Its value is W times that loss. Leave the lists as they are. W is 1 or more; lengths, `temperature` and gradients are as in 05.1.


# %%
# Exercise 05.5 · one process among several · hard · 14 min
def loss_of_one_process(query, positive, all_query, all_positive, rank, temperature):
    # (B, D), (B, D), W · (B, D), W · (B, D), int, float -> scalar
    ### BEGIN SOLUTION
    q, d = list(all_query), list(all_positive)
    q[rank], d[rank] = query, positive  # the rows that have a history
    logits = cos_sim(torch.cat(q), torch.cat(d)) / temperature  # (W·B, W·B)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))
    return len(q) * loss  # the mean over processes divides by W
    ### END SOLUTION


# %%
loss_of_one_process = check("05.5", loss_of_one_process)

# %% [markdown]
# Now two real processes, each running this script. The package's `gather_with_gradient` carries gradients back to where a row came from, so it needs no factor. In a terminal: `torchrun --nproc-per-node 2 work.py found.pt`.

# %%
script = """
import os, sys, torch, torch.distributed as dist
from workbook.losses import info_nce
from workbook.train.distributed import average_gradients, gather_with_gradient, rank, share

if "RANK" in os.environ:  # torchrun has started several of us
    dist.init_process_group("gloo")

def copies(x):  # the own rows among copies of the others'
    everyone = gather_with_gradient(x.detach())
    first = rank() * len(x)
    return torch.cat([everyone[:first], x, everyone[first + len(x):]])

def step(gather):
    torch.manual_seed(0)  # the same weights and texts in every process
    weight = torch.randn(6, 10, dtype=torch.float64, requires_grad=True)
    queries, passages = torch.randn(2, 8, 10, dtype=torch.float64)
    query, positive = (gather(share(x) @ weight.T) for x in (queries, passages))
    loss = info_nce(query, positive, temperature=0.1)
    loss.backward()
    average_gradients([weight])
    return loss.item(), weight.grad.flatten()

found = {"gathered": step(gather_with_gradient), "alone": step(lambda x: x), "copies": step(copies)}
if "RANK" in os.environ:
    if rank() == 0:
        torch.save(found, sys.argv[1])
    dist.destroy_process_group()
"""

# %%
import tempfile
from pathlib import Path

from workbook.support.processes import torchrun

exec(script, alone := {"__name__": "here"})  # one process: this one
one_loss, one = alone["found"]["gathered"]
with tempfile.TemporaryDirectory() as folder:
    work = Path(folder, "work.py")
    work.write_text(script)
    torchrun([work, Path(folder, "found.pt")], processes=2)
    two = torch.load(Path(folder, "found.pt"))

# %%
for way, (loss, gradient) in two.items():
    longer = gradient.norm() / one.norm()
    print(f"{way:<9} loss {loss:.3f} ({one_loss:.3f} in one), length {longer:.2f}, angle {degrees(gradient, one):.0f}°")

# %% [markdown]
# Gathered: one large batch. Alone: another direction, since each query chose among 4 and not 8; data parallelism by itself enlarges no set of choices. Copies: the right loss, the right direction, half the length, with eight devices an eighth. Adam hides it, since it divides by the size of the gradient; SGD does not.
#
# ## See it: one square, five ways to fill it
#
# Sixteen real pairs. **Which ways give the gradient of the whole batch?** The devices are played in one process, with your 05.5; kilobytes are those of one device.


# %%
def pieces_alone():
    for i in range(0, 16, 4):
        (at_010(texts(queries[i : i + 4]), texts(passages[i : i + 4])) / 4).backward()


def device(rank, gathered):
    own = slice(4 * rank, 4 * rank + 4)
    loss_of_one_process(texts(queries[own]), texts(passages[own]), *gathered, rank, 0.1).div(4).backward()


def four_devices():
    with torch.no_grad():
        gathered = [list(texts(side[:16]).split(4)) for side in (queries, passages)]
    for rank in range(4):
        device(rank, gathered)


# %%
steps = {"whole": in_one_piece, "accumulated": pieces_alone, "GradCache": cached}
steps |= {"four devices alone": pieces_alone, "four devices gathered": four_devices}
square, apart = np.ones((16, 16), bool), in_batch.blocks(16, 4)
bands = [(i, i + 4, 0, 16) for i in range(0, 16, 4)]
own = [(i, i + 4, i, i + 4) for i in range(0, 16, 4)]
frames = [[(0, 16, 0, 16)], own[:1], bands[:1], own, bands]
ways = {}
for (name, step), held in zip(steps.items(), frames):
    seen = apart if name in ("accumulated", "four devices alone") else square
    turned = degrees(gradient_after(step), right)
    ways[name] = in_batch.Way(seen, tuple(held), kilobytes(step), turned)

# %% tags=["nbval-ignore-output"]
explore(lambda way: in_batch.ways_to_fill(ways, way), way=list(ways))
print(f"Accumulation saw 3 negatives for each query; its gradient points {ways['accumulated'].degrees:.0f}° away.")

# %%
print("the gradient of the whole:", *(name for name, way in ways.items() if way.degrees < 0.01), sep="\n  ")
print("GradCache holds less than accumulation:", ways["GradCache"].kilobytes < ways["accumulated"].kilobytes)

# %% [markdown]
# A full square, exactly, in a frame of four texts: GradCache holds one side of a piece at a time, accumulation both.
#
# **Are there twins in your own pairs?** Write four pairs and mark equal passages with equal numbers.

# %%
mine = [
    ("sort a list", "Return a new list in ascending order.", 1),
    ("read a file", "Open the file and return its lines.", 2),
    ("order the items", "Return a new list in ascending order.", 1),
    ("join words with spaces", "Concatenate strings with a separator between them.", 3),
]

# %% tags=["nbval-ignore-output"]
my_queries, my_passages, my_ids = zip(*mine)
my_s = cos_sim(*(torch.tensor(frozen.encode(list(side))) for side in (my_queries, my_passages))).numpy()
explore(
    lambda twins: contrastive.batch_matrix(my_s, 0.1, my_queries, my_ids, masked=twins == "masked"),
    twins=["counted", "masked"],
)

# %% [markdown]
# ## Train it
#
# What does the missing direction cost?

# %%
predict("05.p2")

# %% [markdown]
# Four arms, two seeds each, at one learning rate and temperature: one batch of 256; eight pieces of 32, accumulated; batches of 32 for as many *steps*; batches of 32 for as many *pairs*. Quality is Recall@10 of 300 dev queries against 2,000 passages; a guess finds 0.005.

# %%
from workbook.bm25 import BM25
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search

small = docs.split("dev").sample(300, num_passages=2000)


def recall(run):  # one value per query
    return np.array(list(evaluate(small.qrels, run, ("recall@10",), per_query=True)["recall@10"].values()))


def recall_of(*arm, **options):  # (seeds, queries)
    encoders = [train(*arm, seed=seed, **options) for seed in (0, 1)]
    return np.array([recall(dense_search(e, small.corpus, small.queries, k=10)) for e in encoders])


# %%
quality = {
    "one batch of 256": recall_of(info_nce, 256, 60),
    "8 × 32, accumulated": recall_of(accumulated, 256, 60),
    "32, as many steps": recall_of(info_nce, 32, 60),
    "32, as many pairs": recall_of(info_nce, 32, 480),
}
mean = {name: values.mean() for name, values in quality.items()}

# %% tags=["nbval-ignore-output"]
bm25 = recall(BM25().index(small.corpus).search(small.queries, k=10)).mean()
intervals = {name: bootstrap_ci(values.mean(axis=0))[1:] for name, values in quality.items()}
show(
    results.bars(mean, "Recall@10", intervals, chance=0.005, bm25=bm25, title="equal pairs, but for the third"),
)

# %%
gain = quality["one batch of 256"] - quality["8 × 32, accumulated"]
print("one batch beats its pieces with both seeds:", "holds" if (gain.mean(axis=1) > 0).all() else "does not hold")
print("interval above 0:", "holds" if bootstrap_ci(gain.mean(axis=0))[1] > 0 else "does not hold")
steadier = mean["8 × 32, accumulated"] > mean["32, as many steps"]
print("accumulation beats as many small steps:", "holds" if steadier else "does not hold")
small_steps = mean["32, as many pairs"] > mean["8 × 32, accumulated"]
print("small steps with as many pairs beat accumulation:", "holds" if small_steps else "does not hold")

# %% [markdown]
# A steadier step beats a small one, so accumulation is worth something. But the last bar spends the same pairs on eight times as many steps. For a contrastive loss take small steps, or GradCache.
#
# ## See it: what is a larger batch worth?
#
# It depends on what you hold equal: steps, pairs read, or time. Does each line go on rising to the right?
#
# Replayed from the record of claim 12: each arm at its own best of three learning rates and two temperatures, five seeds.

# %%
from workbook.claims import read_record

record = read_record(12).measurements
curves = {
    f"equal {what}": {int(B): seeds for B, seeds in record[what]["ndcg@10"].items()}
    for what in ("steps", "examples", "time")
}
show(
    in_batch.quality_by_batch(curves, "nDCG@10"),
)

# %%
for name, by_batch in curves.items():
    means = {B: np.mean(seeds) for B, seeds in by_batch.items()}
    best = max(means, key=means.get)
    gain, low, high = record[name.removeprefix("equal ")]["larger minus smaller"]["1024 - 16"]
    print(f"{name:<15} best at {best:>4}: {means[best]:.3f}; 1,024 minus 16: {gain:+.3f} [{low:+.3f}, {high:+.3f}]")

# %% [markdown]
# At equal steps the largest batch has read 64 times as many pairs, so that line compares two things at once. The others pay for negatives with steps. Where an interval holds 0, no difference was seen. Elsewhere, GTE's gain ended near 10,000 pairs (Li et al. 2023).
#
# ## Break it
#
# **More rows than passages.** Take 300 passages and seven sentences of each as its queries: 2,100 pairs, 300 answers. In a batch of 512 nearly every row has a twin. Train with twins counted, and masked.

# %%
import re

few = []
for number, (_, passage) in enumerate(pairs):
    sentences = [part.strip() for part in re.split(r"(?<=[.:])\s+", passage)]
    sentences = [part for part in sentences if 30 < len(part) < 200][:7]
    few += [(part, passage, number) for part in sentences] if len(sentences) == 7 and len(few) < 2100 else []
numbers = torch.tensor([number for *_, number in few])
few = [(part, passage) for part, passage, _ in few]
print(
    f"{len(few):,} pairs, {len(set(numbers.tolist()))} passages; a row of 512 meets a twin with {batches.share_with_twin([7] * 300, 512):.0%}"
)


# %%
def counted(query, positive, temperature, labels):
    return info_nce(query, positive, temperature=temperature)


def masked(query, positive, temperature, labels):
    return info_nce_without_twins(query, positive, labels, temperature)


with_twins, without = (recall_of(loss, 512, 40, texts=few, labels=numbers) for loss in (counted, masked))
gain, low, high = bootstrap_ci((without - with_twins).mean(axis=0))
print("masking changes Recall@10 by less than 0.05:", bool(low > -0.05 and high < 0.05))

# %% tags=["nbval-ignore-output"]
print(f"counted {with_twins.mean():.3f}, masked {without.mean():.3f}, difference {gain:+.3f} [{low:+.3f}, {high:+.3f}]")

# %% [markdown]
# What speaks against the rule: masking *exact* copies buys little here: about .01, in some runs with an interval just above 0. The gradient of chapter 04 says why. A copy's push and the own passage's pull act along the same vector and cancel in part:


# %%
def query_gradient(loss):
    query, positive = (
        torch.tensor([[1.0, 0.2], [0.1, 1.0], [0.3, 1.0]]),
        torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    )
    query.requires_grad_()
    return torch.autograd.grad(loss(query, positive), query)[0][0], (cos_sim(query, positive) / 0.5).softmax(dim=1)[
        0, 1
    ]


plain, twins_share = query_gradient(lambda q, d: info_nce(q, d, temperature=0.5))
clean, _ = query_gradient(lambda q, d: info_nce_without_twins(q, d, torch.tensor([0, 0, 1]), 0.5))
print("plain gradient = (1 - the twin's share) · masked gradient:", torch.allclose(plain, (1 - twins_share) * clean))

# %% [markdown]
# A twin takes a part of its row's voice and leaves its direction alone. So mask, because it is free and keeps the loss readable; expect little from exact copies alone. A false negative whose *text differs* does turn the gradient: chapter 09.
#
# ## In the libraries
#
# sentence-transformers has GradCache as `CachedMultipleNegativesRankingLoss`, gathering as `gather_across_devices=True`, and batches without twins as the sampler `NO_DUPLICATES`. The same transformer, theirs and yours:

# %%
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from transformers.utils import logging

logging.set_verbosity_error(), logging.disable_progress_bar()
with tempfile.TemporaryDirectory() as folder:
    transformer.save(folder)
    peer = SentenceTransformer(folder, device="cpu", local_files_only=True).double()
theirs = CachedMultipleNegativesRankingLoss(peer, scale=10, mini_batch_size=4)
value = theirs([peer.preprocess(list(side)) for side in zip(*pairs[:16])], None)
value.backward()
norm = torch.cat([p.grad.flatten() for p in peer.parameters() if p.grad is not None]).norm()
ours = gradcache_step(texts, queries[:16], passages[:16], at_010, 4)
print("equal loss:", abs(ours - value.item()) < 1e-9, "· equal gradient:", bool(abs(norm - right.norm()) < 1e-9))

# %% [markdown]
# ## Further: three ways to save memory
#
# About {minutes} minutes. **Gradient checkpointing** forgets a layer's insides and computes them again when they are needed. It saves memory inside a text; GradCache saves it between texts; both can be used together. (The third is a batch with fewer tokens: sort by length.)

# %%
from torch.utils.checkpoint import checkpoint


def forgetful(ids):  # the whole encoder is one stretch that is computed twice
    return checkpoint(texts, ids, use_reentrant=False)


def checkpointed(B=64):
    at_010(forgetful(queries[:B]), forgetful(passages[:B])).backward()


reference = gradient_after(lambda: in_one_piece(64))
for name, step in (("checkpointing", checkpointed), ("GradCache", lambda: cached(64, 4))):
    off = (gradient_after(step) - reference).abs().max() / reference.abs().max()
    print(f"{name}: equal gradients {bool(off < 1e-9)}")

# %% tags=["nbval-ignore-output"]
print(f"one piece      {kilobytes(in_one_piece, 64):>9,.0f} kB held")
print(f"GradCache by 4 {kilobytes(cached, 64, 4):>9,.0f} kB held")

# %% [markdown]
# | way | forward passes | what stays in memory |
# |---|---|---|
# | one piece | 1 | all layers of all texts |
# | checkpointing | 2 | borders of stretches for all texts, and one stretch while it is redone |
# | GradCache | 2 | all layers of one piece |
# | both | 3 | borders for one piece, and one stretch |
#
# (Checkpointed, the whole encoder as one stretch still needs its insides for all texts while it is redone; real code checkpoints layer by layer.)
#
# ## Claims settled here

# %%
from workbook.claims import settle

settle(12, budget="record")
# %%
settle(13, budget="record")
# %%
settle(14)
# %%
settle(15, budget="record")
# %%
settle(66, budget="record")
# %% [markdown]
# ## Questions people ask
#
# **Does gradient accumulation add negatives?** No. Claim 13 has it measured; the way is GradCache.
#
# **A cached loss has two batch sizes. Which gives memory, which gives quality?** `mini_batch_size` gives memory, the batch size negatives; how far quality follows is in the figure of claim 12.
#
# **The loss is lower with batch size 1 than with 8, so smaller is better?** With one pair the loss is 0: there is nothing to choose from. Compare at one B.
#
# **My batch is larger than the number of distinct passages.** Then twins are certain. Mask them by id (`info_nce(ids=…)`), or train with `fit(no_duplicates=True)`, which caps the batch at the number of distinct texts.
#
# **Gradient checkpointing together with a cached loss?** Yes, and the gradient stays equal: three forward passes, least memory. See the further section.
#
# **Can the loss ever reach zero with cosines?** No. At best the own cosine is 1 and the others are −1/(B − 1):

# %%
for temperature in (1.0, 0.1, 0.01):
    bounds = [math.log1p((B - 1) * math.exp(-(1 + 1 / (B - 1)) / temperature)) for B in (8, 1024)]
    print(f"temperature {temperature}: at least {bounds[0]:.2g} among 8, {bounds[1]:.2g} among 1,024")

# %% [markdown]
# **Why are all cosines 0.7 to 1.0?** Because nothing asks for more room. Once its own passage leads all others by temperature · log B, a query gives it half of the softmax. That lead is:

# %%
for temperature in (0.01, 0.05, 0.1):
    print(f"temperature {temperature}: {temperature * math.log(32_768):.2f} among 32,768")

# %% [markdown]
# E5 was trained at 0.01 with batches of 32 thousand (LongEmbed, table 4), its author reports cosines of 0.7 to 1.0, and a lead of 0.10 fits in there three times. It need not lie there: in claim 66 our cosines at 0.01 are far higher than at 0.05, and most are still below 0.7. Only the order counts. A threshold carried over from the model at 0.05 is no better than a coin; take it from labelled pairs of the model in use.
#
# ## Quiz

# %%
quiz("05")

# %% [markdown]
# ## Recap
#
# - A batch of B pairs gives each query B − 1 negatives: 2B texts encoded, B · (B − 1) comparisons.
# - Accumulation adds no negatives: its gradient points elsewhere. It makes steps steadier and rarer.
# - GradCache gives the gradient of the whole batch in the memory of one piece, for a second forward pass. The batch buys negatives, the piece memory.
# - Gathered negatives equal one batch, if gradients find their way back or the loss is multiplied by the number of processes.
# - A guess costs log B. Losses at different batch sizes cannot be compared.
# - Twins are false negatives, and their share grows with the batch. An exact copy weakens its row's gradient and does not turn it.
# - What a larger batch is worth depends on what is held equal. More negatives cost pairs, time or steps.
#
# **New terms:** false negative · twin · gradient accumulation · GradCache · mini-batch · gather · world size · chance level.
#
# **Open task.** Count twins in pairs of your own. Which batch size keeps them below one per cent? Train at that size and at four times that size, and report the difference with its interval.
#
# **Read next:** Gao et al. 2021, *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup* (GradCache); Karpukhin et al. 2020, *Dense Passage Retrieval*, table 3.
#
# **Next chapter:** 06 · One tower or two? Queries and passages are read by one encoder here. Must they be?
