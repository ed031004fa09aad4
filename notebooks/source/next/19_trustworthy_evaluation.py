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
# # 19 · Would I bet my product on this number?
#
# A model has .87 on a benchmark. Who judged its answers? Had it read the questions before? Which queries stand in the mean? And are they like yours? Each of these can move a number by more than two models differ.
#
# **You will be able to** measure with judgements that have holes, look for leaks and say how good your search for them is, see through a mean that was gamed, and tell how far a ranking carries over to another domain.
#
# **You need** chapters 03 (nDCG, intervals) and 12 (near-duplicates). **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal

quiz("03.q3", "12.q1")

# %% [markdown]
# ## Predict

# %%
predict("19.p1")

# %% [markdown]
# ## A failure first
#
# Keyword search and an encoder, measured twice: with judgements of keyword search's first three hits, and with all judgements, which exist since this collection is generated.

# %%
from workbook import data
from workbook.bm25 import BM25
from workbook.data.planted import planted
from workbook.encoder import load
from workbook.metrics import bootstrap_ci, evaluate

towns = planted(3_000, unlabelled=1.0, label_noise=0.0).collection().split("dev").sample(120, 1_000)
base = load("base")
base.max_length = 32


# %%
def rankings_of(docs):  # five systems: system -> query -> the ids of its first 100
    found = {f"BM25, k1 {k1}": BM25(k1=k1).index(docs.corpus).search(docs.queries, k=100) for k1 in (1.2, 0.1)}
    found = {name: {q: sorted(s, key=s.get, reverse=True) for q, s in run.items()} for name, run in found.items()}
    passages, queries = (torch.tensor(base.encode(list(texts.values()))) for texts in (docs.corpus, docs.queries))
    ids = list(docs.corpus)
    for d in (256, 64, 16):
        scores = queries[:, :d] @ torch.nn.functional.normalize(passages[:, :d], dim=1).T  # (Q, N)
        best = [[ids[i] for i in row] for row in scores.topk(100).indices.tolist()]
        found[f"encoder, {d} numbers"] = dict(zip(docs.queries, best))
    return found


def ndcg(qrels, ranked):  # (Q,), one value a query
    run = {q: {p: -rank for rank, p in enumerate(ids)} for q, ids in ranked.items() if q in qrels}
    return np.array(list(evaluate(qrels, run, ["ndcg@10"], per_query=True)["ndcg@10"].values()))


# %%
systems = rankings_of(towns)
old, new = systems["BM25, k1 1.2"], systems["encoder, 256 numbers"]
first_three = {q: {p: towns.qrels[q].get(p, 0) for p in old[q][:3]} for q in towns.qrels}
judged = {q: grades for q, grades in first_three.items() if any(grades.values())}
for name, qrels in {"its first three judged": judged, "all judged": towns.qrels}.items():
    print(f"{name}: BM25 {ndcg(qrels, old).mean():.2f}, encoder {ndcg(qrels, new).mean():.2f}, {len(qrels)} queries")

# %% [markdown]
# The order is turned round. And 43 queries are gone: where BM25's first three hold nothing relevant, there is nothing to measure by.
#
# ## The idea
#
# Four doubts about one number, and what answers each:
#
# | doubt | what to compute |
# |---|---|
# | who was judged? | the metric with **unjudged** passages wrong, and with them left out |
# | has the model read the test? | the share of each query that stands in training texts; precision and recall of that alarm |
# | what is in the mean? | the mean over all queries that were asked |
# | does it hold elsewhere? | how well two rankings of systems agree |
#
# Whoever judges reads a **pool**: the first `depth` hits of some systems. With J, the judged passages, and their grades g:
#
# $$\text{nDCG@}k=\frac{\sum_{r\le k} g(p_r)\,/\,\log_2(r+1)}{\text{the same sum over the best }k\text{ of }J}\qquad g(p)=0\text{ for }p\notin J$$
#
# Leave the unjudged out instead, so that what stands below moves up, and you have measured the **condensed** list. Neither is the truth.
#
# Two rankings of the same systems agree by **Kendall's tau**. Of all pairs of systems, C are ordered alike, D otherwise; P_a and P_b pairs are not tied in one and in the other:
#
# $$\tau_b=\frac{C-D}{\sqrt{P_a\,P_b}}$$
#
# One query's hits:

