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
# # 04 · What does the loss actually pull and push?
#
# Every embedding model you have heard of was trained with one idea: bring a query close to its passage, and keep it from the others. The loss that says so is **InfoNCE**.
#
# **You will be able to** write InfoNCE and its relatives, derive its gradient, set its temperature for a reason, take a whole training step, and see from two numbers whether a space has gone wrong.
#
# **You need** chapter 02 (cosine), chapter 03 (Recall@k, intervals). **It takes** about {minutes} minutes, about 45 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import contrastive as figures
from workbook.figures import explore, results, show
from workbook.similarity import cos_sim, normalize

quiz("02.q2", "03.q5")

# %% [markdown]
# ## Predict

# %%
predict("04.p1")

# %% [markdown]
# ## A failure first
#
# You want queries close to their passages. The obvious loss says just that: one minus the cosine of each pair.


# %%
def only_pull(query, positive, temperature=None):
    return (1 - cos_sim(query, positive).diagonal()).mean()


# %% [markdown]
# Here are 8,000 pairs from the documentation of your own Python, and the static encoder of chapter 00: one vector for each word, a text is their mean.

# %%
from workbook import data
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
tokenizer = train_tokenizer([text for pair in pairs for text in pair], vocab_size=6000)
small = docs.split("dev").sample(300, num_passages=2000)
dev_pairs = small.pairs("sample")


# %%
def train(loss, temperature=None, seed=0, steps=60):
    torch.manual_seed(seed)
    encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=64)
    if steps:
        fit(encoder, pairs, loss, steps=steps, batch_size=256, lr=0.02, seed=seed, temperature=temperature)
    return encoder


def cosines_of(encoder):
    q, d = (torch.tensor(encoder.encode(side)) for side in zip(*dev_pairs))
    cosines = cos_sim(q, d)  # (300, 300)
    return cosines.diagonal(), cosines[~torch.eye(len(q), dtype=torch.bool)]


# %% [markdown]
# Train it for 60 steps under the pull. Then take 300 queries that it has not seen, and look at their cosines with their own passages and with the passages of others.

# %%
pulled = [train(only_pull, seed=seed) for seed in (0, 1)]
own, others = (cosines.mean() for cosines in cosines_of(pulled[0]))
print("own passages, mean cosine above 0.9:   ", "holds" if own > 0.9 else "does not hold")
print("other passages, mean cosine above 0.9: ", "holds" if others > 0.9 else "does not hold")

# %% tags=["nbval-ignore-output"]
before = train(only_pull, steps=0)
print("before training: own {:.2f}, others {:.2f}".format(*(c.mean() for c in cosines_of(before))))
print(f"after the pull:  own {own:.2f}, others {others:.2f}")

# %% [markdown]
# Every query has found its passage, and every other passage too. This is **collapse**: a nearly perfect loss, and one point for all texts.
#
# What does collapse need? The pull is not enough. Let six pairs of points move freely on a circle: each pair meets, and nothing draws one pair to the next. Collapse needs a **link** through which the pull is passed on. Texts have one: they share words, and each word has one vector. On the circle, link the pairs by pulling each passage to the next query as well.


# %%
def move(loss, steps=300, lr=0.3):
    points = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0))  # 2 sides, 6 pairs
    path = []
    for _ in range(steps):
        points = normalize(points).requires_grad_()
        path.append(points.detach().transpose(0, 1))
        points = points.detach() - lr * torch.autograd.grad(loss(*points), points)[0]
    return torch.stack(path).numpy()  # (steps, pairs, sides, 2)


def linked(loss):
    return lambda query, positive: loss(query, positive) + loss(query, positive.roll(1, dims=0))


# %%
paths = {"pull, free pairs": move(only_pull), "pull, linked pairs": move(linked(only_pull))}
for name, path in paths.items():
    cosines = cos_sim(*torch.tensor(path[-1]).transpose(0, 1))
    print(f"{name:<19} smallest cosine: own {cosines.diagonal().min():.2f}, any {cosines.min():.2f}")

