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
# Every embedding model you have heard of was trained with one idea: bring a query close to its passage, and keep it from the others. The loss that says so is called **InfoNCE**. It has one knob, the temperature, and that knob decides which of the others matter.
#
# **You will be able to** write InfoNCE and its relatives, derive its gradient, set the temperature for a reason, and recognize a space that is collapsing.
#
# **You need** chapter 02 (cosine) and chapter 03 (Recall@k). **It takes** about 70 minutes to read and do, about 40 seconds of machine time on one core, and about 1 GB of memory.

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import contrastive as figures
from workbook.figures import explore, show
from workbook.similarity import cos_sim, normalize

# %% [markdown]
# ## A failure first
#
# You want queries close to their passages. The obvious loss says just that: one minus the cosine of each pair. Let six pairs of points move on a circle under it.


# %%
def only_pull(query, positive):
    return (1 - cos_sim(query, positive).diagonal()).mean()


def move(loss, steps=120, lr=0.3):
    generator = torch.Generator().manual_seed(9)
    points = torch.randn(2, 6, 2, generator=generator).requires_grad_()  # 2 sides, 6 pairs
    path = []
    for _ in range(steps):
        path.append(normalize(points.detach()).transpose(0, 1))
        (gradient,) = torch.autograd.grad(loss(points[0], points[1]), points)
        points = normalize(points.detach() - lr * gradient).requires_grad_()
    return torch.stack(path).numpy()  # (steps, pairs, sides, 2)


# %%
path = move(lambda q, d: only_pull(q, d) + only_pull(q, d.roll(1, dims=0)))
cosines = cos_sim(torch.tensor(path[-1, :, 0]), torch.tensor(path[-1, :, 1]))
print(f"smallest cosine of a query with its own passage: {cosines.diagonal().min():.2f}")
print(f"smallest cosine of a query with any passage:     {cosines.min():.2f}")
print("all twelve points are nearly one point:", "holds" if cosines.min() > 0.98 else "does not hold")

# %% [markdown]
# Every query has found its passage, and every other passage too. (Each passage here belongs to two queries, as answers do in life, so the pull is passed on from pair to pair.) All twelve points are nearly one point. A perfect score, and a search engine that knows nothing. This is **collapse**, and it is why there must be a push.
#
# (On a circle, some starts need longer, and some get stuck: with seed 3 the points end as a chain wound once around the circle. That is no better: a query lies as close to its neighbours' passages as to its own.)

# %% [markdown]
# ## Predict

# %%
predict("04.p1")

# %%
predict("04.p2")

# %% [markdown]
# ## The idea
#
# Do not ask "is this pair close?" Ask "**which** of these passages belongs to the query?" That is a choice of one among many, and you know the loss for it: softmax cross-entropy. The scores are cosines, divided by a temperature:
#
# $$\text{loss} = -\frac{1}{B}\sum_{i=1}^{B} \log \frac{\exp(s_{ii} / \text{temperature})}{\sum_{j=1}^{B} \exp(s_{ij} / \text{temperature})}, \qquad s_{ij} = \cos(\text{query}_i, \text{positive}_j)$$
#
# | letter | meaning | shape |
# |---|---|---|
# | `query`, `positive` | B pairs | (B, D) |
# | $s$ | every query with every passage | (B, B), the right ones on the diagonal |
# | `negatives` | M more for each query | (B, M, D) |
#
# Where do the negatives come from? From the batch. Nobody labelled them: the other queries' passages are wrong answers almost always. A batch of 512 pairs holds 511 wrong answers for every query, at no cost.
#
# Why divide by a temperature? Cosines lie between −1 and 1. Without it, even a perfect cosine of 1 among 511 zeros gets a softmax weight of $e / (e + 511)$, half a per cent. The loss could never fall, however good the model.

# %% [markdown]
# ## By hand
#
# Two pairs along the axes: own cosines 1, other cosines 0, temperature 1. The weight of the right passage is $e^1 / (e^1 + e^0)$. On paper, the loss is $\log(1 + e^{-1})$.

