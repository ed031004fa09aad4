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
# # 16 · How do the stages fit in 110 ms?
#
# A cross-encoder reads slowly: at a pair a millisecond, a million passages take a quarter of an hour. So cheap searches find some dozens, and it orders these.
#
# **You will be able to** fuse by ranks and by scores, make and price SPLADE's vectors, compute a reranker's ceiling, and spend a budget of milliseconds.
#
# **You need** chapters 03 (BM25, nDCG) and 15. **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, results, retrieve_and_rerank, show

quiz("03.q3", "14.q1")

# %% [markdown]
# ## Predict

# %%
predict("16.p1")

# %% [markdown]
# ## A failure first
#
# BM25 searches a generated collection. Then a perfect judge, which looks the truth up, rereads each query's first ten, and then its first hundred.

# %%
from workbook.bm25 import BM25
from workbook.data.planted import planted
from workbook.metrics import evaluate

docs = planted(3_000, unlabelled=1.0, label_noise=0.0).collection()
dev = docs.split("dev").sample(120, 1_000)
keywords = BM25().index(dev.corpus).search(dev.queries, k=100)


# %%
def ndcg(run):
    return evaluate(dev.qrels, run, ["ndcg@10"])["ndcg@10"]


def by_the_truth(depth):  # each query's first passages, scored by their true grades
    return {q: {p: dev.qrels[q].get(p, 0) for p in list(found)[:depth]} for q, found in keywords.items()}


print(f"BM25 {ndcg(keywords):.2f}, ten read {ndcg(by_the_truth(10)):.2f}, a hundred read {ndcg(by_the_truth(100)):.2f}")

# %% [markdown]
# It makes no mistake, and reaches .61. What stands at rank 40 was not read.
#
# ## The idea
#
# **Retrieve** by cheap searches through all passages; **fuse** what they found; **rerank** the first `depth`, each pair at the same price. No stage sees more than the one before hands on.
#
# Two ways to fuse runs $r$ of one query:
#
# $$\text{RRF}(d)=\sum_r\frac{1}{k+\text{rank}_r(d)}\qquad\text{sum}(d)=\sum_r w_r\cdot\frac{s_r(d)-\min{s_r}}{\max{s_r}-\min{s_r}}$$
#
# **Reciprocal rank fusion** (RRF) forgets scores; the **weighted sum** keeps how far the first is ahead. Neither adds raw ones: BM25 gives 12 where a cosine gives .8.
#
# **SPLADE**, one more search, lets a language model weigh each word of its vocabulary for a text, also words that it lacks. Most weights are 0, so an inverted index does, as for BM25.
#
# | letter | shape | |
# |---|---|---|
# | `logits` | (B, T, V) | each token's voice for each word |
# | w | (B, V) | $\max_t\log(1+\max(0,\text{logits}_t))$ |
# | **FLOPS** | scalar | $\sum_v(\text{mean}_i\,w_{iv})^2$, its price in training |
#
# ## By hand
#
# Keywords give A B C D, dense search C A E B; k = 60.

# %%
places = {"A": (1, 2), "C": (3, 1), "B": (2, 4), "E": (3,), "D": (4,)}
for passage, ranks in places.items():
    shares = " + ".join(f"1/{60 + rank}" for rank in ranks)
    print(f"{passage}: {shares:<11} = {sum(1 / (60 + rank) for rank in ranks):.6f}")

# %%
show(retrieve_and_rerank.shares_of_ranks({"keywords": "ABCD", "dense": "CAEB"}, 60, "two lists, fused"))

# %% [markdown]
# What both have found lies in front.

# %%
predict("16.p2")

# %% [markdown]
# ## Build it: ranks alone
#
# **Contract.** `runs` is a list of dicts, one at least: what each retriever found for one query, passage id → score, higher is better, in any order, perhaps empty. `k` is 0 or more. In each run the highest score has rank 1, the next 2, and so on; equal scores have ranks of their own, in the dict's order. A passage gets 1/(k+rank) from each run that holds it, and nothing from the others. Return a dict of all passages, id → sum, best first. Of equal sums the passage that an earlier run holds comes first, and within a run the one with the better rank. Nothing passed in changes, here and below.