# %% [markdown]
# Free pairs stay apart, up to opposite ends. Linked pairs become one point. (Other starts can get stuck: some chains of linked pairs wind once around the circle.)

# %% [markdown]
# ## The idea
#
# Do not ask "is this pair close?" Ask "**which** of these passages belongs to the query?" That is a choice of one among many, and you know the loss for it: softmax cross-entropy. The scores are cosines, divided by a **temperature**:
#
# $$\text{loss} = -\frac{1}{B}\sum_{i=1}^{B} \log \frac{\exp(s_{ii} / \text{temperature})}{\sum_{j=1}^{B} \exp(s_{ij} / \text{temperature})}, \qquad s_{ij} = \cos(\text{query}_i, \text{positive}_j)$$
#
# | letter | meaning | shape |
# |---|---|---|
# | `query`, `positive` | B pairs | (B, D) |
# | $s$ | every query with every passage | (B, B), the right ones on the diagonal |
#
# The wrong answers are the other queries' passages. They are called **in-batch negatives**: B − 1 for each query, nobody labelled them, and they are in memory already. This is the whole object, for four pairs:

# %%
s = np.array([[0.8, 0.3, 0.1, 0.0], [0.2, 0.7, 0.5, 0.1], [0.1, 0.6, 0.6, 0.2], [0.0, 0.1, 0.3, 0.9]])
show(
    figures.batch_matrix(s, temperature=0.1),
)

# %% [markdown]
# Row 3 pays most: its query cannot tell passage 2 from passage 3, so the right one has half of the share, and $-\log 0.49 = 0.71$.
#
# Why divide at all? Cosines lie between −1 and 1. Undivided, even a perfect cosine of 1 among 255 zeros has a share of $e / (e + 255)$, one per cent.

# %%
predict("04.p2")

# %% [markdown]
# ## By hand
#
# Two pairs along the axes: own cosines 1, other cosines 0, temperature 1. The share of the right passage is $e^1 / (e^1 + e^0)$, so the loss is $\log(1 + e^{-1})$. The lengths, 2, 3, 1 and 4, do not count.

# %%
query = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
positive = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
print(f"on paper: {np.log(1 + np.exp(-1)):.4f}")

# %% [markdown]
# ## Build it: InfoNCE
#
# First the loop, one query at a time, as the formula reads. `logsumexp` is the logarithm of the sum of exponentials, safe at low temperatures.


# %%
def info_nce_loop(query, positive, temperature):
    terms = []
    for i in range(len(query)):
        scores = cos_sim(query[i : i + 1], positive)[0] / temperature  # (B,)
        terms.append(torch.logsumexp(scores, dim=0) - scores[i])
    return torch.stack(terms).mean()


print(f"loop:     {info_nce_loop(query, positive, temperature=1.0):.4f}")

# %% [markdown]
# Now all B choices at once, from one matrix. The first line is given.
#
# **Contract.** The formula above, as a scalar tensor: each *query* chooses among the B passages, and the mean is over queries. In this and all exercises below, B is 1 or more, inputs may have any length but 0 and are not normalized, `temperature` is positive and may be as low as 0.001, and gradients flow to all vectors.


# %%
# Exercise 04.1 · InfoNCE with in-batch negatives · medium · 12 min
def info_nce(query, positive, temperature):  # (B, D), (B, D), float -> scalar
    logits = cos_sim(query, positive) / temperature  # (B, B)
    ### BEGIN SOLUTION
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(query)))
    ### END SOLUTION


# %%
info_nce = check("04.1", info_nce)

# %%
a, b = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0))
print("verify they agree:", torch.allclose(info_nce(a, b, 0.05), info_nce_loop(a, b, 0.05)))
print(f"all passages alike:               {info_nce(a, b[:1].expand(64, 16), 0.05):.2f} = log 64 = {np.log(64):.2f}")
print(f"random vectors, temperature 0.05: {info_nce(a, b, 0.05):.2f}")

# %% [markdown]
# Remember both lines. Where all passages look alike, the loss is the logarithm of their number: the price of a guess, and of collapse. At a low temperature random vectors pay more, because accidents in their cosines are taken for certainty.

