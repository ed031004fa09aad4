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
# # 03 · Is it any good?
#
# You have two retrievers. Which one do you ship? The answer is a number, and such a number goes wrong in three ways: it is computed wrongly, the test is easier than life, or the difference is noise.
#
# **You will be able to** compute Recall@k, reciprocal rank and nDCG by hand and in code, build BM25, put an interval around a mean, and say whether one system is better than another.
#
# **You need** chapter 02: an encoder turns texts into vectors, and the nearest ones win. **It takes** about {minutes} minutes, about 40 seconds of machine time on one core, and about 1 GB of memory.
#
# Two questions from earlier chapters first. Answer from memory.

# %%
import math

import numpy as np

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, results, show
from workbook.figures import measuring as figures

quiz("02.q2", "00.q1")

# %% [markdown]
# ## Predict

# %%
predict("03.p1")

# %% [markdown]
# ## A failure first
#
# Four passages answer one query, with grades from 1 (somewhat) to 3 (fully). System A finds only one of them, one of the two poorest. System B finds the three best. The cell prints the nDCG of both, by a function that somebody wrote in a hurry.


# %%
def ndcg_in_a_hurry(ranked, judged, k):
    def dcg(grades):
        return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))

    grades = [judged.get(passage, 0) for passage in ranked[:k]]
    best = dcg(sorted(grades, reverse=True))
    return dcg(grades) / best if best else 0.0


four_answers = {"a": 3, "c": 1, "d": 2, "f": 1}
found = {"A, one poor find": ["c", "x", "y", "z"], "B, the three best": ["d", "a", "c", "z"]}
for name, ids in found.items():
    print(f"{name:<18} {ndcg_in_a_hurry(ids, four_answers, 4):.2f}")

# %% [markdown]
# A beats B, and no error was raised. Several public libraries have shipped this function. You will find its mistake below.

# %% [markdown]
# ## The idea
#
# A retrieval test has three parts: the **corpus** of passages, the **queries**, and the **qrels**, which say how relevant which passage is to which query: grade 0 means that somebody looked, and it is wrong. A system gives a **run**: a score for each passage it returns. Sorted by score, the run becomes a ranking.
#
# | name | what it is | shape |
# |---|---|---|
# | `qrels` | query id → passage id → grade | |
# | `run` | query id → passage id → score | |
# | $G$ | the grade at each rank of the run | (Q, K): queries, ranks |
# | $J$ | all judged grades of a query, the largest first, then 0 | (Q, P): P is the most that a query has |
# | $d$ | discount of each rank, $d_r = 1 / \log_2(r + 1)$ | (K,) |
#
# A **metric** turns a row of grades into one number. The **cut** k says how many ranks count.
#
# | metric | what it asks | formula for one query |
# |---|---|---|
# | Recall@k | how much of what is relevant did I get? | relevant in the first k / all relevant |
# | reciprocal rank | how far must I look for the first one? | 1 / its rank; its mean over queries is **MRR** |
# | nDCG@k, normalized discounted cumulative gain | are the best ones on top? | $\text{DCG} / \text{best possible DCG}$, $\text{DCG} = \sum_{r \le k} G_r \, d_r$ |
#
# Which one? The one that resembles what happens next. A person looks at ten results: nDCG@10. A **reranker**, a slow model that reads the first hundred again and puts them in a new order, can only use what is there: Recall@100.
#
# Here is one query. Seven passages were judged; the run returned six. Nobody judged x and y, so they count as 0.

# %%
judged = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 0, "f": 1, "g": 0}
ranked = ["b", "a", "x", "c", "e", "y"]
show(figures.gains_table(ranked, judged, 4))

# %% [markdown]
# ## By hand
#
# Take a pencil; every number stands in the drawing. Four passages are relevant. Two of them are in the first four ranks, so Recall@4 is 2/4. The first stands at rank 2: reciprocal rank 1/2. DCG is 3 · 0.63 + 1 · 0.43 = 2.32; the best possible is 3 · 1 + 2 · 0.63 + 1 · 0.50 + 1 · 0.43 = 5.19. So nDCG@4 is 2.32 / 5.19 = 0.45.