# %%
from workbook.figures import explore, judgements, results, show
from workbook.figures.judgements import HOLE, RIGHT, WRONG

hits = [RIGHT, HOLE, WRONG, HOLE, RIGHT, HOLE, RIGHT, HOLE, WRONG, HOLE]
show(judgements.ten_hits(hits))

# %% [markdown]
# ## By hand
#
# The same ten: 3 judged right, 2 judged wrong, 5 that nobody has read.

# %%
right, holes = hits.count(RIGHT), hits.count(HOLE)
print(f"precision@10, holes wrong {right / 10}, holes right {(right + holes) / 10}, left out {right / (10 - holes)}")

# %% [markdown]
# All three are computed from the same judgements. The truth lies between the first two.
#
# ## Build it: a pool of judgements
#
# **Contract.** One query. `runs` is a list of rankings, one at least: lists of passage ids, best first, no id twice, perhaps empty; `new` is one more ranking. `truth` is passage id → grade, whole numbers from 0; what it lacks has grade 0. `depth` and `k` are 1 or more. Judged are the passages among the first `depth` of any of `runs`, with their grades in `truth`; all others are unjudged. Return a tuple of two floats, nDCG@k of `new`: with unjudged passages at grade 0, and of `new` without its unjudged passages, where what stands below moves up before k is counted. Gain is the grade, the discount 1/log2(rank+1), the ideal in both the best k of all judged grades. Both are 0 if no judged passage is relevant.


# %%
# Exercise 19.5 · a pool of judgements · hard · 15 min
def pooled_ndcg(runs, truth, new, depth, k):  # list of lists of str, dict, list of str, int, int -> (float, float)
    ### BEGIN SOLUTION
    judged = {p: truth.get(p, 0) for ranking in runs for p in ranking[:depth]}

    def dcg(grades):
        return sum(grade / np.log2(rank + 1) for rank, grade in enumerate(grades[:k], start=1))

    best = dcg(sorted(judged.values(), reverse=True))
    if not best:
        return 0.0, 0.0
    condensed = [judged[p] for p in new if p in judged]
    return float(dcg([judged.get(p, 0) for p in new]) / best), float(dcg(condensed) / best)
    ### END SOLUTION


# %%
pooled_ndcg = check("19.5", pooled_ndcg)


# %%
def with_pool(depth):  # BM25, the encoder in both ways, and its truth, over the queries that are left
    left = [q for q in towns.qrels if any(towns.qrels[q].get(p, 0) for p in old[q][:depth])]
    rival, mine = ([pooled_ndcg([old[q]], towns.qrels[q], each[q], depth, 10) for q in left] for each in (old, new))
    truth = ndcg({q: towns.qrels[q] for q in left}, new)
    return len(left), np.mean(rival, axis=0)[0], *np.mean(mine, axis=0), truth.mean()


for depth in (1, 3, 10, 50):
    text = "depth {}: {} queries, BM25 {:.2f}, encoder {:.2f}, condensed {:.2f}, in truth {:.2f}"
    print(text.format(depth, *with_pool(depth)))

# %% [markdown]
# Holes as wrong favour whoever was judged: the ideal knows only what it found. Left out, they forgive the newcomer its misses, which mostly lie among them. So say how many holes the first ten have, and have the newcomer's first hits judged before you compare.
#
# ## Build it: silence that pays
#
# **The other way round.** A search shows nothing where it is not sure, and a colleague takes the mean over the queries that have a list. Find the smallest input on which that mean rises although a passage less is found.
#
# **Contract.** Return `ranks, silent`. `ranks` is a list of whole numbers, one for each query: the rank of its right passage, from 1, or 0 if it is not found. `silent` is the place, from 0, of a query with a rank of 1 or more; from now on it has no list. The mean reciprocal rank is taken over all queries that have a list, 0 for what is not found, and 0 if there is none. It must rise by the silence. Size is the sum of `ranks`; the smallest is asked for.


# %%
# Exercise 19.7 · silence that pays · easy · 5 min
def smallest_silence():  # () -> list of int, int
    ### BEGIN SOLUTION
    return [1, 2], 1
    ### END SOLUTION


# %%
smallest_silence = check("19.7", smallest_silence)