# %% [markdown]
# ## Build it: both directions
#
# A passage can also choose its query. The mean of both choices is the symmetric loss; CLIP and many text models use it.
#
# **Contract.** The mean of two losses: 04.1 as it is, and 04.1 with the passages choosing among the B queries. Each has a softmax of its own. A scalar tensor.


# %%
# Exercise 04.3 · the symmetric loss · easy · 6 min
def symmetric(query, positive, temperature):  # (B, D), (B, D), float -> scalar
    ### BEGIN SOLUTION
    return (info_nce(query, positive, temperature) + info_nce(positive, query, temperature)) / 2
    ### END SOLUTION


# %%
symmetric = check("04.3", symmetric)

# %% [markdown]
# The package's `info_nce` calls them `directions`. GTE adds two more, queries against queries and passages against passages. `partition_mode` says whether directions share one sum ("joint", GTE) or have a softmax each ("per_direction", yours).
#
# **The other way round.** A colleague's 04.1 takes the softmax down the columns, `log_softmax(dim=0)`, and their test on two pairs along the axes passes. Find the smallest batch that shows the mistake.
#
# **Contract.** Return `query, positive`, two float tensors (B, D) of the same shape without zero vectors, on which rows and columns give different losses at temperature 1. Size counts the numbers in both; the smallest possible is asked for.


# %%
# Exercise 04.7 · the smallest batch that shows a mistake · medium · 10 min
def smallest_batch():  # () -> (B, D), (B, D)
    ### BEGIN SOLUTION
    query = torch.tensor([[1.0], [-1.0]])
    positive = torch.tensor([[1.0], [1.0]])
    return query, positive
    ### END SOLUTION


# %%
smallest_batch = check("04.7", smallest_batch)

# %% [markdown]
# ## Build it: the pull and the push
#
# What does one step do to query i? The derivative of cross-entropy by the logits is "softmax minus one-hot". With $q_i$ and $d_j$ the *normalized* query and passages, a logit is $q_i \cdot d_j / \text{temperature}$, so
#
# $$\frac{\partial\, \text{loss}}{\partial q_i} = \frac{1}{B \cdot \text{temperature}} \Big( \underbrace{\sum_j p_{ij}\, d_j}_{\text{push}} - \underbrace{d_i}_{\text{pull}} \Big), \qquad p_i = \text{softmax}_j\big(q_i \cdot d_j / \text{temperature}\big)$$
#
# The query is pulled to its own passage, and pushed from the mean of all passages, each weighted by its share. Nobody chooses which negatives are hard: the softmax does.
#
# **Contract.** Normalize both inputs, then return the formula, (B, D): the derivative of 04.1 by the normalized query, not by the raw one (that would have another length and no part along the query). No gradient needs to flow through it.


# %%
# Exercise 04.5 · what the loss does to a query · hard · 15 min
def info_nce_gradient(query, positive, temperature):  # (B, D), (B, D), float -> (B, D)
    ### BEGIN SOLUTION
    q, d = normalize(query), normalize(positive)
    p = (q @ d.T / temperature).softmax(dim=1)  # (B, B)
    return (p @ d - d) / (len(q) * temperature)
    ### END SOLUTION


# %%
info_nce_gradient = check("04.5", info_nce_gradient)


# %% [markdown]
# Now your second prediction. The push of each other passage is its share $p$; here is the part of the whole push that comes from the confusing one.


# %%
def push_of_the_confusing_one(cosines, temperature):  # own first, the confusing one second
    p = torch.tensor(cosines).div(temperature).softmax(dim=0)
    return (p[1] / p[1:].sum()).item()


for temperature in (0.5, 0.02):
    part = push_of_the_confusing_one([0.8, 0.75] + 98 * [0.1], temperature)
    print(f"temperature {temperature}: {part:.0%} of the push")

# %% [markdown]
# ## Build it: a training step
#
# Put the parts together: vectors from a table, the masked mean of chapter 02, the loss, and the three calls of every PyTorch loop.
#
# **Contract.** `table` (V, D) requires a gradient and may still hold that of the step before; `optimizer` moves it. A text is the mean of its tokens' rows where the mask is 1; each text has at least one token, sides may differ in width. Follow the gradient of the symmetric loss for this batch alone, one optimizer step. Return the loss *before* the step, a number or a detached scalar.