# %% [markdown]
# ## Build it: Recall@k
#
# The first lines are done: which passages are relevant, and what happens where none is. One line is left.
#
# **Contract.** `ranked` is a list of different ids, best first; it may be empty or shorter than `k`, then all of it counts. `judged` maps ids to grades: above 0 is relevant, 0 is not, and an id that is missing is not. `k` is at least 1. Return a float: the number of relevant passages in the first `k`, divided by the number of all relevant passages; 0.0 where nothing is relevant. Change no argument.


# %%
# Exercise 03.1 · Recall@k · easy · 5 min
def recall_at_k(ranked, judged, k):  # ranked ids, judged id -> grade, k -> float
    relevant = {passage for passage, grade in judged.items() if grade > 0}
    if not relevant:
        return 0.0
    ### BEGIN SOLUTION
    return len(relevant & set(ranked[:k])) / len(relevant)
    ### END SOLUTION


# %%
recall_at_k = check("03.1", recall_at_k)

# %% [markdown]
# ## Build it: reciprocal rank
#
# Now the whole function. A reader goes down the list and stops at the first good passage.
#
# **Contract.** Arguments as in 03.1. Return a float: 1 divided by the rank of the first relevant passage, ranks counted from 1; 0.0 where no relevant passage stands in the first `k`.


# %%
# Exercise 03.2 · reciprocal rank · easy · 4 min
def reciprocal_rank(ranked, judged, k):  # ranked ids, judged id -> grade, k -> float
    ### BEGIN SOLUTION
    for rank, passage in enumerate(ranked[:k], start=1):
        if judged.get(passage, 0) > 0:
            return 1 / rank
    return 0.0
    ### END SOLUTION


# %%
reciprocal_rank = check("03.2", reciprocal_rank)

# %% [markdown]
# ## Build it: nDCG
#
# Where does the best possible ranking come from? Look at the lower row of the drawing, and at the line in a hurry.
#
# **Contract.** Arguments as in 03.1. DCG adds up, over the first `k` ranks, the grade of the passage divided by log2(rank + 1), ranks counted from 1; an id that is missing in `judged` has grade 0. The best possible DCG is that of all grades in `judged`, the largest first, cut at `k` too. Return a float: DCG divided by the best possible DCG; 0.0 where nothing is relevant.


# %%
# Exercise 03.3 · nDCG@k · medium · 12 min
def ndcg_at_k(ranked, judged, k):  # ranked ids, judged id -> grade, k -> float
    ### BEGIN SOLUTION
    def dcg(grades):
        return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))

    ideal = dcg(sorted((g for g in judged.values() if g > 0), reverse=True)[:k])
    return dcg([judged.get(p, 0) for p in ranked[:k]]) / ideal if ideal else 0.0
    ### END SOLUTION


# %%
ndcg_at_k = check("03.3", ndcg_at_k)

# %% [markdown]
# ## Where does it show?
#
# Now the other way round. On many inputs `ndcg_in_a_hurry` is right. Find the smallest on which it is not.
#
# **Contract.** Return a tuple `(ranked, judged, k)` on which `ndcg_in_a_hurry` and the right nDCG give different numbers: a list of different ids, a dictionary from id to a whole grade from 0 to 3, and a whole `k` of at least 1. Its size is the number of ids in `ranked` plus the number of ids in `judged`; make it as small as possible.


# %%
# Exercise 03.7 · where the wrong ideal shows · medium · 6 min
def shows_the_mistake():  # -> (ranked, judged, k)
    ### BEGIN SOLUTION
    return ["a"], {"a": 1, "b": 1}, 2
    ### END SOLUTION


# %%
shows_the_mistake = check("03.7", shows_the_mistake)

# %% [markdown]
# ## Build it: BM25
#
# Before you praise an encoder, beat keyword search: it is the **baseline**, what any new system is held against. BM25 adds up, over the words of the query, how rare a word is (idf, inverse document frequency) times how often it stands in the passage (tf, term frequency). Repetition levels off, and long passages are held back, because they hold more of everything.
#
# $$\text{score} = \sum_{w} \underbrace{\log\Big(1 + \frac{N - n_w + 0.5}{n_w + 0.5}\Big)}_{\text{idf}} \cdot \underbrace{\frac{f_w}{f_w + k_1\,(1 - b + b\,L / \bar L)}}_{\text{tf}}$$
#
# **Contract.** Return what one word adds to the score of one passage, a float, with the natural logarithm. `count` is $f_w$, how often the word stands in this passage, and may be 0; `length` is $L$, its number of words; `mean_length` is $\bar L$; `num_passages` is $N$; `num_with_word` is $n_w$, at least 1. $k_1 = 1.2$ and $b = 0.75$. All lengths are above 0.


