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
# You have two retrievers. Which one do you ship? The answer is a number, and most numbers of this kind are wrong in one of three ways: the metric is computed wrongly, the test is easier than life, or the difference is noise. This chapter is about all three.
#
# **You will be able to** compute Recall@k, MRR, nDCG and average precision by hand and in code, correlate similarities with grades, build BM25, put an interval around a number, and say how many queries a comparison needs.
#
# **You need** chapter 02: an encoder turns texts into vectors, and the nearest ones win. **It takes** about 75 minutes to read and do, about 15 seconds of machine time on one core, and about 1 GB of memory.

# %%
import math

import numpy as np

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, show
from workbook.figures import measuring as figures

# %% [markdown]
# ## A failure first
#
# Somebody measures two systems on one query. Four passages are relevant. System A finds one of them, a poor one with grade 1, and none of the others. System B finds three. The evaluation code was written in a hurry.

# %%
judged = {"a": 3, "c": 1, "d": 2, "f": 1}


def ndcg_in_a_hurry(ranked):
    grades = [judged.get(p, 0) for p in ranked]

    def dcg(grades):
        return sum(g / math.log2(r + 1) for r, g in enumerate(grades, start=1))

    return dcg(grades) / dcg(sorted(grades, reverse=True))


print(f"A, one poor find:   {ndcg_in_a_hurry(['c', 'x', 'y', 'z']):.2f}")
print(f"B, the three best:  {ndcg_in_a_hurry(['d', 'a', 'c', 'z']):.2f}")

# %% [markdown]
# A scores a perfect 1.00 and beats B. No error was raised. Several public libraries have shipped this line. You will find the mistake below, and its name.

# %% [markdown]
# ## Predict

# %%
predict("03.p1")

# %% [markdown]
# ## The idea
#
# A retrieval test has three parts. The **corpus** holds passages, the **queries** are what people ask, and the **qrels** say which passage is how relevant to which query, from 0 (somebody looked, and it is wrong) to 3. A system gives a **run**: a score for each passage it returns.
#
# | name | type | shape as a matrix |
# |---|---|---|
# | `qrels` | query id → passage id → grade | |
# | `run` | query id → passage id → score | |
# | gains | grade at each rank, after sorting the run | (Q, K) |
#
# Every metric is a way to turn a row of gains into one number:
#
# | metric | what it asks | formula for one query |
# |---|---|---|
# | Recall@k | how much of what is relevant is in the first k? | relevant in first k / all relevant |
# | MRR@k | how far must I look for the first one? | 1 / rank of the first relevant |
# | nDCG@k | are the best ones on top? | $\text{DCG} / \text{ideal DCG}$, $\text{DCG} = \sum_{r \le k} \text{grade}_r / \log_2(r + 1)$ |
# | average precision | how clean is the list, down to each find? | mean of precision at each relevant rank |
#
# Which one? The one that resembles what happens next. If a reranker or a language model reads 100 passages, Recall@100 is what you feed it. If a person looks at ten results, nDCG@10.

# %% [markdown]
# ## By hand
#
# One query. Seven passages were judged; the system returned six, of which two (x and y) were never judged and so count as 0.

# %%
judged = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 0, "f": 1, "g": 0}
ranked = ["b", "a", "x", "c", "e", "y"]
print("grade at each rank:", [judged.get(p, 0) for p in ranked])

# %% [markdown]
# Four passages are relevant: a, c, d and f. Two of them stand in the first four, so Recall@4 is 2/4. The first is at rank 2, so the reciprocal rank is 1/2. Precision is the share of relevant passages down to a rank: 1/2 at rank 2, 2/4 at rank 4. The two that were never found add 0, so average precision is (1/2 + 2/4 + 0 + 0) / 4 = 0.25. Now in code.
#
# ## Build it: Recall@k