# %%
# Exercise 04.8 · a training step · hard · 18 min
def training_step(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
    # (V, D), optimizer, (B, T), (B, T), (B, U), (B, U), float -> scalar; the table is changed
    ### BEGIN SOLUTION
    def embed(ids, mask):
        weight = mask[:, :, None].to(table.dtype)  # (B, T, 1)
        return (table[ids] * weight).sum(dim=1) / weight.sum(dim=1)  # (B, D)

    query = embed(query_ids, query_mask)
    positive = embed(passage_ids, passage_mask)
    loss = symmetric(query, positive, temperature)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
    ### END SOLUTION


# %%
training_step = check("04.8", training_step)

# %%
table = torch.randn(24, 8, generator=torch.Generator().manual_seed(3)).requires_grad_()
optimizer = torch.optim.SGD([table], lr=0.5)
ids, mask = torch.arange(24).reshape(2, 4, 3), torch.ones(4, 3)  # four pairs of three words each
losses = [training_step(table, optimizer, ids[0], mask, ids[1], mask, 0.1) for _ in range(40)]
print(
    "first loss above a guess among four:",
    bool(losses[0] > np.log(4)),
    "· last loss below 0.1:",
    bool(losses[-1] < 0.1),
)

# %% [markdown]
# ## Build it: is the sphere used?
#
# In 128 dimensions you cannot watch. Wang and Isola give two numbers instead. **Alignment** is the mean squared distance of a pair. **Uniformity** is the logarithm of the mean of $\exp(-2|x-y|^2)$ over all pairs of vectors: 0 when all coincide, about −4 when they fill a sphere of many dimensions. Lower is better for both.
#
# **Contract.** Uniformity as a scalar tensor: N of 2 or more, vectors normalized first, each pair $i < j$ once, squared distance times −2, exponential, mean, natural logarithm.


# %%
# Exercise 04.6 · uniformity · medium · 10 min
def uniformity(x):  # (N, D) -> scalar
    ### BEGIN SOLUTION
    squared_distance = torch.pdist(normalize(x)).pow(2)  # each pair once
    return squared_distance.mul(-2).exp().mean().log()
    ### END SOLUTION


# %%
uniformity = check("04.6", uniformity)

# %% [markdown]
# ## See it: collapse, and the push
#
# **What does the push do to linked pairs?** The same start, the same links, and in the third circle InfoNCE at temperature 0.5. Drag the step, or press play.

# %%
paths["InfoNCE, linked pairs"] = move(linked(lambda q, d: info_nce(q, d, 0.5)))
explore(lambda step: figures.circles(paths, step), play=True, step=[0, 5, 10, 20, 40, 60, 80, 120, 200, 299])

# %%
last = cos_sim(*torch.tensor(paths["InfoNCE, linked pairs"][-1]).transpose(0, 1))
print(f"own passage {last.diagonal().min():.2f}, the linked one {last.roll(1, dims=1).diagonal().min():.2f}")
others = last[~torch.eye(6).bool() & ~torch.eye(6).roll(-1, dims=1).bool()]
print("all others below 0.05:", "holds" if others.max() < 0.05 else "does not hold")

# %% [markdown]
# The pull of the links is still there, so each query sits between its two passages. The push keeps the rest a right angle away or more.

# %% [markdown]
# ## Train it
#
# Now on text, with your symmetric loss. Two arms, two seeds each, and one difference: temperature 0.1, which was good at small and large batches in the record further below, or none at all, which is temperature 1. Quality is Recall@10 of 300 dev queries against 2,000 passages; a guess finds 0.005.

# %%
from workbook.bm25 import BM25
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search


def recall(run):  # one value per query
    return np.array(list(evaluate(small.qrels, run, ("recall@10",), per_query=True)["recall@10"].values()))


def recall_of(encoders):  # the mean over seeds, per query
    return np.mean([recall(dense_search(e, small.corpus, small.queries, k=10)) for e in encoders], axis=0)


# %%
encoders = {t: [train(symmetric, t, seed) for seed in (0, 1)] for t in (0.1, 1.0)}
arms = {"InfoNCE, temperature 0.1": encoders[0.1], "InfoNCE, temperature 1": encoders[1.0]}
arms |= {"the pull alone": pulled, "before training": [before]}
quality = {name: recall_of(encoder) for name, encoder in arms.items()}
mean = {name: values.mean() for name, values in quality.items()}

# %% tags=["nbval-ignore-output"]
bm25 = recall(BM25().index(small.corpus).search(small.queries, k=10)).mean()
intervals = {name: bootstrap_ci(values)[1:] for name, values in quality.items()}
show(
    results.bars(mean, "Recall@10", intervals, chance=0.005, bm25=bm25, title="60 steps, two seeds"),
)

# %%
gain = bootstrap_ci(quality["InfoNCE, temperature 0.1"] - quality["InfoNCE, temperature 1"])
print("temperature 0.1 beats temperature 1, interval above 0:", "holds" if gain[1] > 0 else "does not hold")
print(
    "the pull alone beats no training:",
    "holds" if mean["the pull alone"] > mean["before training"] else "does not hold",
)

# %% [markdown]
# One number in the loss is worth 0.14 of recall in the stored run. And a collapsed space still finds more than an untrained one, because a search only sorts, and sorting reads the third decimal as gladly as the first. (BM25 is not beaten in sixty steps; chapter 00 trained longer, with larger batches.)

# %% [markdown]
# ## See it: one temperature, three views
#
# One query: its own passage at cosine 0.80, a confusing one at 0.75, six easy ones. **Where does the weight go, who pushes, and what space comes out of it?** The histograms are of your 300 dev queries, under encoders trained at each temperature.

# %%
for temperature in (0.01, 0.03, 0.3):
    encoders[temperature] = [train(symmetric, temperature)]
spaces = {t: cosines_of(encoders[t][0]) for t in sorted(encoders)}

# %% tags=["nbval-ignore-output"]
example = [0.80, 0.75, 0.45, 0.30, 0.20, 0.10, 0.05, 0.0]
explore(lambda temperature: figures.one_temperature(example, spaces, temperature), temperature=sorted(spaces)[::-1])

# %%
for temperature in (1.0, 0.1):
    print(
        f"temperature {temperature}: {push_of_the_confusing_one(example, temperature):.0%} of the push is the confusing one's"
    )
mean_of_others = {t: cosines[1].mean() for t, cosines in spaces.items()}
print(
    "others, mean cosine above 0.5 at 0.01, below 0.1 at 0.1:",
    bool(mean_of_others[0.01] > 0.5 and mean_of_others[0.1] < 0.1),
)

# %% [markdown]
# At 1 the six easy passages together push harder than the confusing one. At 0.1 the confusing one does nearly all the pushing. At 0.01 a lead of 0.05 is five units in the exponent: the query is content, its force small, and everything is close to everything. A likely cause: only the one or two hardest passages push, so nothing holds the easy ones away.
#
# **Which row of your own batch is hardest?** Write four pairs. They are encoded by the encoder that was trained at 0.1.

# %%
mine = [
    ("count how often each value occurs", "Return a Series containing counts of unique rows."),
    ("sort the values of an array", "Return a sorted copy of an array, along the given axis."),
    ("sort a list of words", "Order the strings alphabetically, from a to z."),
    ("read a file line by line", "Open a text file and iterate over its lines."),
]

# %% tags=["nbval-ignore-output"]
my_queries, my_passages = zip(*mine)
my_s = cos_sim(*(torch.tensor(encoders[0.1][0].encode(list(side))) for side in (my_queries, my_passages))).numpy()
names = [text[:20] + "…" for text in my_queries]
explore(lambda temperature: figures.batch_matrix(my_s, temperature, names), temperature=[1.0, 0.3, 0.1, 0.03, 0.01])
shares = torch.tensor(my_s).div(0.1).softmax(dim=1).diagonal()
print(f"at temperature 0.1 query {shares.argmin() + 1} has the smallest share for its own passage, {shares.min():.2f}")

# %% [markdown]
# ## Break it
#
# Three mistakes, each in one line, beside the loss at 0.1. Alignment and uniformity say what happened to the space.

# %% tags=["nbval-ignore-output"]
from workbook.geometry import alignment

broken = {"temperature 0.1": encoders[0.1][0], "temperature forgotten": encoders[1.0][0]}
broken["scale and temperature swapped"] = train(lambda q, d, temperature: symmetric(q, d, 1 / temperature), 0.1)
broken |= {"only the pull": pulled[0], "before training": before}
for name, encoder in broken.items():
    q, d = (torch.tensor(encoder.encode(side)) for side in zip(*dev_pairs))
    print(
        f"{name:<30} Recall@10 {recall_of([encoder]).mean():.3f}   alignment {alignment(q, d):.2f}, uniformity {uniformity(d):.2f}"
    )

# %%
collapsed = uniformity(torch.tensor(pulled[0].encode(list(small.corpus.values())[:300])))
swapped = recall_of([broken["scale and temperature swapped"]]).mean()
print("the pull alone has uniformity above -0.5:", "holds" if collapsed > -0.5 else "does not hold")
print("0.1 beats the swapped one:", "holds" if mean["InfoNCE, temperature 0.1"] > swapped else "does not hold")

# %% [markdown]
# Recall says that something is wrong, not what. The space tells a collapse from the other two mistakes; those two it hardly tells apart.
#
# **Normalization forgotten.** With dot products a model has a cheaper way to lower the loss than to turn its vectors: it makes them longer. Here nothing is learned, vectors are only stretched.

# %%
generator = torch.Generator().manual_seed(1)
q = normalize(torch.randn(8, 16, generator=generator))
d = normalize(q + 0.6 * torch.randn(8, 16, generator=generator) / 4)
for stretch in (1, 2, 4):
    logits = stretch * q @ d.T
    print(f"stretched {stretch} times: loss {torch.nn.functional.cross_entropy(logits, torch.arange(8)):.4f}")

# %% [markdown]
# What speaks against the rule: DPR compared dot product, Euclidean distance and cosine, and cosine did worst (Karpukhin et al. 2020). Leaving lengths in can be a choice. It must not be an accident.

# %% [markdown]
# ## In the libraries
#
# sentence-transformers calls the loss `MultipleNegativesRankingLoss` and the inverse temperature `scale`.

# %%
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

generator = torch.Generator().manual_seed(2)
q, d, n = (torch.randn(32, 24, generator=generator, dtype=torch.float64) for _ in range(3))
theirs = MultipleNegativesRankingLoss(None, scale=20)
print(
    "equal:",
    torch.allclose(info_nce(q, d, 0.05), theirs.compute_loss_from_embeddings([q, d], None), rtol=0, atol=1e-12),
)

# %% [markdown]
# ## Further: more than the batch gives
#
# About {minutes} minutes. Later chapters bring passages that are *hard*, M for each query: `negatives`, (B, M, D).
#
# **Contract.** As 04.1, but every query chooses among all B positives and all B·M negatives, those of other queries included. M is 1 or more. A scalar tensor.


# %%
# Exercise 04.2 · InfoNCE with explicit negatives · medium · 12 min
def info_nce_with_negatives(query, positive, negatives, temperature):  # (B, D), (B, D), (B, M, D), float -> scalar
    ### BEGIN SOLUTION
    passages = torch.cat([positive, negatives.flatten(0, 1)])  # (B + B·M, D)
    logits = cos_sim(query, passages) / temperature
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(query)))
    ### END SOLUTION