# %%
# Exercise 03.5 · the BM25 weight of one word · medium · 10 min
def bm25_weight(count, length, mean_length, num_passages, num_with_word):  # -> float
    ### BEGIN SOLUTION
    idf = math.log(1 + (num_passages - num_with_word + 0.5) / (num_with_word + 0.5))
    return idf * count / (count + 1.2 * (1 - 0.75 + 0.75 * length / mean_length))
    ### END SOLUTION


# %%
bm25_weight = check("03.5", bm25_weight)

# %% [markdown]
# The package computes all weights when it builds the index; a search only adds up. **What does each word of a query add?** Write your own; it searches a hand-written collection of 310 passages on ten subjects.

# %%
my_query = "symptoms of heart attack"

# %%
from workbook import data
from workbook.bm25 import BM25

toy = data.load("toy")
keyword = BM25().index(toy.corpus)
stored = ["how to treat diabetes", "flights to Lisbon"]
explore(
    lambda query: figures.scores_by_word(keyword, toy.corpus, query),
    query=[my_query, *stored],
)

# %% [markdown]
# For the query about heart attacks a passage on panic comes first with 5.0: “heart” gives 2.5 and “attack” 2.2. A raid and a game of chess are in the list for the same reason, and even “of” brings points. The right answer says “myocardial infarction”, and is not in the list.

# %% [markdown]
# ## Build it: all queries at once
#
# Your loop takes one query. Stack the rows of grades, and DCG is a product of a matrix and a vector, in the letters of the table: $G\,d$ over $J\,d$.

# %%
from workbook.metrics import evaluate, grades, ranked_ids

run = keyword.search(toy.queries)
G, J = grades(toy.qrels, run, 10)  # (Q, K), (Q, P)
d = 1 / np.log2(np.arange(1, 11) + 1)  # (K,)
at_once = (G @ d) / (J[:, :10] @ d)  # (Q,)

# %%
one_by_one = [ndcg_at_k(ranked_ids(run[query], 10), toy.qrels[query], 10) for query in toy.qrels]
package = evaluate(toy.qrels, run, ("ndcg@10",))["ndcg@10"]
print("verify they agree:", np.allclose(at_once, one_by_one), math.isclose(at_once.mean(), package))

# %% [markdown]
# ## Build it: an interval
#
# A mean over queries is an estimate: with other queries it would have been another number. How different? Draw as many queries as you have, with replacement, and take the mean. Do it many times. The middle 95 % of those means is the **bootstrap interval**. The draws are given, so that everybody gets the same answer.
#
# **Contract.** `values` (Q,) holds one number for each query, Q at least 1. Each row of `draws` (R, Q) is one draw: row numbers of `values`. Return a tuple of two floats: the quantiles 0.025 and 0.975 of the R means, as `np.quantile` computes them. Draw nothing at random yourself.


# %%
# Exercise 03.6 · a bootstrap interval · medium · 10 min
def interval(values, draws):  # values (Q,), draws (R, Q) of row numbers -> (low, high)
    ### BEGIN SOLUTION
    means = np.asarray(values)[draws].mean(axis=1)  # (R,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
    ### END SOLUTION


# %%
interval = check("03.6", interval)

# %% [markdown]
# ## Put it together: is B better than A?
#
# From two raw runs and the qrels to one row of a table. Both systems answered the **same** queries, so subtract query by query, and put the interval around the mean of those differences: a **paired** comparison.
#
# **Contract.** `first` and `second` are runs. Rank the passages of a query by score, the highest first; of equal scores, the larger id first. Each query of `qrels` gets its nDCG@`k`. A query that a run lacks, or for which it returns nothing, gets 0; a query that only a run holds is ignored. `draws` (R, Q) are row numbers in the order of `qrels`. Return a dictionary: `first` and `second`, the two means; `difference`, the mean of second minus first; `low` and `high`, the interval of 03.6 around it; `better` and `worse`, the number of queries where the second has the higher and the lower nDCG.