# %%
# Exercise 16.1 · reciprocal rank fusion · easy · 8 min
def rrf(runs, k):  # list of dict, int -> dict
    ### BEGIN SOLUTION
    sums = {}
    for scores in runs:
        ranked = sorted(scores, key=scores.get, reverse=True)  # equal ones stay in their order
        for rank, passage in enumerate(ranked, start=1):
            sums[passage] = sums.get(passage, 0.0) + 1 / (k + rank)
    return dict(sorted(sums.items(), key=lambda item: item[1], reverse=True))
    ### END SOLUTION


# %%
rrf = check("16.1", rrf)

# %% [markdown]
# The second search is by the untrained `base/start`:

# %%
from workbook.encoder import load
from workbook.similarity import dense_search

start = load("base/start")
start.max_length = 64
dense = dense_search(start, dev.corpus, dev.queries, k=100)
fused = {q: rrf([keywords[q], dense[q]], 60) for q in dev.queries}
print("RRF is ahead of keywords:", ndcg(fused) > ndcg(keywords), "· and of dense:", ndcg(fused) > ndcg(dense))

# %% [markdown]
# Against the textbook: the better search is best alone here. RRF gives the weaker an equal say.
#
# ## Build it: a weighted sum
#
# **Contract.** `runs` is as in 16.1; `weights` has a number for each run, 0 or more. In each run a score becomes (s−min)/(max−min), by that run's lowest and highest score: **min-max**. Where all its scores are equal, as when there is only one, each becomes 0. A passage gets the run's weight times this number from each run that holds it, and 0 from the others. Return a dict as in 16.1: all passages, id → sum, best first, equal sums ordered as there.


# %%
# Exercise 16.2 · a weighted sum of scores · medium · 10 min
def weighted_sum(runs, weights):  # list of dict, list of float -> dict
    ### BEGIN SOLUTION
    sums = {}
    for scores, weight in zip(runs, weights):
        low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
        for passage in sorted(scores, key=scores.get, reverse=True):
            share = (scores[passage] - low) / (high - low) if high > low else 0.0
            sums[passage] = sums.get(passage, 0.0) + weight * share
    return dict(sorted(sums.items(), key=lambda item: item[1], reverse=True))
    ### END SOLUTION


# %%
weighted_sum = check("16.2", weighted_sum)

# %%
by_score = {q: weighted_sum([keywords[q], dense[q]], [1.0, 1.0]) for q in dev.queries}
print("the weighted sum is ahead of RRF here:", ndcg(by_score) > ndcg(fused))
print(weighted_sum([{"last of two": 11.9, "first": 12.0}, {"first": 0.8, "other": 0.7}], [1.0, 1.0]))

# %% [markdown]
# 11.9 beside 12.0 counts as nothing: the last hit gets 0, as if it had not been found. Behind a hundred hits that is no loss.
#
# ## Build it: SPLADE's vector
#
# **Contract.** `logits` (B, T, V) are finite, also at padding. `mask` (B, T) has 1 at a token and 0 at padding, which may stand anywhere; a text may have no token. A word's weight in a text is log(1+max(0,logit)), with the natural logarithm, at the token where that is largest; padding has no say. Return (B, V); zeros for a text without tokens. Nothing is normalized. Gradients flow.


# %%
# Exercise 16.3 · SPLADE's vector · medium · 8 min
def splade_vector(logits, mask):  # (B, T, V), (B, T) -> (B, V)
    ### BEGIN SOLUTION
    weights = torch.log1p(logits.relu())  # (B, T, V), none negative
    return (weights * mask[:, :, None]).max(dim=1).values
    ### END SOLUTION


# %%
splade_vector = check("16.3", splade_vector)