# %%
# Exercise 03.1 · Recall@k · easy · 6 min
def recall_at_k(ranked, judged, k):  # ranked ids, judged id -> grade, k -> float
    ### BEGIN SOLUTION
    relevant = {p for p, grade in judged.items() if grade > 0}
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0
    ### END SOLUTION


# %%
recall_at_k = check("03.1", recall_at_k)

# %% [markdown]
# ## Build it: reciprocal rank


# %%
# Exercise 03.2 · reciprocal rank · easy · 5 min
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
# The grade of each passage, discounted by its rank, over the best value that *any* ranking could have. Where does the best ranking come from? Think back to the failure.


# %%
# Exercise 03.3 · nDCG@k · medium · 15 min
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
# ## Build it: average precision


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
# The package computes all of them for all queries at once, on one matrix of gains. Verify that it agrees with yours.

# %%
from workbook.metrics import evaluate

run = {"q": {passage: -float(rank) for rank, passage in enumerate(ranked)}}
ours = evaluate({"q": judged}, run, ("recall@4", "mrr@4", "ndcg@4", "map"))
yours = [
    recall_at_k(ranked, judged, 4),
    reciprocal_rank(ranked, judged, 4),
    ndcg_at_k(ranked, judged, 4),
    average_precision(ranked, judged),
]
for (name, value), mine in zip(ours.items(), yours):
    print(f"{name:<9} {value:.4f}  verify they agree: {math.isclose(value, mine)}")

# %% [markdown]
# ## Build it: BM25
#
# Before you praise an encoder, beat keyword search. BM25 scores a passage by adding up, over the words of the query, how rare the word is and how often it stands there. Two ideas make it strong: repetition levels off, and long passages are held back, because they hold more of everything.
#
# $$\text{score} = \sum_{w} \underbrace{\log\Big(1 + \frac{N - n_w + 0.5}{n_w + 0.5}\Big)}_{\text{idf}} \cdot \underbrace{\frac{f_w}{f_w + k_1\,(1 - b + b\,L / \bar L)}}_{\text{tf}}$$
#
# $N$ passages, $n_w$ of them with the word, which stands $f_w$ times in this one; its length is $L$, the mean length $\bar L$; $k_1 = 1.2$, $b = 0.75$.


# %%
# Exercise 03.5 · the BM25 weight of one word · medium · 12 min
def bm25_weight(count, length, mean_length, num_passages, num_with_word):  # -> float
    ### BEGIN SOLUTION
    idf = math.log(1 + (num_passages - num_with_word + 0.5) / (num_with_word + 0.5))
    return idf * count / (count + 1.2 * (1 - 0.75 + 0.75 * length / mean_length))
    ### END SOLUTION


# %%
bm25_weight = check("03.5", bm25_weight)

# %% [markdown]
# None of this depends on the query except which words are added. So the package computes every weight when it builds the index, and a search only adds up.

# %%
from workbook.bm25 import BM25

tiny = {
    "1": "the heart pumps blood",
    "2": "heart attack symptoms",
    "3": "attack on the chess board",
    "4": "blood sugar",
}
BM25().index(tiny).search({"q": "heart attack"}, k=3)["q"]

# %% [markdown]
# ## Build it: an interval
#
# A mean over queries is an estimate: with other queries it would have been another number. How different? Draw as many queries as you have, with replacement, and take the mean. Do it many times. The middle 95 % of those means is the **bootstrap interval**. The draws are given, so that everybody gets the same answer.


# %%
# Exercise 03.6 · a bootstrap interval · medium · 12 min
def interval(values, draws):  # values (Q,), draws (R, Q) of row numbers -> (low, high)
    ### BEGIN SOLUTION
    means = np.asarray(values)[draws].mean(axis=1)  # (R,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
    ### END SOLUTION


# %%
interval = check("03.6", interval)

# %% [markdown]
# ## See it
#
# **What does each metric notice?** One query with three relevant passages, two of which are never found. Move the third one down the ranking. Which metric falls off a cliff, which one slides, and which one does not care until rank 10?