# %%
# Exercise 03.8 · two systems on the same queries · hard · 18 min
def compare_runs(qrels, first, second, k, draws):  # qrels, run, run, k, draws (R, Q) -> dict
    ### BEGIN SOLUTION
    def each(run):
        values = []
        for query, judged in qrels.items():
            scores = run.get(query, {})
            ids = sorted(scores, key=lambda passage: (scores[passage], passage), reverse=True)
            values.append(ndcg_at_k(ids, judged, k))
        return np.array(values)  # (Q,)

    a, b = each(first), each(second)
    low, high = interval(b - a, draws)
    return {
        "first": float(a.mean()),
        "second": float(b.mean()),
        "difference": float((b - a).mean()),
        "low": low,
        "high": high,
        "better": int((b > a).sum()),
        "worse": int((b < a).sum()),
    }
    ### END SOLUTION


# %%
compare_runs = check("03.8", compare_runs)

# %% [markdown]
# ## See it
#
# **What is a rank worth?** One query, one relevant passage. Answer, then move it down.

# %%
predict("03.p3")

# %%
explore(
    figures.metrics_by_rank,
    rank=list(range(1, 13)),
)

# %% [markdown]
# From rank 1 to 2 the reciprocal rank falls from 1 to 0.5 and nDCG from 1 to 0.63; both recalls stay at 1. From 10 to 11 Recall@10 falls from 1 to 0, and Recall@100 does not notice.

# %% [markdown]
# ## Train it
#
# Real systems on real text: BM25, and the static encoder of chapter 00 (a text is the mean of its tokens' vectors), trained on the documentation of your own Python for 50 and for 150 steps, with two **seeds** each: other random start, other batches. The queries are the held-out titles of the **dev** part, nearly a thousand, which is there for choosing; near-duplicates of their passages, nearly the same texts, were kept out of training.

# %%
import torch

from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.losses import info_nce
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
dev = docs.split("dev").sample(1000, num_passages=8000)
pairs = docs.pairs("train")
tokenizer = train_tokenizer([text for pair in pairs[:8000] for text in pair], vocab_size=8000)


# %%
def new_encoder(seed):
    torch.manual_seed(seed)
    return TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 192), max_length=64)


encoders = {(steps, seed): new_encoder(seed) for steps in (50, 150) for seed in (0, 1)}
for (steps, seed), encoder in encoders.items():
    fit(encoder, pairs, info_nce, steps=steps, batch_size=512, lr=0.02, temperature=0.05, seed=seed)

# %% [markdown]
# A random order puts the right passage at each of the 8,000 ranks equally often. That gives its nDCG@10, the **chance** line below: about 0.0006.

# %%
runs = {f"{n} steps, seed {i}": dense_search(e, dev.corpus, dev.queries) for (n, i), e in encoders.items()}
runs["BM25"] = BM25().index(dev.corpus).search(dev.queries)
draws = np.random.default_rng(0).integers(len(dev.queries), size=(1000, len(dev.queries)))
chance = sum(1 / math.log2(rank + 1) for rank in range(1, 11)) / len(dev.corpus)


# %%
def per_query(run):
    return np.array([*evaluate(dev.qrels, run, ("ndcg@10",), per_query=True)["ndcg@10"].values()])


ndcg = {name: per_query(run) for name, run in runs.items()}  # name -> (Q,)

# %%
predict("03.p4")

# %% tags=["nbval-ignore-output"]
means = {name: values.mean() for name, values in ndcg.items()}
whiskers = {name: interval(values, draws) for name, values in ndcg.items() if name != "BM25"}
keyword_mean = means.pop("BM25")
show(results.bars(means, "nDCG@10", whiskers, chance=chance, bm25=keyword_mean))


# %% tags=["nbval-ignore-output"]
def against(second, first):
    row = compare_runs(dev.qrels, runs[first], runs[second], 10, draws)
    print(f"{second} minus {first:<17} {row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]")
    return row


longer = against("150 steps, seed 0", "50 steps, seed 0")
longer_again = against("150 steps, seed 1", "50 steps, seed 1")
seeds = against("150 steps, seed 1", "150 steps, seed 0")
keywords = against("150 steps, seed 0", "BM25")

# %%
recall = {name: evaluate(dev.qrels, runs[name], ("recall@100",))["recall@100"] for name in runs}
for claim, true in {
    "150 steps beat 50 with both seeds, paired interval above 0": min(longer["low"], longer_again["low"]) > 0,
    "two seeds of 150 steps differ by less than 0.03 nDCG@10": abs(seeds["difference"]) < 0.03,
    "150 steps beat BM25 on Recall@100": recall["150 steps, seed 0"] > recall["BM25"],
}.items():
    print(f"{claim}: {'holds' if true else 'does not hold'}")