# %% [markdown]
# ## Build it: what a batch costs
#
# A search walks through the lists of its words; common words have long ones. FLOPS charges for that, with a gradient.
#
# **Contract.** `weights` is (B, V), none negative. Take each word's mean over the B texts, square it, and return the sum over the words, a scalar. Gradients flow.


# %%
# Exercise 16.7 · what a batch costs · easy · 5 min
def price(weights):  # (B, V) -> scalar
    ### BEGIN SOLUTION
    return weights.mean(dim=0).square().sum()
    ### END SOLUTION


# %%
price = check("16.7", price)

# %%
shared, own = torch.tensor([[1.0, 0.0, 0.0]] * 3), torch.eye(3)
print(
    f"three texts, one word: {price(shared):.2f} · three words: {price(own):.2f} · L1 of both: {shared.sum(1).mean():.0f}"
)

# %% [markdown]
# What all use is three times as dear. Queries and passages have factors of their own: 3e-4 and 1e-4 in SPLADE v2-max (its repository).
#
# ## Build it: the ceiling
#
# **Contract.** One query. `judged` is passage id → grade, whole numbers from 0, one passage at least; above 0 is relevant. `scores` is passage id → the first stage's score, in any order, no two equal, perhaps empty. `depth` and `k` are 1 or more. A reranker reads the `depth` passages with the highest scores, or all if there are fewer, and sorts them by true grade, best first; unjudged ones have 0. Return two floats: the share of all relevant passages that it read (**recall@depth**), and the nDCG@k of its order, with gain = grade, discount 1/log2(rank+1), and as ideal the best k of all judged passages, found or not. Both are 0 if nothing is relevant.


# %%
# Exercise 16.4 · the ceiling · medium · 10 min
def ceiling(judged, scores, depth, k):  # dict, dict, int, int -> (float, float)
    ### BEGIN SOLUTION
    def dcg(grades):
        best = sorted(grades, reverse=True)[:k]
        return sum(grade / np.log2(rank + 1) for rank, grade in enumerate(best, start=1))

    read = [judged.get(p, 0) for p in sorted(scores, key=scores.get, reverse=True)[:depth]]
    relevant = sum(grade > 0 for grade in judged.values())
    if not relevant:
        return 0.0, 0.0
    return sum(grade > 0 for grade in read) / relevant, dcg(read) / dcg(judged.values())
    ### END SOLUTION


# %%
ceiling = check("16.4", ceiling)

# %%
for depth in (1, 10, 100):
    each = [ceiling(dev.qrels[q], keywords[q], depth, 10) for q in dev.queries]
    recall, highest = (sum(part) / len(each) for part in zip(*each))
    print(f"depth {depth:>3}: recall {recall:.2f}, no reranker can have more nDCG@10 than {highest:.2f}")

# %% [markdown]
# This was the failure. The ceiling is what a perfect judge would get, no forecast for yours.
#
# ## Build it: cut too early
#
# **The other way round.** A colleague cuts the first stage's run to the `k` that are wanted and reranks these. Right is: rerank `depth`, then cut to `k`. Find the smallest input for which the returned lists differ.
#
# **Contract.** Return `first, judge, depth, k`: a list of different ids in the first stage's order, best first; a dict, id → the reranker's score, finite, higher is better; two whole numbers, 1 ≤ k ≤ depth. Equal scores keep the first stage's order. Size counts the ids.


# %%
# Exercise 16.5 · cut too early · easy · 5 min
def smallest_cut():  # () -> list of ids, dict of scores, int, int
    ### BEGIN SOLUTION
    return ["a", "b"], {"a": 0.1, "b": 0.9}, 2, 1
    ### END SOLUTION


# %%
smallest_cut = check("16.5", smallest_cut)