# %%
explore(
    figures.metrics_by_rank,
    rank=[1, 2, 3, 4, 5, 7, 10, 11, 15],
)

# %% [markdown]
# ## Train it
#
# Now two real systems on real text: BM25, and the static encoder of chapter 00 (a text is the mean of its pieces' vectors), trained for a few seconds on the documentation of your own Python. The queries are held-out titles; near-duplicates of their passages were kept out of training.

# %%
import torch

from workbook import data
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.losses import info_nce
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
test = docs.split("dev").sample(1000, num_passages=8000)
corpus = test.corpus

# %%
pairs = docs.pairs("train")
tokenizer = train_tokenizer([text for pair in pairs[:8000] for text in pair], vocab_size=8000)
torch.manual_seed(0)
encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 192), max_length=64)
history = fit(encoder, pairs, info_nce, steps=150, batch_size=512, lr=0.02, temperature=0.05)

# %%
runs = {"BM25": BM25().index(corpus).search(test.queries), "encoder": dense_search(encoder, corpus, test.queries)}

# %% tags=["nbval-ignore-output"]
for name, run in runs.items():
    print(f"{name:<8}", {metric: round(value, 3) for metric, value in evaluate(test.qrels, run).items()})
print(f"chance   recall@10 {10 / len(corpus):.4f}")

# %% [markdown]
# One number hides much. Sort the queries by how many of their words stand in the right passage, and measure each third by itself.


# %% tags=["nbval-ignore-output"]
def shared_words(query):
    words = set(test.queries[query].lower().split())
    passage = corpus[next(iter(test.qrels[query]))].lower().split()
    return len(words & set(passage)) / len(words)


by_overlap = sorted(test.queries, key=shared_words)
third = len(by_overlap) // 3
for name, part in {"few shared words": by_overlap[:third], "many": by_overlap[-third:]}.items():
    qrels = {q: test.qrels[q] for q in part}
    print(f"{name:<17}", {s: round(evaluate(qrels, run, ("ndcg@10",))["ndcg@10"], 3) for s, run in runs.items()})

# %% [markdown]
# Keyword search lives on shared words. Where few are shared the encoder is ahead; where many are, BM25 is. Over all queries the two nearly cancel. "Which is better?" has no answer before you know what your users type.
#
# **How does recall grow with depth?** Two lines can cross: one system may be better for ten results and the other for a hundred.

# %% tags=["nbval-ignore-output"]
depths = (1, 3, 10, 30, 100)
curves = {s: {k: evaluate(test.qrels, r, (f"recall@{k}",))[f"recall@{k}"] for k in depths} for s, r in runs.items()}
show(
    figures.recall_by_depth(curves),
)

# %% [markdown]
# **How many queries does it take?** Here is a made-up pair of systems whose true difference is 0.03 nDCG@10, with the spread between queries that real ones have. Choose the size of the test set. How often does it name the wrong winner?

# %%
differences = np.random.default_rng(7).normal(0.03, 0.25, size=5000)
explore(
    lambda num_queries: figures.means_of_differences(differences, num_queries),
    num_queries=[10, 25, 50, 100, 200, 500, 1000],
)

# %% [markdown]
# For two systems that you have, do not guess: test. The **paired permutation test** flips the sign of each query's difference at random, as if the systems were the same, and counts how often chance alone gets as far. That share is the **p-value**; below 0.05 people call a difference significant.

# %%
from workbook.metrics import bootstrap_ci, paired_permutation_test

values = {s: list(evaluate(test.qrels, r, ("ndcg@10",), per_query=True)["ndcg@10"].values()) for s, r in runs.items()}
difference = np.subtract(values["encoder"], values["BM25"])

# %% tags=["nbval-ignore-output"]
print("encoder minus BM25, nDCG@10:", bootstrap_ci(difference))
print(f"p-value: {paired_permutation_test(values['encoder'], values['BM25']):.4f}")