# %% [markdown]
# Whiskers touch or overlap, and yet the longer training wins on these queries, with both seeds: when this chapter was built by 0.05 and 0.04, intervals 0.04 to 0.07 and 0.02 to 0.05. A hard query is hard for both systems. That common part makes the whiskers long, and it cancels in the difference.
#
# Against BM25 the answer depends on what you ask. On nDCG@10 the encoder was behind when this chapter was built, by 0.03, interval 0.005 to 0.06. On Recall@100 it is ahead, with one seed and without an interval, so this is a hint and no verdict: for a reranker that reads a hundred, compare the two with an interval before you choose.
#
# **Who wins on which queries?** Sort the queries by the share of their words that stand in the right passage.


# %%
def shared_words(query):
    words = set(dev.queries[query].lower().split())
    return len(words & set(dev.corpus[next(iter(dev.qrels[query]))].lower().split())) / len(words)


share = np.array([shared_words(query) for query in dev.qrels])
gap = ndcg["150 steps, seed 0"] - ndcg["BM25"]
few, many = gap[np.argsort(share)[:333]].mean(), gap[np.argsort(share)[-333:]].mean()
print("few shared words: the encoder is ahead:", "holds" if few > 0 else "does not hold")
print("many shared words: BM25 is ahead:", "holds" if many < 0 else "does not hold")

# %% [markdown]
# "Which is better?" has no answer before you know what your users type.

# %% [markdown]
# ## How many queries does it take?

# %%
predict("03.p2")

# %% [markdown]
# Here is a made-up pair of systems whose true difference is 0.03 nDCG@10, with the spread between queries that real ones have. **How often does a test set name the wrong winner?** Choose its size.

# %%
differences = np.random.default_rng(7).normal(0.03, 0.25, size=5000)
explore(
    lambda num_queries: figures.means_of_differences(differences, num_queries),
    num_queries=[10, 25, 50, 100, 200, 500, 1000],
)

# %% [markdown]
# The title counts: of test sets of 10 queries 38 % name the wrong winner, of 100 queries 13 %, of 1,000 none. Four times the queries halve the width.
#
# For two systems that you have, do not guess: test. The **paired permutation test** flips the sign of each query's difference at random, as if the systems were the same, and counts how often chance alone gets as far. That share is the **p-value**; below 0.05 people call a difference significant.

# %% [markdown]
# ## Where there is no query
#
# A similarity test holds pairs of sentences, each with a grade from people, 0 to 5. A model gives each pair a cosine. The two scales have nothing in common, so only the order is compared. **Spearman's correlation** is the correlation of the ranks: 1 where the model orders the pairs as people do, about 0 at random, −1 turned round. By hand: people rank four pairs 4, 3, 2, 1, a model 4, 2, 3, 1. Where no value stands twice it is $1 - 6 \sum \delta^2 / (n^3 - n)$, with $\delta$ the difference of a pair's ranks: 1 − 6 · 2 / 60 = 0.8.

# %%
from workbook.metrics import spearman

people, model = np.array([5, 4, 2, 0]), np.array([0.9, 0.5, 0.6, 0.1])
for name, cosines in {"as they are": model, "to the 8th power": model**8}.items():
    pearson = np.corrcoef(people, cosines)[0, 1]
    print(f"{name:<17} Spearman {spearman(people, cosines):.2f}  ordinary correlation {pearson:.2f}")

# %% [markdown]
# ## Break it
#
# **The wrong ideal.** How much does the function in a hurry flatter BM25, on the toy collection, and on the documentation?

# %%
for name, qrels, run in (("toy", toy.qrels, keyword.search(toy.queries)), ("documentation", dev.qrels, runs["BM25"])):
    answers = np.mean([sum(grade > 0 for grade in judged.values()) for judged in qrels.values()])
    top = {query: ranked_ids(run.get(query, {}), 10) for query in qrels}
    hurry, right = (np.mean([f(top[q], qrels[q], 10) for q in qrels]) for f in (ndcg_in_a_hurry, ndcg_at_k))
    print(f"{name:<14} right answers per query {answers:.1f}, too high by {hurry - right:.2f}")