# %% [markdown]
# Who is cut is never judged.
#
# ## Build it: a search within a budget
#
# **Contract.** `retrievers` is name → function, one at least; called with `query` it returns a run as in 16.1. They run one after another: `milliseconds` is name → what each takes. `per_pair` is what the reranker takes for a pair; `score(pairs)` takes a list of (query, passage id) and returns a list of scores, higher is better. Times and `budget` are whole numbers, `per_pair` and `k` 1 or more.
#
# If the retrievers alone take more than `budget`, raise `ValueError`. Else call each once, in the dict's order, fuse by RRF with 60 as its k, and score the first passages of the fused list: as many as fit whole into what is left, all if there are fewer, perhaps none. No other pair is scored. Return a list of at most `k` ids: those scored, by their new score, equal ones in fused order; behind them the others, in fused order.


# %%
# Exercise 16.6 · a search within a budget · hard · 20 min
def search_within(query, retrievers, milliseconds, per_pair, budget, k, score):
    # str, dict, dict, int, int, int, score -> list of ids
    ### BEGIN SOLUTION
    left = budget - sum(milliseconds[name] for name in retrievers)
    if left < 0:
        raise ValueError(f"the retrievers alone take {-left} ms more than the budget")
    fused = list(rrf([retrieve(query) for retrieve in retrievers.values()], 60))
    fits = left // per_pair
    read, unread = fused[:fits], fused[fits:]
    new = dict(zip(read, score([(query, passage) for passage in read]))) if read else {}
    return (sorted(read, key=new.get, reverse=True) + unread)[:k]
    ### END SOLUTION


# %%
search_within = check("16.6", search_within)

# %% [markdown]
# Keywords take 2 ms, dense search 8. How slow may a judge that knows the truth be?

# %%
both = {"keywords": keywords.get, "dense": dense.get}  # what they found stands there already


def true_grades(pairs):
    return [dev.qrels[q].get(p, 0) for q, p in pairs]


def places(ids):  # an order as a run: equal sums would be told apart by their ids
    return {p: -float(i) for i, p in enumerate(ids)}


# %%
quality = {}
for per_pair in (1, 5, 20, 101):
    found = {
        q: search_within(q, both, {"keywords": 2, "dense": 8}, per_pair, 110, 10, true_grades) for q in dev.queries
    }
    quality[per_pair] = ndcg({q: places(ids) for q, ids in found.items()})
print("the slower the judge, the worse:", sorted(quality.values(), reverse=True) == list(quality.values()))
print("the slowest judge reads nothing, so RRF is left:", quality[101] == ndcg({q: places(fused[q]) for q in fused}))

# %% [markdown]
# Below one pair's time, fusion is all there is; so a judge has to be fast as well as good.
#
# ## See it: 110 milliseconds
#
# Keywords find, and `base` reads: it gives each pair a score, as a reranker does. «The cross-encoder of chapter 15 in its place, and claim 44's record.» Ask first:

# %%
predict("16.p3")

# %%
import time

from workbook.figures import depths, time_budget


def pair_scores(encoder):  # query id -> passage id -> score, of all that keywords found
    encoder.max_length = 64
    sides = ((texts, encoder.encode(list(texts.values()))) for texts in (dev.queries, dev.corpus))
    of_query, of_passage = (dict(zip(texts, vectors)) for texts, vectors in sides)
    return {q: {p: float(of_query[q] @ of_passage[p]) for p in found} for q, found in keywords.items()}


reader = load("base")
scores = pair_scores(reader)
steps = [1, 2, 5, 10, 20, 50, 100]
curves = depths.curves_by_depth(dev.qrels, keywords, scores, steps)

# %% tags=["nbval-ignore-output"]
begin = time.perf_counter()
reader.encode(list(dev.corpus.values())[:64])
per_pair = 1_000 * (time.perf_counter() - begin) / 64  # milliseconds
asked = next(iter(dev.queries))
own = depths.own_list(dev.queries[asked], keywords[asked], scores[asked], dev.qrels[asked], dev.corpus)
stages = time_budget.Stages({"keywords": 2}, per_pair)
explore(
    lambda depth: time_budget.budget(depth, stages, curves, own, queries=len(dev.queries)),
    play=True,
    depth=curves.depths,
)