# %%
query = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
positive = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
print(f"on paper: {np.log(1 + np.exp(-1)):.4f}")

# %% [markdown]
# ## Build it: InfoNCE
#
# First the loop, one query at a time, as the formula reads.


# %%
def info_nce_loop(query, positive, temperature):
    terms = []
    for i in range(len(query)):
        scores = cos_sim(query[i : i + 1], positive)[0] / temperature  # (B,)
        terms.append(torch.logsumexp(scores, dim=0) - scores[i])
    return torch.stack(terms).mean()


print(f"loop:     {info_nce_loop(query, positive, temperature=1.0):.4f}")

# %% [markdown]
# Now without the loop. All B choices are made at once from one (B, B) matrix, and the right answer of row i is column i.


# %%
# Exercise 04.1 · InfoNCE with in-batch negatives · medium · 12 min
def info_nce(query, positive, temperature):  # (B, D), (B, D), float -> scalar
    ### BEGIN SOLUTION
    logits = cos_sim(query, positive) / temperature  # (B, B)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(query)))
    ### END SOLUTION


# %%
info_nce = check("04.1", info_nce)

# %%
a, b = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0))
print("verify they agree:", torch.allclose(info_nce(a, b, 0.05), info_nce_loop(a, b, 0.05)))
print(f"random vectors, temperature 100:  {info_nce(a, b, 100.0):.2f} = log 64 = {np.log(64):.2f}")
print(f"random vectors, temperature 0.05: {info_nce(a, b, 0.05):.2f}")

# %% [markdown]
# Remember these two lines. When all passages look alike, the loss is the logarithm of their number: the price of a guess. At a low temperature random vectors pay more than that, because small accidents in their cosines are taken for certainty. A model whose loss stays at the logarithm has learned nothing.
#
# ## Build it: more than the batch gives
#
# Passages of other queries are easy to tell apart. Later chapters bring passages that are *hard*: M for each query. They join the choice, and since they are in memory anyway, every query chooses among all of them.


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

# %% [markdown]
# ## Build it: both directions
#
# A passage can also choose its query. The mean of both choices is the symmetric loss, which CLIP and many text models use. GTE goes one step further and puts queries against queries and passages against passages into the same sum; the package calls these `directions`.


# %%
# Exercise 04.3 · the symmetric loss · easy · 6 min
def symmetric(query, positive, temperature):  # (B, D), (B, D), float -> scalar
    ### BEGIN SOLUTION
    return (info_nce(query, positive, temperature) + info_nce(positive, query, temperature)) / 2
    ### END SOLUTION


# %%
symmetric = check("04.3", symmetric)

# %% [markdown]
# ## Build it: two views of one thing
#
# SimCSE has no queries and passages. It encodes the same sentence twice, with different dropout, and asks each of the 2B views to find its partner among all the others. Mind what a view must not see.


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
# ## Build it: the pull and the push
#
# What does one step do to query i? The derivative of cross-entropy by the logits is "softmax minus one-hot", and a logit is $q_i \cdot d_j / \text{temperature}$. So, for unit-length queries:
#
# $$\frac{\partial\, \text{loss}}{\partial q_i} = \frac{1}{B \cdot \text{temperature}} \Big( \underbrace{\sum_j p_{ij}\, d_j}_{\text{push}} - \underbrace{d_i}_{\text{pull}} \Big), \qquad p_i = \text{softmax}_j\big(q_i \cdot d_j / \text{temperature}\big)$$
#
# The query is pulled to its own passage, and pushed from the average of all passages, each weighted by how much it is confused with the right one. Nobody has to choose which negatives are hard: the softmax does.


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
# ## See it
#
# **Which negatives does a temperature look at?** One query: its own passage at cosine 0.8, a confusing one at 0.75, and six easy ones. Move the temperature. Where does the weight go, and which passages push the query?

# %%
explore(
    lambda temperature: figures.softmax_weights([0.80, 0.75, 0.45, 0.30, 0.20, 0.10, 0.05, 0.0], temperature),
    temperature=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
)