# %% [markdown]
# The interval holds 0 and the p-value is far above 0.05: on these 1,000 queries neither has won, although one mean is larger.

# %% [markdown]
# **And where there is no query?** A similarity test holds pairs of sentences, and a grade from people for each: 0 for nothing in common, 5 for the same. A model gives each pair a cosine. You cannot hold 0.6 against a 3: the two scales have nothing to do with each other, and another temperature would have moved every cosine. So only the order is compared. **Spearman's correlation** replaces each column by its ranks, where equal values share the mean of theirs, and correlates the ranks: 1 where the model orders the pairs as people do, about 0 where it orders them at random, −1 where it turns them round.
#
# By hand: four pairs, ranked 4, 3, 2, 1 by people and 4, 2, 3, 1 by a model. Where no value stands twice the formula is $1 - 6 \sum d^2 / (n^3 - n)$, with $d$ the difference of a pair's two ranks. Two of them are 1, so it is 1 − 6 · 2 / 60 = 0.8. Stretch the cosines as you like: the order stays, and so does the number. The ordinary correlation (Pearson's) moves.

# %%
from workbook.metrics import spearman

people, model = np.array([5, 4, 2, 0]), np.array([0.9, 0.5, 0.6, 0.1])
for name, cosines in {"as they are": model, "to the 8th power": model**8}.items():
    pearson = np.corrcoef(people, cosines)[0, 1]
    print(f"{name:<17} Spearman {spearman(people, cosines):.2f}  Pearson {pearson:.2f}")

# %% [markdown]
# Two hundred pairs were written for this workbook. Beside the encoder stand the share of words that both sentences have in common, and the same encoder before its first step, with random vectors.

# %% tags=["nbval-ignore-output"]
from workbook.data.toy import similarity_pairs

graded = similarity_pairs()
grades = np.array([pair.score for pair in graded])
torch.manual_seed(0)
untrained = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 192), max_length=64)
word_sets = [(set(pair.first.lower().split()), set(pair.second.lower().split())) for pair in graded]
similarity = {"words in common": np.array([len(a & b) / len(a | b) for a, b in word_sets])}
for name, model in {"untrained": untrained, "trained": encoder}.items():
    first, second = model.encode([pair.first for pair in graded]), model.encode([pair.second for pair in graded])
    similarity[name] = (first * second).sum(axis=1)
print({name: round(spearman(grades, values), 3) for name, values in similarity.items()})

# %% tags=["nbval-ignore-output"]
draws = np.random.default_rng(0).integers(len(grades), size=(1000, len(grades)))
for other in ("words in common", "untrained"):
    gains = [spearman(grades[d], similarity["trained"][d]) - spearman(grades[d], similarity[other][d]) for d in draws]
    print(f"trained minus {other}, 95 % interval:", np.quantile(gains, [0.025, 0.975]).round(2))

# %% [markdown]
# In our run the trained encoder has 0.44, shared words 0.33, and the interval of that difference stays above 0. Do not praise the training yet: random vectors have 0.42, and the interval of that difference holds 0. Nearly all of the advantage was there before the first step, most likely because pieces of words are shared where whole words are not. Documentation taught the encoder hardly anything about such sentences. A baseline that costs nothing has just saved you from a wrong story.

# %% [markdown]
# ## Break it
#
# **A query that finds itself.** Put the queries into the corpus, as happens when questions and answers come from one table. Every encoder now finds each query first, and everything else moves down one place.

# %%
with_queries = {**corpus, **{f"copy of {q}": text for q, text in test.queries.items()}}
spoiled = dense_search(encoder, with_queries, test.queries, k=1)
share = np.mean([next(iter(found)) == f"copy of {q}" for q, found in spoiled.items()])
print("nearly every query finds itself first:", "holds" if share > 0.95 else "does not hold")

# %% [markdown]
# **The wrong ideal.** The line in a hurry took the ideal from what was retrieved. On the example from the beginning:

# %%
judged = {"a": 3, "c": 1, "d": 2, "f": 1}
for name, ranked in {"A, one poor find": ["c", "x", "y", "z"], "B, the three best": ["d", "a", "c", "z"]}.items():
    print(f"{name:<18} in a hurry {ndcg_in_a_hurry(ranked):.2f}, by all judgements {ndcg_at_k(ranked, judged, 4):.2f}")

# %% [markdown]
# **A win inside the noise.** BM25 against BM25 with another `b`, on 40 queries. One is ahead. Would you write a blog post?

# %%
few = list(test.queries)[:40]
queries, qrels = {q: test.queries[q] for q in few}, {q: test.qrels[q] for q in few}
scores = [
    list(evaluate(qrels, BM25(b=b).index(corpus).search(queries), ("ndcg@10",), per_query=True)["ndcg@10"].values())
    for b in (0.75, 0.6)
]
print("the difference is significant:", "yes" if paired_permutation_test(*scores) < 0.05 else "no")

# %% [markdown]
# ## In the libraries
#
# pytrec_eval wraps trec_eval, which the field has trusted for thirty years; bm25s is the BM25 people use in Python.

# %%
import pytrec_eval

trec = pytrec_eval.RelevanceEvaluator(test.qrels, {"ndcg_cut.10", "recall.100", "map"})
theirs = trec.evaluate(runs["encoder"])
mine = evaluate(test.qrels, runs["encoder"], ("ndcg@10", "recall@100", "map"))
for ours_name, trec_name in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100"), ("map", "map")):
    mean = np.mean([row[trec_name] for row in theirs.values()])
    print(f"{ours_name:<11} equal: {math.isclose(mine[ours_name], mean, abs_tol=1e-9)}")

# %%
import bm25s

from workbook.bm25 import words

peer = bm25s.BM25(k1=1.2, b=0.75, method="lucene", dtype="float64")
peer.index([words(text) for text in corpus.values()], show_progress=False)
own = BM25().index(corpus)
for text in list(test.queries.values())[:3]:
    print(
        "same scores for every passage:",
        np.allclose(own.scores(text), peer.get_scores(words(text)), rtol=0, atol=1e-12),
    )

# %%
from scipy.stats import spearmanr

cosines = similarity["trained"]
print("Spearman equal:", math.isclose(spearman(grades, cosines), spearmanr(grades, cosines).statistic, abs_tol=1e-12))

# %% [markdown]
# One difference that you should know: trec_eval leaves a query out of the mean when the run has no result for it. The package counts it as 0 and warns you.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(7, budget="record")
print()
settle(8, budget="record")
# %% [markdown]
# Read claim 8 again with the figure in mind: an encoder that is really 0.02 better was recognized by 5 % of the test sets of 25 queries, and a quarter of them named the other one.

# %% [markdown]
# ## Quiz

# %%
quiz("03")

# %% [markdown]
# ## Recap
#
# - Recall asks how much, MRR how soon, nDCG how well ordered, average precision how clean.
# - The ideal ranking comes from all judgements, never from the run. A missing query counts 0.
# - Where there are grades of pairs and no queries, Spearman's correlation compares the order alone.
# - BM25 is the baseline: rare words, levelling repetition, length held back.
# - One number from one test set is an estimate. Give it an interval; compare systems on the same queries with a paired test.
# - No reranker finds what the first stage did not.
#
# **New terms:** qrels · run · Recall@k · MRR · nDCG · average precision · Spearman's correlation · BM25 · idf · bootstrap interval · paired permutation test.
#
# **Read next:** Järvelin and Kekäläinen 2002 on nDCG; Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework: BM25 and Beyond*; Smucker, Allan and Carterette 2007, on which significance tests to trust in retrieval.
#
# **Next chapter:** [04 · What does the loss actually pull and push?](04_infonce.ipynb) You can measure an encoder now. Time to look inside its training.