# %%
gap = [high - reached for high, reached in zip(curves.ceiling, curves.reranked)]
print("the gap to the ceiling grows with depth:", gap[0] < gap[3] < gap[6])

# %% [markdown]
# Recall is opened faster than it is used.
#
# ## Train it
#
# SPLADE on `base/start`: at first each token speaks for itself and for words near to it. Twenty steps on 400 pairs, with the price and without, two seeds:

# %%
from workbook.index.inverted import InvertedIndex, sparse_search
from workbook.sparse import SpladeEncoder, fit_splade

unread = set(dev.corpus.values())
pairs = [pair for pair in docs.pairs("train") if pair[1] not in unread][:400]


def splade(price, seed):
    begin = load("base/start")
    encoder = SpladeEncoder(begin.tokenizer, begin.backbone, max_length=32)
    encoder.start_from_words(begin.backbone.embeddings.word.weight.detach().clone(), bias=-4.0)
    fit_splade(encoder, pairs, price, price, steps=20, batch_size=12, lr=5e-4, seed=seed, show=False)
    return encoder


def words_and_quality(encoder):
    vectors = encoder.encode_document(list(dev.corpus.values()))
    index = InvertedIndex.from_vectors(vectors)
    return len(vectors.ids) / len(vectors), ndcg(sparse_search(encoder, dev.corpus, dev.queries, 10, index))


# %%
trained = {price: [splade(price, seed) for seed in (0, 1)] for price in (0.0, 0.01)}
measured = {price: np.array([words_and_quality(encoder) for encoder in each]) for price, each in trained.items()}
free, priced = measured[0.0], measured[0.01]  # (seeds, 2)
print("all four ahead of BM25:", min(free[:, 1].min(), priced[:, 1].min()) > ndcg(keywords))
print("with a price fewer words, both seeds:", all(priced[:, 0] < free[:, 0]))

# %% tags=["nbval-ignore-output"]
for name, rows in (("free", free), ("with a price", priced)):
    print(f"{name:<13} {rows[:, 0].mean():4.0f} words a passage, nDCG@10 {rows[:, 1].mean():.2f}")
mine = "How many people live in this town?"
print(list(trained[0.01][0].words(trained[0.01][0].encode([mine])))[:15])

# %% [markdown]
# Your question holds words that it did not have. That is what keyword search lacks, and an inverted index finds it.
#
# ## Break it
#
# **Raw scores added.** BM25's run to twenty, cosines to one. Whose are the first ten of the sum?


# %%
def summed(q):
    return {p: keywords[q].get(p, 0.0) + dense[q].get(p, 0.0) for p in keywords[q] | dense[q]}


ways = {"raw scores added": {q: summed(q) for q in dev.queries}, "min-max": by_score, "RRF": fused}
hits = retrieve_and_rerank.hits_by_retriever(ways, {"keywords": keywords, "dense": dense})
show(retrieve_and_rerank.whose_hits(hits, queries=len(dev.queries)))

# %%
print("the raw sum is behind both other ways:", ndcg(ways["raw scores added"]) < min(ndcg(by_score), ndcg(fused)))

# %% [markdown]
# **Too deep.** A good reader and a weak one, the untrained `base/start`:

# %%
swept = {
    "base": depths.intervals_by_depth(dev.qrels, keywords, scores, steps),
    "base/start": depths.intervals_by_depth(dev.qrels, keywords, pair_scores(start), steps),
}
show(retrieve_and_rerank.depth_sweep(swept, first=ndcg(keywords)))

# %% [markdown]
# «N46»
#
# ## In the libraries
#
# sentence-transformers pools, charges and fuses alike.

# %%
from sentence_transformers.sparse_encoder.losses import FlopsLoss
from sentence_transformers.sparse_encoder.modules import SpladePooling

logits, mask = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(0)), torch.ones(3, 5)
mask[1, 2:] = 0
theirs = SpladePooling()({"token_embeddings": logits.clone(), "attention_mask": mask})["sentence_embedding"]
print("equal vectors:", torch.allclose(splade_vector(logits, mask), theirs, atol=1e-6))
print("equal price:", torch.allclose(price(theirs), FlopsLoss(None).compute_loss_from_embeddings(theirs), atol=1e-6))