# %% [markdown]
# At temperature 1 the six easy passages together push harder than the confusing one. At 0.05 the confusing one does nearly all the pushing. At 0.01 the query is nearly content: a lead of 0.05 in cosine is five units in the exponent, so the confusing passage has less than a hundredth of the weight, and its force falls from 5.4 to 0.7. (The scale of the force on the right changes with the temperature.)
#
# **How do the points move?** Here are the six pairs from the beginning, now with the push: queries are filled circles, passages empty squares. Press play, or drag the slider.

# %%
path = move(lambda q, d: info_nce(q, d, 0.2), steps=60)
show(
    figures.points_on_the_circle(path[::3], "InfoNCE at temperature 0.2"),
)

# %% [markdown]
# ## Build it: is the sphere used?
#
# In 256 dimensions you cannot watch. Wang and Isola give two numbers instead. **Alignment** is the mean squared distance of a pair. **Uniformity** is the logarithm of the mean of $\exp(-2|x-y|^2)$ over all pairs of vectors: 0 when all coincide, about −4 when they fill a sphere of many dimensions. Lower is better for both.


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
# ## Train it
#
# Now on real text: titles and bodies from the documentation of your own Python. A static encoder, 60 steps of 256 pairs, five temperatures, two seeds each. The temperature is the only thing that changes. Quality is Recall@10 on 300 dev queries against 2,000 passages; chance is 0.005.

# %%
from workbook import data
from workbook.bm25 import BM25
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.geometry import alignment
from workbook.metrics import evaluate
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]  # enough for a comparison, and quick
tokenizer = train_tokenizer([text for pair in pairs for text in pair], vocab_size=6000)

# %%
small = docs.split("dev").sample(300, num_passages=2000)


def recall(encoder):
    run = dense_search(encoder, small.corpus, small.queries, k=10)
    return evaluate(small.qrels, run, ("recall@10",))["recall@10"]


# %%
def train(temperature, seed=0, steps=60, loss=symmetric):
    torch.manual_seed(seed)
    encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=64)
    if steps:
        fit(encoder, pairs, loss, steps=steps, batch_size=256, lr=0.02, seed=seed, temperature=temperature)
    return encoder


# %%
temperatures = [0.01, 0.03, 0.1, 0.3, 1.0]
encoders = {(t, seed): train(t, seed) for t in temperatures for seed in (0, 1)}
quality = {t: [recall(encoders[t, seed]) for seed in (0, 1)] for t in temperatures}

# %% tags=["nbval-ignore-output"]
bm25 = evaluate(small.qrels, BM25().index(small.corpus).search(small.queries, k=10), ("recall@10",))["recall@10"]
show(
    figures.quality_by_temperature({"static encoder": quality, "BM25": {t: [bm25] for t in temperatures}}, "Recall@10"),
)

# %%
mean = {t: np.mean(values) for t, values in quality.items()}
print(
    "temperature 1 is worse than the best of the five:", "holds" if mean[1.0] < max(mean.values()) else "does not hold"
)

# %% [markdown]
# Both ends lose. At temperature 1 the easy negatives drown the hard ones. At 0.01 only the very hardest negative counts, and with it every accident of the data. Between neighbours in the middle two seeds settle nothing.
#
# (BM25, the flat line, is ahead of all five: sixty steps are for comparing temperatures. Chapter 00 trained longer, with larger batches.)
#
# **Is the best temperature the same for every batch?** The record of claim 10 has more of everything: seven temperatures, two batch sizes, 1,000 queries, five seeds. Where does each curve peak, and which one forgives a wrong choice?

# %%
from workbook.claims import read_record

curves = read_record(10).measurements["ndcg@10"]
by_batch = {f"batch {B}": {float(t): seeds for t, seeds in curve.items()} for B, curve in curves.items()}
show(
    figures.quality_by_temperature(by_batch, "nDCG@10"),
)