# %%
ranks = [next((r for r, p in enumerate(old[q], start=1) if towns.qrels[q].get(p, 0)), 0) for q in towns.qrels]
values = np.array([1 / rank if rank else 0.0 for rank in ranks])
sure = values >= np.quantile(values, 0.2)  # silent for a fifth; with scores one would cut at a score
print(f"all queries {values.mean():.2f}, those that it answers {values[sure].mean():.2f}")

# %% [markdown]
# `evaluate` counts a missing query as 0 and warns. trec_eval leaves it out. A mean needs the number of its queries beside it.
#
# ## Build it: a leak detector
#
# Nobody can read a training set. So cut each test query into **n-grams**, runs of n words, and look these up.

# %%
predict("19.p2")

# %% [markdown]
# **Contract.** `queries` and `training` are lists of texts, perhaps empty ones; `n` is 1 or more. A text's words: it is turned to lower case and split at white space, nothing else; punctuation stays. A query of m words has m − n + 1 runs of n words side by side, one from each place where it can begin; a query with fewer than n words, but at least one, has one run: all its words. Return a list of floats, one for each query: the share of its runs that stand, side by side and in this order, in any of the training texts; different runs may stand in different texts. A query without words has 0.


# %%
# Exercise 19.3 · a leak detector · medium · 10 min
def ngram_shares(queries, training, n):  # list of str, list of str, int -> list of float
    ### BEGIN SOLUTION
    def runs(text, size):
        words = text.lower().split()
        return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]

    seen = {run for text in training for size in range(1, n + 1) for run in runs(text, size)}
    shares = []
    for query in queries:
        own = runs(query, n) or runs(query, len(query.split()) or 1)
        shares.append(sum(run in seen for run in own) / len(own) if own else 0.0)
    return shares
    ### END SOLUTION


# %%
ngram_shares = check("19.3", ngram_shares)

# %% [markdown]
# Now the leaks of the prediction, planted among a thousand passages, so that the truth is known:

# %%
generator = np.random.default_rng(0)
tested = [list(towns.queries.values())[i] for i in generator.permutation(120)]
words = [query.lower().split() for query in tested[:45]]
whole = [f"Asked last week: {query} Who knows?" for query in tested[:15]]
changed = [" ".join([*w[: len(w) // 2], "…", *w[len(w) // 2 + 1 :]]) for w in words[15:30]]
mixed = [" ".join(generator.permutation(w)) for w in words[30:]]
training = [*towns.corpus.values(), *whole, *changed, *mixed]
leaked = [i < 45 for i in range(120)]

# %%
shares = np.array(ngram_shares(tested, training, 3))
for kind, rows in {"whole": shares[:15], "a word changed": shares[15:30], "in another order": shares[30:45]}.items():
    print(f"{kind}: {(rows >= 0.8).sum()} of 15 found")
print(f"clean: {(shares[45:] >= 0.8).sum()} false alarms in 75")

# %% [markdown]
# ## Build it: how good is the detector?
#
# A detector is a classifier. Before you trust its silence, plant leaks and count.
#
# **Contract.** `shares` is a list of floats, one for each query, one at least; `leaked` a list of as many bools, the truth; `threshold` a float. A query is reported if its share is at least `threshold`. Return a tuple of two floats: **precision**, of those reported the share that has leaked, 1 if none is reported (no alarm was false); and **recall**, of those that have leaked the share that is reported, 1 if none has leaked (none was missed).


# %%
# Exercise 19.4 · how good is the detector · easy · 6 min
def detector_quality(shares, leaked, threshold):  # list of float, list of bool, float -> (float, float)
    ### BEGIN SOLUTION
    reported = [share >= threshold for share in shares]
    both = sum(r and t for r, t in zip(reported, leaked))
    precision = both / sum(reported) if any(reported) else 1.0
    return precision, both / sum(leaked) if any(leaked) else 1.0
    ### END SOLUTION


# %%
detector_quality = check("19.4", detector_quality)

# %%
for n in (1, 2, 3, 5, 8):
    precision, recall = detector_quality(ngram_shares(tested, training, n), leaked, 0.8)
    print(f"runs of {n}: precision {precision:.2f}, recall {recall:.2f}")

# %% [markdown]
# Short runs stand everywhere, long ones only where somebody has copied. `decontaminate` takes 13, made for passages: among queries of six words such runs find whole copies only. "No leaks found" says nothing without recall.
#
# ## Build it: do two rankings agree?

# %%
predict("19.p3")

# %% [markdown]
# **Contract.** `a` and `b` are lists of N floats, N 2 or more: the scores of the same N systems, in the same order, on two data sets. For every two systems (each pair once): they are ordered alike if the one ahead in `a` is ahead in `b`, otherwise if it is behind; a pair with equal scores in a list is tied there, and neither of the two. Return tau-b as above, a float: pairs ordered alike minus pairs ordered otherwise, divided by the root of (pairs not tied in `a` times pairs not tied in `b`). If all scores of a list are equal, return NaN. Scores are compared as they are.


# %%
# Exercise 19.1 · Kendall's tau · medium · 10 min
def kendall_tau(a, b):  # list of float, list of float -> float
    ### BEGIN SOLUTION
    balance = in_a = in_b = 0
    for i in range(len(a)):
        for j in range(i):
            x, y = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
            balance, in_a, in_b = balance + x * y, in_a + x * x, in_b + y * y
    return float(balance / (in_a * in_b) ** 0.5) if in_a and in_b else float("nan")
    ### END SOLUTION


# %%
kendall_tau = check("19.1", kendall_tau)

# %%
python = data.load("pydocs").split("dev").sample(120, 1_000)
there = rankings_of(python)
values = {"towns": [ndcg(towns.qrels, run) for run in systems.values()]}  # (systems, Q)
values["python"] = [ndcg(python.qrels, run) for run in there.values()]


def tau_of(first, second, draw):  # each a list of (Q,); queries are drawn again and again
    taus = [
        kendall_tau(*([x[rows].mean() for x in each] for each, rows in zip((first, second), draw())))
        for _ in range(500)
    ]
    return np.nanquantile(taus, [0.025, 0.5, 0.975])


def halves():
    order = generator.permutation(120)
    return order[:60], order[60:]


within = tau_of(values["towns"], values["towns"], halves)
across = tau_of(values["towns"], values["python"], lambda: generator.integers(0, 120, (2, 120)))
print("two domains agree less than two halves of one, intervals apart:", across[2] < within[0])

# %% tags=["nbval-ignore-output"]
for name, (low, middle, high) in {"two halves of one domain": within, "two domains": across}.items():
    print(f"{name}: tau {middle:.1f}, interval {low:.1f} to {high:.1f}")
for row in zip(systems, *values.values()):
    print(f"{row[0]:<22} towns {row[1].mean():.2f}, Python {row[2].mean():.2f}")

# %% [markdown]
# With five systems tau moves in steps of .2, and still the intervals lie apart. In the towns a name has several forms, and words do not find them; a function has one name.
#
# ## See it: judged by its rival
#
# BM25's first hits are judged, more and more of them. At which depth does the winner change?


# %%
def pool(depth, query):
    n, rival, mine, condensed, _ = with_pool(depth)
    seen, right = old[query][:depth], towns.qrels[query]
    hits = [HOLE if p not in seen else RIGHT if right.get(p, 0) else WRONG for p in new[query][:10]]
    return judgements.Pool(depth, n, {"BM25": rival, "encoder": mine, "encoder, holes left out": condensed}, hits)


asked = {towns.queries[q]: q for q in list(towns.queries)[:3]}
pools = {text: [pool(depth, q) for depth in (1, 2, 3, 5, 10, 20, 50, 100)] for text, q in asked.items()}
truth = {"BM25": ndcg(towns.qrels, old).mean(), "encoder": ndcg(towns.qrels, new).mean()}
explore(
    lambda depth, query: judgements.judged_by_its_rival(depth, pools[query], truth, query),
    depth=[1, 2, 3, 5, 10, 20, 50, 100],
    query=list(asked),
)

# %%
first, *_, last = next(iter(pools.values()))
for each in (first, last):
    print(f"depth {each.depth}: encoder minus BM25 {each.values['encoder'] - each.values['BM25']:+.2f}")
print(f"truth: {truth['encoder'] - truth['BM25']:+.2f}")

# %% [markdown]
# By its own first hit BM25 leads; in truth it is far behind. Both lines are too high on the left: queries for which BM25 found nothing right have dropped out, and what is left is easy for it.
#
# ## Train it
#
# The test inside the training. Two arms, two seeds, 32 steps: 96 pairs of one's own, without or with about half of the test. Queries come in families that ask about the same few towns, so whole families leak: else the rest would be half read as well. Each half is then measured by itself:

# %%
from workbook.train import fit

train = planted(3_000, unlabelled=1.0, label_noise=0.0).collection().pairs("train")[:96]
read = {q: max(towns.qrels[q], key=towns.qrels[q].get) for q in towns.queries if int(q) // 16 % 2}
leak = [(towns.queries[q], towns.corpus[p]) for q, p in read.items()]


def trained(pairs, seed):
    encoder = load("base/start")
    encoder.max_length = 32
    fit(encoder, pairs, steps=32, batch_size=24, lr=5e-4, temperature=0.05, seed=seed, show=False)
    vectors = [torch.tensor(encoder.eval().encode(list(t.values()))) for t in (towns.queries, towns.corpus)]
    best = (vectors[0] @ vectors[1].T).topk(100).indices.tolist()
    return ndcg(towns.qrels, {q: [list(towns.corpus)[i] for i in row] for q, row in zip(towns.queries, best)})


# %%
arms = {"honest": train, "half of the test read": train + leak}
of = {name: np.array([trained(pairs, seed) for seed in (0, 1)]) for name, pairs in arms.items()}  # (seeds, Q)
leaked_half = np.array([q in read for q in towns.qrels])
gain = of["half of the test read"] - of["honest"]
leaked_gain, clean_gain = (gain[:, half].mean(axis=1) for half in (leaked_half, ~leaked_half))
print("on what it has read it gains, both seeds:", bool((leaked_gain > 0).all()))
print("on the rest less than a third of that, both seeds:", bool((clean_gain < leaked_gain / 3).all()))

# %% tags=["nbval-ignore-output"]
from workbook.metrics import ndcg_by_chance

halves_of = {"leaked queries": leaked_half, "clean queries": ~leaked_half}
rows = {f"{arm}, {half}": of[arm][:, mask].mean(axis=0) for half, mask in halves_of.items() for arm in of}
means = {name: values.mean() for name, values in rows.items()}
whiskers = {name: bootstrap_ci(values)[1:] for name, values in rows.items()}
chance = ndcg_by_chance(towns.qrels, len(towns.corpus))
show(results.bars(means, "nDCG@10", whiskers, chance=chance, bm25=ndcg(towns.qrels, old).mean()))

# %% [markdown]
# Most of what the leak adds on its own queries is no skill: the clean ones hardly follow, and as far as they do, more pairs of the same kind have taught something. Chapter 12 has the price of each percent; claim 54 asks whether such a test still tells good models from bad ones.
#
# ## Break it
#
# **One model, many verdicts.** The same weights, one setting turned at a time, as it happens when somebody repeats a published number:

# %%
from workbook.pooling import POOLINGS

foreign = "Instruct: Given a web search query, retrieve relevant passages\nQuery: "


def verdict(docs=towns, name="base", max_length=32, **settings):
    encoder = load(name)
    encoder.max_length = max_length
    for setting, value in settings.items():
        setattr(encoder, setting, value)
    best = (
        torch.tensor(encoder.encode_query(list(docs.queries.values())))
        @ torch.tensor(encoder.encode_document(list(docs.corpus.values()))).T
    )
    ids = list(docs.corpus)
    ranked = {q: [ids[i] for i in row] for q, row in zip(docs.queries, best.topk(100).indices.tolist())}
    return ndcg(docs.qrels, ranked)


other = planted(3_000, unlabelled=1.0, label_noise=0.0).collection().split("test").sample(120, 1_000)
turned = {
    "as published": verdict(),
    "another pooling": verdict(pooling=POOLINGS["cls"]),
    "a foreign prompt": verdict(query_prompt=foreign),
    "cut to 12 tokens": verdict(max_length=12),
    "another revision": verdict(name="base/start"),
    "another split": verdict(other),
}
print("another pooling costs most:", min(turned, key=lambda name: turned[name].mean()) == "another pooling")

# %% tags=["nbval-ignore-output"]
means = {name: values.mean() for name, values in turned.items()}
whiskers = {name: bootstrap_ci(values)[1:] for name, values in turned.items()}
show(results.bars(means, "nDCG@10", whiskers, title="base on the towns, one setting turned"))

# %% [markdown]
# None of these raises an error.
#
# **The worst queries, by cause.** A mean does not say what to mend. Take the twenty worst and ask of each what stands out:

# %%
from collections import Counter

by_value = [q for _, q in sorted(zip(ndcg(towns.qrels, new), towns.qrels))]
often_first = Counter(new[q][0] for q in new)


def causes(q):  # of one query
    right = max(towns.qrels[q], key=towns.qrels[q].get)
    words, there = towns.queries[q].lower().split(), towns.corpus[right].lower()
    shared = np.mean([word.strip("?.,") in there for word in words])
    return {
        "few of its words stand in the right passage": shared < 0.5,
        "long": len(words) > 10,
        "a negation": bool({"not", "no", "without", "never"} & set(words)),
        "a number": any(character.isdigit() for character in towns.queries[q]),
        "its first hit is a hub, first for three or more": often_first[new[q][0]] >= 3,
    }


# %%
worst = [causes(q) for q in by_value[:20]]
every = [causes(q) for q in by_value]
for cause in every[0]:
    print(f"{cause:<50} {sum(c[cause] for c in worst):>2} of 20 worst, {np.mean([c[cause] for c in every]):.0%} of all")

# %% [markdown]
# A cause counts where it is more common among the worst than among all. Then look at those queries, and mend that.
#
# **Three detectors, the same leaks.** Runs of words, MinHash and cosines, each with a threshold that gives no more than one false alarm in twenty:

# %%
from workbook.training_data.near_duplicates import jaccard, shingles

sets = [shingles(text) for text in training]
alike = [max(jaccard(shingles(query), each) for each in sets) for query in tested]
near = (torch.tensor(base.encode(tested)) @ torch.tensor(base.encode(training)).T).max(dim=1).values.tolist()
for name, found in {"runs of 3 words": shares, "shingles": np.array(alike), "cosines": np.array(near)}.items():
    threshold = np.quantile(found[45:], 0.95)
    kinds = [(found[rows] > threshold).sum() for rows in (slice(0, 15), slice(15, 30), slice(30, 45))]
    print(f"{name:<16} of 15 each: whole {kinds[0]}, a word changed {kinds[1]}, in another order {kinds[2]}")

# %% [markdown]
# Runs and shingles find copies, and little else. Cosines find the same words in another order, and miss a question that stands whole in a longer text. Whoever looks with one detector alone has seen one kind of leak.
#
# ## In the libraries
#
# scipy has tau-b, scikit-learn precision and recall. trec_eval leaves the unjudged out with its flag `-J`.

# %%
from scipy.stats import kendalltau

pairs = [[x.mean().round(1) for x in each] for each in values.values()]  # rounded, so that some are tied
print("tau equal to scipy's:", abs(kendall_tau(*pairs) - kendalltau(*pairs).statistic) < 1e-9)

# %%
from sklearn.metrics import precision_score, recall_score

reported = shares >= 0.8
theirs = [score(leaked, reported, zero_division=1.0) for score in (precision_score, recall_score)]
print("precision and recall equal:", np.allclose(detector_quality(shares, leaked, 0.8), theirs))

# %%
import pytrec_eval

run = {q: {p: float(-rank) for rank, p in enumerate(ids)} for q, ids in new.items()}
for way, skip in enumerate((False, True)):
    trec = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}, judged_docs_only_flag=skip)
    theirs = [values["ndcg_cut_10"] for values in trec.evaluate({q: run[q] for q in judged}).values()]
    ours = [pooled_ndcg([old[q]], towns.qrels[q], new[q], 3, 10)[way] for q in judged]
    print("unjudged left out:" if skip else "unjudged wrong:", np.allclose(sorted(ours), sorted(theirs)))

# %% [markdown]
# MTEB is 58 data sets of eight types, 56 of seven without bitext mining. mteb runs them, and yours as well:

# %%
from workbook.metrics import MTEBEncoder, mteb_task, retrieval

queries = dict(zip(towns.queries, base.encode_query(list(towns.queries.values()))))
passages = dict(zip(towns.corpus, base.encode_document(list(towns.corpus.values()))))
ours = retrieval(queries, passages, towns.qrels)["ndcg@10"]
try:
    import mteb

    task = mteb_task(towns.queries, towns.corpus, towns.qrels, "Towns")
    done = mteb.evaluate(MTEBEncoder(base), task, cache=None, show_progress_bar=False)
    print("equal to mteb's nDCG@10:", abs(ours - done.task_results[0].get_score()) < 1e-4)
except ImportError:
    print("mteb is not installed; `pip install mteb datasets` and run this cell again")

# %% [markdown]
# A query that was not asked mteb leaves out of the mean; `retrieval` counts it 0. And by default mteb keeps results by the model's name: train on under the same name, and it hands out the old number. So `MTEBEncoder` takes a new revision each time.

# %% [markdown]
# ## Further: questions that need two facts
#
# **{minutes} min.** "Is the founder of A older than that of B?" One passage does not answer it. Recall of 1/2 looks like half an answer and is none (**multi-hop** questions).
#
# **Contract.** `rankings` is query id → list of passage ids, best first, no id twice. `supports` is query id → list of the passage ids that the query needs, no id twice, perhaps none. `k` is 1 or more. A query counts 1 if all its supports stand among the first `k` of its ranking, in any order, with others between them, else 0; with more supports than `k` it counts 0, and so it does if `rankings` lacks it. Return the mean, a float, over the queries of `supports` that have at least one support; what `rankings` has beyond these is not looked at. If there is no such query, return 0.


# %%
# Exercise 19.2 · all supports · easy · 6 min
def recall_of_all(rankings, supports, k):  # dict, dict, int -> float
    ### BEGIN SOLUTION
    answered = [set(needed) <= set(rankings.get(q, [])[:k]) for q, needed in supports.items() if needed]
    return sum(answered) / len(answered) if answered else 0.0
    ### END SOLUTION


# %%
recall_of_all = check("19.2", recall_of_all)

# %% [markdown]
# Two queries of the towns in one text need a passage of each:

# %%
asked = [q for q, grades in towns.qrels.items() if any(grades.values())]
pairs = {f"{x} {y}": (x, y) for x, y in zip(asked[::2], asked[1::2])}
found = (
    BM25().index(towns.corpus).search({p: " ".join(towns.queries[q] for q in two) for p, two in pairs.items()}, k=100)
)
ranked = {p: sorted(scores, key=scores.get, reverse=True) for p, scores in found.items()}
needs = {p: [max(towns.qrels[q], key=towns.qrels[q].get) for q in two] for p, two in pairs.items()}
some = np.mean([np.mean([p in ranked[pair][:10] for p in needs[pair]]) for pair in pairs])
print(f"recall@10 {some:.2f}, recall of all {recall_of_all(ranked, needs, 10):.2f}")

# %% [markdown]
# If each fact is found with probability p, both are with about p². Report recall of all where answers need all.

# %% [markdown]
# ## Further: clicks
#
# **{minutes} min.** Users judge for nothing, but they click what stands on top. **Team-draft interleaving** shows one list made of two rankings, and lets coins decide who picks first.
#
# **Contract.** `a` and `b` are lists of passage ids, best first, no id twice in one, perhaps empty; both may hold the same id. `k` is 1 or more. `coins` is a list of at least k bools, one for each round, in order. In a round both teams pick once, `a` first where the coin is True, else `b`. A team picks the best passage of its ranking that is not shown yet, and it is shown next; a team with none left passes. It ends as soon as k passages are shown, in the middle of a round if need be, or when neither has any left. `clicks` is a list of ids, perhaps one twice, perhaps some that were not shown. Return a tuple: the list of shown ids in order, and two ints: how many different clicked passages `a` has picked, and how many `b`. Nothing that is passed in changes.


# %%
# Exercise 19.6 · team-draft interleaving · hard · 18 min
def team_draft(a, b, coins, clicks, k):
    # list of str, list of str, list of bool, list of str, int -> (list of str, int, int)
    ### BEGIN SOLUTION
    picked_by_a = {}  # passage -> whether a has picked it, in the order in which they are shown
    for a_first in coins:
        for turn_of_a in (a_first, not a_first):
            left = (p for p in (a if turn_of_a else b) if p not in picked_by_a)
            passage = next(left, None)
            if passage is not None and len(picked_by_a) < k:
                picked_by_a[passage] = turn_of_a
    clicked = [picked_by_a[p] for p in set(clicks) if p in picked_by_a]
    return list(picked_by_a), clicked.count(True), clicked.count(False)
    ### END SOLUTION


# %%
team_draft = check("19.6", team_draft)

# %% [markdown]
# Simulated users, who look at a place with probability 1 / place and click what is relevant:


# %%
def clicked(shown, grades):
    looked_at = generator.random(len(shown)) < 1 / np.arange(1, len(shown) + 1)
    return [p for p, looked in zip(shown, looked_at) if looked and grades.get(p, 0)]


def clicks_for_both(a, b):  # over all queries, twenty users each
    total = np.zeros(2, int)
    for q, grades in towns.qrels.items():
        for _ in range(20):
            coins = (generator.random(10) < 0.5).tolist()
            shown, _, _ = team_draft(a[q], b[q], coins, [], 10)
            total += team_draft(a[q], b[q], coins, clicked(shown, grades), 10)[1:]
    return total / total.sum()


print(f"the encoder's share against BM25: more than half: {clicks_for_both(new, old)[0] > 0.55}")
print(f"against itself: about half: {abs(clicks_for_both(new, new)[0] - 0.5) < 0.03}")

# %% [markdown]
# A share of clicks compares two rankings. It gives no grade, and it is silent about passages that neither shows.

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **I cannot reproduce a leaderboard's score.** Compare settings before you doubt the model: the prompt of each task, for queries and for passages; pooling; maximum length; an end token where last-token pooling wants one; normalization; the revision of the weights and of the data; the split; whether a query's own text is left out of what is found. Each is one line of code, and none raises an error.
#
# **Was the model trained on the test set?** Where training texts are public, look for leaks as above, and say what your detector would have found. Where they are not, a high score on a public test is no evidence. Queries written after the model was are.
#
# **How many queries of my own do I need?** Ask for the interval of a *difference*. BM25 and the encoder on Python's documentation, with ever more queries:

# %% tags=["nbval-ignore-output"]
difference = values["python"][2] - values["python"][0]
for Q in (10, 50, 120):
    print(f"{Q:>3} queries: encoder minus BM25 {bootstrap_ci(difference[:Q])}")

# %% [markdown]
# Ten can name the wrong winner. Fifty give about ±.1: enough to see a large difference, and to find out what goes wrong. Half the width costs four times the queries. Take them from your users' log, and judge the first hits of *all* systems that you compare: then their precision has no holes. Try it on ten, and see how wide the interval is that your half hour buys:

# %% tags=["nbval-ignore-output"]
from workbook.exercises.judging import judge_hits

runs = {
    name: {q: {p: -r for r, p in enumerate(ids)} for q, ids in each.items()}
    for name, each in {"BM25": there["BM25, k1 1.2"], "encoder": there["encoder, 256 numbers"]}.items()
}
judge_hits(runs, python.queries, python.corpus, k=3, num=10, truth=python.qrels)

# %% [markdown]
# For documents of your own, leave out `truth` and give `keep` a file: what you have judged is never asked again. In a terminal `python -m workbook judge` does the same.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(54, budget="record")
# %%
settle(55, budget="record")
# %%
settle(56, budget="record")
# %%
settle(57, budget="record")

# %% [markdown]
# ## Quiz

# %%
quiz("19")

# %% [markdown]
# ## Recap
#
# - Judged from one system's first hits, that system wins. Here .92 to .87, where the truth is .50 to .80.
# - Unjudged as wrong punishes the newcomer; left out, it flatters. Report both, and the number of holes.
# - A mean over answered queries rises with silence.
# - A leak detector has a precision and a recall. Plant leaks and measure them.
# - Rankings of systems agree better within a domain than across: in the record of claim 55 tau is .86 to 1 between halves of one, .57 to .79 between two.
#
# **New terms:** unjudged · pool · condensed list · n-gram · Kendall's tau · multi-hop · team-draft interleaving.
#
# **Open task.** Write 50 queries for documents of your own, judge the first ten hits of two systems together, and report the difference with its interval. How many holes has a third system?
#
# **Read next:** Buckley and Voorhees 2004 (incomplete judgements); Sakai 2007 (condensed lists); Radlinski, Kurup and Joachims 2008 (team draft); Thakur et al. 2021 (BEIR).
#
# **Next chapter:** 20 · What changes at 8.8 million passages?