# %%
import json
import tempfile
from pathlib import Path

from sentence_transformers.sparse_encoder.evaluation import ReciprocalRankFusionEvaluator

one = next(iter(dev.queries))
samples = [
    [{"query_id": one, "query": one, "positive": list(dev.qrels[one]), "documents": list(run[one])}]
    for run in (dense, keywords)
]
with tempfile.TemporaryDirectory() as folder:
    ReciprocalRankFusionEvaluator(*samples, write_predictions=True)(folder)
    written = json.loads(next(Path(folder).glob("*.jsonl")).read_text("utf-8"))
print("the same fused order:", written["documents"] == list(rrf([dense[one], keywords[one]], 60)))

# %% [markdown]
# The package's stages return what you returned. (RRF's sums are often equal, and `rerank` and `evaluate` order equals by id: hence places.)

# %%
from workbook.rerank import rrf as fuse
from workbook.rerank import search_in_stages

ids = {text: name for texts in (dev.queries, dev.corpus) for name, text in texts.items()}


class Truth:  # a reranker as sentence-transformers' CrossEncoder: it is given texts
    def predict(self, pairs):
        return true_grades([(ids[query], ids[passage]) for query, passage in pairs])


def in_order(runs):
    return {q: places(sums) for q, sums in fuse(runs).items()}


# %%
found = {"keywords": lambda queries, k: keywords, "dense": lambda queries, k: dense}
run, _ = search_in_stages(found, dev.queries, dev.corpus, Truth(), rerank_depth=20, fuse=in_order)
yours = [search_within(q, both, {"keywords": 2, "dense": 8}, 5, 110, 20, true_grades) for q in dev.queries]
print("equal lists:", yours == [list(run[q]) for q in dev.queries])

# %% [markdown]
# ## Claims settled here
#
# «44, 45, 46.»
#
# ## Questions people ask
#
# **How deep, and why can deeper hurt?** The ceiling never falls with depth. But each passage more is a chance more to put a wrong one in front, and costs as much again. Draw both curves on dev queries; stop where yours bends, or the budget ends. On a CPU, time a pair first.
#
# **Weights or RRF?** 18 public sets, mean nDCG@10 (computed from pyserini's tables): BM25 .424, bge-base .508; both fused: RRF .515, min-max .530, raw scores .440. RRF beat both on 8 of the 18, min-max on 9, raw scores on 3; in Recall@100 RRF on 13. So fuse for recall, and measure.
#
# **What is a score of .016?** 1/61: first in one list, or about sixtieth in both. The most is n/(k+1) for n runs, whatever was found: no threshold tells relevant from not.
#
# **One model for all?** BGE-M3's dense, sparse and multi-vector scores are trained together and added without min-max (`hybrid_scores`). MIRACL, nDCG@10: 69.2, 53.9, 70.5; together 71.5.
#
# ## Quiz

# %%
quiz("16")

# %% [markdown]
# ## Recap
#
# - No stage finds what another lost: compute the ceiling. Rerank `depth`, then cut.
# - RRF adds 1/(k+rank), from rank 1; its sums are no probabilities.
# - Never add raw scores of different scales. Min-max gives the last hit 0.
# - SPLADE: relu, log(1+…), maximum over tokens; padding is silent.
# - FLOPS squares the mean over the batch: what all use is dear.
#
# **New terms:** reciprocal rank fusion, min-max, learned sparse retrieval (SPLADE), FLOPS, ceiling, depth.
#
# **Open task.** With your own search and 50 queries: time a pair, work out the depth, and hold the ceiling there beside your reranker. Which stage is worth a week?
#
# **Read next:** Cormack et al. 2009 (RRF); Formal et al. 2021 (SPLADE v2); Bruch et al. 2023 (fusion functions).
#
# **Next chapter:** 17 · How are a billion vectors searched?