# %% [markdown]
# The larger batch peaks at a lower temperature. A likely cause: of 511 negatives some are hard, and a sharp softmax finds them; of 31 few are, and sharpness picks on accidents. So a temperature is a setting *for a batch size*, not a constant of nature.
#
# **What does the learned space look like?** Each of 300 dev queries has a cosine with its own passage and 299 cosines with passages of others. Move the temperature. Where do the own ones go, where do the others go, and at which temperature do the two overlap most?

# %%
dev_pairs = small.pairs("sample")


def cosines_of(encoder):
    q, d = (torch.tensor(encoder.encode(side)) for side in zip(*dev_pairs))
    cosines = cos_sim(q, d)
    return cosines.diagonal(), cosines[~torch.eye(len(q), dtype=torch.bool)]


# %% tags=["nbval-ignore-output"]
spaces = {t: cosines_of(encoders[t, 0]) for t in temperatures}
explore(
    lambda temperature: figures.learned_space(*spaces[temperature], temperature),
    temperature=temperatures,
)

# %% [markdown]
# At 0.01 everything is close to everything. A likely cause: only the one or two hardest passages push, so nothing holds the easy ones away, and the pull gathers them all. At 0.1 many passages push, and the others stand at right angles.
#
# **How did it get there?** Watch alignment and uniformity of the same pairs while the encoder trains, at three temperatures. Both are better when lower.


# %%
def follow(temperature):
    points = []
    torch.manual_seed(0)
    encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=64)

    def look(record):
        if record["step"] in (1, 5, 15, 30, 60):
            x, y = (torch.tensor(encoder.encode(side)) for side in zip(*dev_pairs))
            points.append((alignment(x, y).item(), uniformity(y).item()))

    fit(encoder, pairs, symmetric, steps=60, batch_size=256, lr=0.02, temperature=temperature, on_step=look)
    return points


# %% tags=["nbval-ignore-output"]
tracks = {f"temperature {t}": follow(t) for t in (0.01, 0.1, 1.0)}
show(
    figures.alignment_and_uniformity(tracks),
)

# %% [markdown]
# The two pull against each other: the path with the closest pairs has the narrowest space, and the one with the loosest pairs has the widest. The temperature sets the balance, but not in one direction. From 0.1 up to 1, pairs become closer and the space a little narrower, as textbooks say. From 0.1 down to 0.01 the same happens, and much more strongly. The record of claim 11 shows the same bend at larger batches. Both come from short training; they do not tell what a million steps would do.
#
# **And to the eye?** Flatten the 128 dimensions into a map of 300 passages from five packages, before training and after. Nobody told the encoder what a package is.

# %%
from workbook.figures.maps import umap_of

packages = ["numpy", "pandas", "torch", "sympy", "scipy"]
chosen = [p for name in packages for p in [p for p in docs.corpus if p.startswith(f"{name}.")][:600:10]]
before, after = train(0.03, steps=1), encoders[0.03, 0]

# %% tags=["nbval-ignore-output"]
texts = [docs.corpus[p] for p in chosen]
maps = [umap_of(encoder.encode(texts)) for encoder in (before, after)]
groups = [p.split(".")[0] for p in chosen]
explore(
    lambda when: figures.map_of_texts(*maps, groups, when),
    when=["before training", "after training"],
)

# %% [markdown]
# A map bends distances to fit into two dimensions. Use it to get ideas, never to measure.

# %% [markdown]
# ## Break it
#
# Three mistakes, each in one line. Beside the quality stands what a query's cosines look like, on average: with its own passage, and with the passages of others.

# %% tags=["nbval-ignore-output"]
broken = {
    "as it should be, temperature 0.03": symmetric,
    "temperature forgotten": lambda q, d, temperature: symmetric(q, d, 1.0),
    "scale and temperature swapped": lambda q, d, temperature: symmetric(q, d, 1 / temperature),
    "only the pull, no negatives": lambda q, d, temperature: only_pull(q, d),
}
broken_encoders = {name: train(0.03, steps=40, loss=loss) for name, loss in broken.items()}
broken_encoders["before training"] = train(0.03, steps=0)
results = {name: recall(encoder) for name, encoder in broken_encoders.items()}
for name, encoder in broken_encoders.items():
    own, others = (cosines.mean() for cosines in cosines_of(encoder))
    print(f"{name:<36} Recall@10 {results[name]:.3f}   cosines: own {own:.2f}, others {others:.2f}")