# %% [markdown]
# Where nearly every query has one right passage, the mistake costs next to nothing. That is why it ships: the test on a simple collection passes.
#
# **A query that finds itself.** Put the queries into the corpus, as happens when questions and answers come from one table.

# %%
encoder = encoders[150, 0]
with_queries = {**dev.corpus, **{f"copy of {query}": text for query, text in dev.queries.items()}}
first = {query: next(iter(found)) for query, found in dense_search(encoder, with_queries, dev.queries, k=1).items()}
own = np.mean([passage == f"copy of {query}" for query, passage in first.items()])
print("nearly every query finds itself first:", "holds" if own > 0.95 else "does not hold")

# %% [markdown]
# Everything else moves down one place, for every system alike.
#
# **A win inside the noise.** BM25 against BM25 with another `b`, on 40 queries. One is ahead. Would you write about it?

# %%
from workbook.metrics import paired_permutation_test

some = list(dev.queries)[:40]
queries, qrels = {q: dev.queries[q] for q in some}, {q: dev.qrels[q] for q in some}
two = [BM25(b=b).index(dev.corpus).search(queries) for b in (0.75, 0.6)]
scores = [[*evaluate(qrels, r, ("ndcg@10",), per_query=True)["ndcg@10"].values()] for r in two]
print("the difference is significant:", "yes" if paired_permutation_test(*scores) < 0.05 else "no")

# %% [markdown]
# Not significant does not mean equal: 40 queries could not have seen a small difference.

# %% [markdown]
# ## In the libraries
#
# pytrec_eval wraps trec_eval, which the field has trusted for thirty years; bm25s is the BM25 people use in Python.

# %%
import pytrec_eval

trec = pytrec_eval.RelevanceEvaluator(dev.qrels, {"ndcg_cut.10", "recall.100", "map"})
theirs = trec.evaluate(runs["150 steps, seed 0"])
mine = evaluate(dev.qrels, runs["150 steps, seed 0"], ("ndcg@10", "recall@100", "map"))
for ours_name, trec_name in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100"), ("map", "map")):
    mean = np.mean([row[trec_name] for row in theirs.values()])
    print(f"{ours_name:<11} equal: {math.isclose(mine[ours_name], mean, abs_tol=1e-9)}")

# %%
import bm25s

from workbook.bm25 import words

peer = bm25s.BM25(k1=1.2, b=0.75, method="lucene", dtype="float64")
peer.index([words(text) for text in toy.corpus.values()], show_progress=False)
query = words(my_query)
print(
    "same score for every passage:", np.allclose(keyword.scores(my_query), peer.get_scores(query), rtol=0, atol=1e-12)
)

# %% [markdown]
# One difference: trec_eval leaves a query out of the mean when the run has no result for it. The package counts it as 0 and warns you.

# %% [markdown]
# ## Further: average precision
#
# **{minutes} min.** How clean is the list, down to each find? **Precision** at a rank is the share of relevant passages down to it. **Average precision** is the mean of the precision at the rank of each relevant passage; its mean over queries is MAP. In the drawing's run: 1/2 at rank 2, 2/4 at rank 4, and 0 for the two that were never found, so (1/2 + 2/4 + 0 + 0) / 4 = 0.25.
#
# **Contract.** `ranked` and `judged` as in 03.1; the whole ranking counts, there is no `k`. For each relevant passage in `ranked`, take the number of relevant passages down to its rank, divided by that rank. Return a float: the sum of these, divided by the number of all relevant passages in `judged`, found or not; 0.0 where nothing is relevant.


# %%
# Exercise 03.4 · average precision · medium · 10 min
def average_precision(ranked, judged):  # ranked ids, judged id -> grade -> float
    ### BEGIN SOLUTION
    total, found = 0.0, 0
    for rank, passage in enumerate(ranked, start=1):
        if judged.get(passage, 0) > 0:
            found += 1
            total += found / rank
    relevant = sum(grade > 0 for grade in judged.values())
    return total / relevant if relevant else 0.0
    ### END SOLUTION


# %%
average_precision = check("03.4", average_precision)

# %% [markdown]
# ## Further: a merit of training? And how deep?
#
# **{minutes} min.** A similarity test first. Two hundred graded pairs were written for this workbook. Beside the encoder stand the share of words that both sentences have in common, and the same encoder before its first step, with random vectors.