# %%
info_nce_with_negatives = check("04.2", info_nce_with_negatives)

# %%
ours = info_nce_with_negatives(q, d, n[:, None, :], temperature=0.05)
print("equal:", torch.allclose(ours, theirs.compute_loss_from_embeddings([q, d, n], None), rtol=0, atol=1e-12))

# %% [markdown]
# For contrast the package has the older `triplet_loss`: of a query, its passage and *one* negative (a **triplet**) the passage must be nearer by a margin. Once it is, the loss is 0 and falls silent; InfoNCE goes on looking.

# %% [markdown]
# ## Further: two views of one thing
#
# About {minutes} minutes. Sometimes there are no queries and passages, only two views of each thing. SimCLR asks each of the 2B views to find its partner among all others. The loss is **NT-Xent**.
#
# **Contract.** Rows i of `a` and `b` are two views of one thing. Each of the 2B views chooses its partner among the 2B − 1 others, itself left out; the mean over all 2B, a scalar tensor.


# %%
# Exercise 04.4 · NT-Xent · hard · 15 min
def nt_xent(a, b, temperature):  # (B, D), (B, D), float -> scalar
    ### BEGIN SOLUTION
    views = torch.cat([a, b])  # (2B, D)
    logits = cos_sim(views, views) / temperature
    logits = logits.masked_fill(torch.eye(len(views), dtype=torch.bool), float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(views)).roll(len(a)))
    ### END SOLUTION