# %%
best = max(results, key=results.get)
print("the loss as it should be is the best of them:", "holds" if best.startswith("as it") else "does not hold")
collapsed = cosines_of(broken_encoders["only the pull, no negatives"])[1].mean() > 0.9
print("with the pull alone, the cosine with other passages is above 0.9:", "holds" if collapsed else "does not hold")

# %% [markdown]
# Even an untrained encoder finds something, by shared words. The pull alone has gathered all texts in one place: strangers have a cosine of 0.97. It still finds more than before training, because a search only sorts, and sorting reads the third decimal as gladly as the first. So a recall that is merely lower can hide a collapse. Look at the cosines, too.

# %% [markdown]
# **Normalization forgotten.** With dot products a model has a cheaper way to lower the loss than to turn its vectors: it makes them longer. Here nothing is learned at all, the vectors are only stretched, and the loss falls.

# %%
generator = torch.Generator().manual_seed(1)
q = normalize(torch.randn(8, 16, generator=generator))
d = normalize(q + 0.6 * torch.randn(8, 16, generator=generator) / 4)
for stretch in (1, 2, 4):
    logits = stretch * q @ d.T
    print(f"stretched {stretch} times: loss {torch.nn.functional.cross_entropy(logits, torch.arange(8)):.4f}")

# %% [markdown]
# ## In the libraries
#
# sentence-transformers calls the loss `MultipleNegativesRankingLoss` and the inverse temperature `scale`. Yours and its own agree, negatives included.

# %%
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

generator = torch.Generator().manual_seed(2)
q, d, n = (torch.randn(32, 24, generator=generator, dtype=torch.float64) for _ in range(3))
theirs = MultipleNegativesRankingLoss(None, scale=20)

# %%
ours = info_nce_with_negatives(q, d, n[:, None, :], temperature=0.05)
print("equal:", torch.allclose(ours, theirs.compute_loss_from_embeddings([q, d, n], None), rtol=0, atol=1e-12))

# %% [markdown]
# The package's own version, `workbook.losses.info_nce`, has all four directions and is held to that class to 1e-12, gradients included. For contrast it also has `triplet_loss`: one negative, and silence once the margin is kept.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(9)
# %%
settle(10, budget="record")
print()
settle(11, budget="record")
# %% [markdown]
# ## Quiz

# %%
quiz("04")

# %% [markdown]
# ## Recap
#
# - Pulling alone collapses. InfoNCE asks *which passage belongs to the query*, and so it pushes as well.
# - It is softmax cross-entropy over cosines divided by the temperature. A guess costs log B.
# - The gradient pulls to the own passage and pushes from the softmax-weighted mean: hard negatives push hardest.
# - A low temperature looks at the hardest negatives only; a high one averages over all. The best lies between, and depends on the batch.
# - Close pairs and a wide space pull against each other. Too low a temperature gives a narrow space.
# - Temperature is 1 / scale. Normalize before you divide.
# - Alignment and uniformity tell you what happened to a space that you cannot see.
#
# **New terms:** InfoNCE · NT-Xent · temperature · scale · in-batch negatives · triplet loss · collapse · alignment · uniformity.
#
# **Read next:** van den Oord et al. 2018, *Representation Learning with Contrastive Predictive Coding*; Wang and Isola 2020, *Understanding Contrastive Representation Learning through Alignment and Uniformity*; Wang and Liu 2021, *Understanding the Behaviour of Contrastive Loss*, on the temperature.
#
# **Next chapter:** 05 · How do 1,023 negatives come for free? The batch gave you negatives at no cost. How many do you want, and what happens when one of them is not negative at all?