# %% tags=["nbval-ignore-output"]
from workbook.data.toy import similarity_pairs

graded = similarity_pairs()
grade = np.array([pair.score for pair in graded])
word_sets = [(set(pair.first.lower().split()), set(pair.second.lower().split())) for pair in graded]
similarity = {"words in common": np.array([len(a & b) / len(a | b) for a, b in word_sets])}
for name, model in {"untrained": new_encoder(0), "trained": encoder}.items():
    left, right = model.encode([pair.first for pair in graded]), model.encode([pair.second for pair in graded])
    similarity[name] = (left * right).sum(axis=1)
print({name: round(spearman(grade, values), 3) for name, values in similarity.items()})

# %% tags=["nbval-ignore-output"]
rows = np.random.default_rng(0).integers(len(grade), size=(1000, len(grade)))
for other in ("words in common", "untrained"):
    gains = [spearman(grade[r], similarity["trained"][r]) - spearman(grade[r], similarity[other][r]) for r in rows]
    print(f"trained minus {other}, 95 % interval:", np.quantile(gains, [0.025, 0.975]).round(2))

# %%
from scipy.stats import spearmanr

peer = spearmanr(grade, similarity["trained"]).statistic
print("Spearman equal to scipy's:", math.isclose(spearman(grade, similarity["trained"]), peer, abs_tol=1e-12))

# %% [markdown]
# In our run the trained encoder is surely ahead of shared words, and not surely ahead of its own random start. Most of the advantage was there before the first step, probably because pieces of words are shared where whole words are not. A baseline that costs nothing has saved you from a wrong story.

# %% [markdown]
# **Do the lines of two systems cross?** One system may be better for ten results and another for a hundred.

# %% tags=["nbval-ignore-output"]
depths = (1, 3, 10, 30, 100)
shown = ("150 steps, seed 0", "BM25")
curves = {s: {k: evaluate(dev.qrels, runs[s], (f"recall@{k}",))[f"recall@{k}"] for k in depths} for s in shown}
show(
    figures.recall_by_depth(curves),
)

# %% [markdown]
# In our run BM25 is ahead for the first three results and the encoder from ten on, without intervals in this drawing.

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **My nDCG is above 1.** A passage stands twice in the ranking and is counted twice, or the ideal is smaller than the best possible, for example cut at another k or made with other gains.
#
# **Are unjudged passages wrong?** The metrics here say so. A new system that finds good passages nobody looked at is punished for it; judge its first results before you believe a drop.
#
# **From which grade on is a passage relevant?** Recall and MRR must draw a line, here above 0; some test collections count from grade 2 on. nDCG sees the grades. A score without that line cannot be compared.

# %% [markdown]
# ## Claims settled here
#
# Both are replayed from committed records; each card names the command that repeats it.

# %%
from workbook.claims import settle

settle(7, budget="record")
print()
settle(8, budget="record")

# %% [markdown]
# ## Quiz

# %%
quiz("03")

# %% [markdown]
# ## Recap
#
# - Recall asks how much, reciprocal rank how soon, nDCG how well ordered. Choose by what happens next.
# - The ideal ranking comes from all judgements, never from the run. A missing query counts 0.
# - BM25 is the baseline: rare words, levelling repetition, length held back.
# - One number from one test set is an estimate. Give it an interval.
# - Compare systems on the same queries, query by query: whiskers that overlap can hide a sure difference.
# - No reranker finds what the first stage did not.
# - Grades of pairs and no queries: Spearman compares the order alone.
#
# **Terms of this chapter:** corpus · qrels · run · metric · cut · Recall@k · reciprocal rank, MRR · DCG, nDCG · reranker · baseline · BM25, idf, tf · bootstrap interval · paired comparison · chance · dev part · paired permutation test, p-value · Spearman's correlation.
#
# **Read next:** Järvelin and Kekäläinen 2002 on nDCG; Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework: BM25 and Beyond*; Smucker, Allan and Carterette 2007, on significance tests in retrieval.
#
# **Open task,** without a solution: take twenty questions that people really asked of a collection of yours. Let BM25 and an encoder answer, judge the first five passages of each without knowing whose they are, and run `compare_runs`. How wide is the interval? How many questions would settle it?
#
# **Next chapter:** [04 · What does the loss actually pull and push?](04_infonce.ipynb) You can measure an encoder now. Time to look inside its training.