# %%
nt_xent = check("04.4", nt_xent)

# %% [markdown]
# ## Further: is the best temperature the same for every batch?
#
# Reading time in minutes: {minutes}. Replayed from the record of claim 10 (seven temperatures, two batch sizes, 1,000 queries, five seeds; `python -m workbook claims run 10 --record` reruns it). Where does each curve peak?

# %%
from workbook.claims import read_record

curves = read_record(10).measurements["ndcg@10"]
by_batch = {f"batch {B}": {float(t): seeds for t, seeds in curve.items()} for B, curve in curves.items()}
show(
    figures.quality_by_temperature(by_batch, "nDCG@10"),
)

# %% [markdown]
# The batch of 32 peaks at 0.1, that of 512 at 0.05, and both lose at either end. A likely cause: of 511 negatives some are hard, and a sharp softmax finds them; of 31 few are, and sharpness picks on accidents. A temperature is a setting *for a batch size*.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(9)
# %%
settle(10, budget="record")
settle(11, budget="record")
# %% [markdown]
# ## Questions people ask
#
# **Can the loss reach zero?** Not with cosines. At best the own cosine is 1 and the others are $-1/(B-1)$, evenly spread. For a batch of 256:

# %%
for temperature in (1.0, 0.1, 0.05):
    print(f"temperature {temperature}: at least {np.log1p(255 * np.exp(-(1 + 1 / 255) / temperature)):.2g}")

# %% [markdown]
# **Why are all cosines of some models 0.7 to 1?** They were trained at a low temperature, such as 0.01: see the histogram. Only the order counts there. Take a threshold from labelled pairs of your own, never from another model.

# %% [markdown]
# ## Quiz

# %%
quiz("04")

# %% [markdown]
# ## Recap
#
# - The pull alone collapses wherever texts share weights. InfoNCE asks *which passage belongs to the query*, and so it pushes as well.
# - It is softmax cross-entropy over cosines divided by the temperature. Where all passages look alike it costs log B.
# - The gradient pulls to the own passage and pushes from the softmax-weighted mean: the nearest negative pushes hardest.
# - A high temperature lets the many easy ones push, a low one only the hardest. Too low gives a narrow space. The best lies between and depends on the batch: 0.1 for 32 pairs and 0.05 for 512 in the record.
# - Temperature is 1 / scale. Normalize before you divide.
# - Alignment and uniformity show a collapse; recall alone does not explain what it lost.
#
# **New terms:** InfoNCE · temperature · scale · in-batch negatives · collapse · symmetric loss · alignment · uniformity · NT-Xent · triplet.
#
# **Open task.** Take pairs of your own (two columns of a table are enough), train at three temperatures with two seeds each, and find out whether 0.1 is best for you. Report an interval, not a winner.
#
# **Read next:** Wang and Isola 2020, *Understanding Contrastive Representation Learning through Alignment and Uniformity*; Wang and Liu 2021, *Understanding the Behaviour of Contrastive Loss*.
#
# **Next chapter:** 05 · How do 1,023 negatives come for free? How many do you want, and what if one of them is not negative at all?
