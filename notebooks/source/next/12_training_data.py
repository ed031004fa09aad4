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

# %%
import hashlib
import random
from itertools import pairwise

import numpy as np
import torch

from workbook import data
from workbook.exercises import check, hint, predict, quiz, reveal

# %% [markdown]
# ## By hand
#
# When are two texts nearly the same? Cut each into **shingles**, overlapping runs of words, here of two, and number the runs as they come:

# %%
texts = {"A": "the cat sat on the mat", "B": "the cat sat on a mat", "C": "a dog sat on the mat", "D": "we sort a list"}
number, sets = {}, {}
for name, text in texts.items():
    runs = pairwise(text.split())
    sets[name] = {number.setdefault(" ".join(run), len(number) + 1) for run in runs}
    print(name, f"{text:<24}", *sorted(sets[name]))
print(*(f"{x} {run}" for run, x in number.items()), sep=", ")

# %%
predict("12.p2")

# %% [markdown]
# The share that two sets have in common is their **Jaccard index**, J = |A ∩ B| / |A ∪ B|. A and B have 3 runs in common, of 7 in all: J = .43.
#
# **MinHash** (Broder 1997) keeps the smallest number of each set, under several numberings. Here are four, (a·x + b) mod 13, for x from 1 to 12. Behind the bar: the smallest in A, B, C and D.

# %%
factors, shifts, minima = [4, 2, 3, 6], [1, 10, 6, 5], []
print("x        ", *(f"{x:>2}" for x in range(1, 13)), "|", "A B C D")
for a, b in zip(factors, shifts):
    row = {x: (a * x + b) % 13 for x in range(1, 13)}
    minima.append([min(row[x] for x in runs) for runs in sets.values()])
    print(f"{a}x + {b:<2}:  ", *(f"{value:>2}" for value in row.values()), "|", *minima[-1])

# %% [markdown]
# The four columns behind the bar are **signatures**. Their share of equal places estimates J:

# %%
for one, other in ("AB", "AC", "BC", "AD"):
    both, every = sets[one] & sets[other], sets[one] | sets[other]
    equal = sum(row["ABCD".index(one)] == row["ABCD".index(other)] for row in minima)
    print(f"{one}, {other}: J = {len(both)}/{len(every)} = {len(both) / len(every):.2f}; {equal} of 4 places are equal")

# %% [markdown]
# Four places are few. The standard error is √(J(1 − J)/H): .25 for A and B with H = 4 places, .05 with 100.

# %% [markdown]
# ## Build it: which queries find their passage
#
# Found pairs are dirty, and so are written ones. One remedy: a first model looks for each query's own passage; where it is not among the first k, the pair goes. E5 asked for the first 2 of a million; about 270 million of 1.3 billion pairs were left. Nomic did the same and kept 235 of 470 million. Promptagator asks for rank 1: that helped on 8 of 11 sets, and hurt on small ones.
#
# **Contract.** `scores` (Q, N) says how well each passage fits each query, higher is better. `own` (Q,) has the column of each query's own passage; several queries may share one. Its rank is 1 plus the number of *other* passages in its row that score as high or higher: ties go against it. Return booleans (Q,): True where the rank is at most `k`, which is 1 or more and may be larger than N.


# %%
# Exercise 12.1 · which queries find their passage · easy · 8 min
def consistent_pairs(scores, own, k):  # (Q, N), (Q,), int -> (Q,) bool
    ### BEGIN SOLUTION
    own_score = scores.gather(1, own[:, None])  # (Q, 1)
    rank = (scores >= own_score).sum(dim=1)  # counts itself, so it begins with 1
    return rank <= k
    ### END SOLUTION


# %%
consistent_pairs = check("12.1", consistent_pairs)

# %% [markdown]
# `round_trip` of the package takes texts, and any encoder, BM25 or run as the first model:

# %%
from workbook.training_data import round_trip

scores, own = torch.rand(20, 8, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 8
queries, corpus = ({f"{x}{i}": f"{x}{i}" for i in range(n)} for x, n in (("q", 20), ("p", 8)))
run = {f"q{i}": {f"p{j}": score for j, score in enumerate(row)} for i, row in enumerate(scores.tolist())}
kept = round_trip(queries, corpus, {f"q{i}": {f"p{j}": 1} for i, j in enumerate(own.tolist())}, run, k=2).kept
ours = [f"q{i}" for i in consistent_pairs(scores, own, 2).nonzero().flatten().tolist()]
print("the package keeps the same queries:", kept == ours)

# %% [markdown]
# ## Build it: a signature
#
# **Contract.** `shingles` is a set of whole numbers, at least one, from 0 on and below 2³². `a` and `b` have H whole numbers each, from 0 on and below the prime `p`, which is below 2³¹. Numbering i gives shingle x the number (a_i · x + b_i) mod p, in whole numbers: products can take 63 bits. Return a list of H whole numbers: for each numbering, in order, the smallest number that a shingle of the set gets.


# %%
# Exercise 12.2 · a signature · medium · 8 min
def minhash_signature(shingles, a, b, p):  # set of int, list of int, list of int, int -> list of int
    ### BEGIN SOLUTION
    signature = []
    for factor, shift in zip(a, b):
        signature.append(min((factor * x + shift) % p for x in shingles))
    return signature
    ### END SOLUTION


# %%
minhash_signature = check("12.2", minhash_signature)
signatures = [minhash_signature(runs, factors, shifts, 13) for runs in sets.values()]
print("as by hand:", np.array(signatures).T.tolist() == minima)

# %% [markdown]
# Two texts of Python's own documentation, `str.lstrip` and `str.rstrip`, differ in one word:

# %%
predict("12.p3")

# %%
from workbook.training_data import jaccard, minhash, shingles

left = "Return a copy of the string with leading whitespace removed. If chars is given and not None, remove characters in chars instead."
right = left.replace("leading", "trailing")
draw, P = random.Random(0), 2**31 - 1
a, b = ([draw.randrange(1, P) for _ in range(100)] for _ in range(2))
ours = [np.array(minhash_signature(shingles(text), a, b, P)) for text in (left, right)]
theirs = [minhash(shingles(text)) for text in (left, right)]
J = jaccard(shingles(left), shingles(right))
print(
    f"J {J:.2f}, estimated by ours {np.mean(ours[0] == ours[1]):.2f}, by the package {np.mean(theirs[0] == theirs[1]):.2f}"
)

# %% [markdown]
# ## Build it: bands
#
# Nobody compares every two of a million texts. Cut each signature into **bands** of r places. Texts that agree in a whole band fall into one entry of a dictionary, and only those are looked at. At one place they agree with probability J, in a whole band with $J^r$, in one of b bands at least with
#
# $$P = 1 - (1 - J^r)^b$$
#
# **Contract.** `signatures` (N, H) holds whole numbers, H at least `bands` · `rows`. Band 0 is the first `rows` places, band 1 the next `rows`, and so on; places behind the last band are not looked at. Two texts are a pair where at least one band of the one equals, place by place, the band with the same number of the other. To be tied by a third text is not enough. Return a set of tuples (i, j) of row numbers, from 0 on, i < j.


# %%
# Exercise 12.3 · bands · medium · 11 min
def candidate_pairs(signatures, bands, rows):  # (N, H), int, int -> set of (int, int)
    ### BEGIN SOLUTION
    pairs = set()
    for band in range(bands):
        bucket = {}
        for j, key in enumerate(signatures[:, band * rows : (band + 1) * rows].tolist()):
            met = bucket.setdefault(tuple(key), [])
            pairs.update((i, j) for i in met)
            met.append(j)
    return pairs
    ### END SOLUTION


# %%
candidate_pairs = check("12.3", candidate_pairs)
print("two bands of two:", candidate_pairs(torch.tensor(signatures), 2, 2))

# %% [markdown]
# A and B meet in their first band. A and C have as many equal places, in no band together: they are missed. With 20 bands of 5:

# %%
from workbook.training_data import chance_to_meet

draw = torch.Generator().manual_seed(0)
for J in (0.3, 0.6, 0.8):
    one = torch.randint(0, P, (300, 100), generator=draw)
    other = torch.where(torch.rand(300, 100, generator=draw) < J, one, one + 1)
    met = np.mean([len(candidate_pairs(torch.stack(pair), 20, 5)) for pair in zip(one, other)])
    print(f"J = {J}: {met:.2f} of them met; the formula says {chance_to_meet(J):.2f}")

# %% [markdown]
# An S. More rows move it to the right, more bands to the left.
#
# ## Build it: runs of words that leak
#
# Between training and exam one looks closer: do two texts share a piece?
#
# **Contract.** The words of a text are `re.findall(r"\w+", text.lower())`. A run is `n` words in a row, `n` at least 2. A text of fewer words is a single run, all its words; a text without words has no run. `texts` and `evaluation` are lists of texts, both may be empty. Return a list of those `texts`, as they came and in their order, that have no run in common with any evaluation text.


# %%
# Exercise 12.4 · runs of words that leak · medium · 10 min
import re


def drop_leaked(texts, evaluation, n):  # list of str, list of str, int -> list of str
    ### BEGIN SOLUTION
    def runs(text):
        words = re.findall(r"\w+", text.lower())
        length = min(n, len(words))
        return {tuple(words[i : i + length]) for i in range(len(words) - length + 1) if words}

    known = {run for text in evaluation for run in runs(text)}
    return [text for text in texts if not runs(text) & known]
    ### END SOLUTION


# %%
drop_leaked = check("12.4", drop_leaked)
print("lstrip in the exam, rstrip in training:", "kept" if drop_leaked([right], [left], 13) else "dropped")

# %% [markdown]
# Their J of .65 would have passed a threshold of .8. `decontaminate` of the package looks at both. What is short leaks only as a whole: three words stand in many texts by chance.
#
# ## Build it: clicks and positions
#
# A search log holds more pairs than anybody could label: query and clicked passage. But people click what they see, and they see what the old ranking put on top. If it is known how likely each position is looked at (from some rankings in random order, say), that can be taken out: a click where one in four looks stands for four (Joachims et al. 2017).
#
# **Contract.** `log` is a list of rows (query, position, passage, clicked): the passage was shown for the query at that position, counted from 1; clicked is 1 or 0. A passage may have stood at several positions. `looked` has the probability, above 0 and at most 1, that a position is looked at, entry 0 for position 1. A click counts 1 divided by the probability of its position; no click counts 0. Return a dict of dicts, query → passage → the mean of what its rows for this query count. What was never clicked has 0; rates above 1 stay. An empty log gives an empty dict.


# %%
# Exercise 12.5 · clicks and positions · medium · 9 min
def corrected_clicks(log, looked):  # list of (str, int, str, int), list of float -> dict of dicts of float
    ### BEGIN SOLUTION
    counts = {}
    for query, position, passage, clicked in log:
        counts.setdefault(query, {}).setdefault(passage, []).append(clicked / looked[position - 1])
    return {q: {p: sum(values) / len(values) for p, values in each.items()} for q, each in counts.items()}
    ### END SOLUTION


# %%
corrected_clicks = check("12.5", corrected_clicks)

# %% [markdown]
# A log whose truth is known: who looks at a clicks it in 3 of 10 cases, at b in 6 of 10. The old ranking mostly puts a first.

# %%
draw, log, would, looked = random.Random(0), [], {"a": 0.3, "b": 0.6}, [1.0, 0.5, 0.25]
for _ in range(4000):
    first = draw.random() < 0.9
    for passage, position in (("a", 1 if first else 3), ("b", 3 if first else 1)):
        clicked = draw.random() < looked[position - 1] and draw.random() < would[passage]
        log.append(("q", position, passage, int(clicked)))
raw, corrected = (corrected_clicks(log, chance)["q"] for chance in ([1.0, 1.0, 1.0], looked))
print("raw:      ", {passage: round(raw[passage], 2) for passage in would})
print("corrected:", {passage: round(corrected[passage], 2) for passage in would})

# %% [markdown]
# The price is noise: clicks that count four make a mean that wanders. And what was never shown has no click to correct.
#
# ## Build it: two rankings from one log
#
# **The other way round.** Find the smallest log from which raw and corrected clicks draw opposite conclusions.
#
# **Contract.** Return a log as 12.5 takes it, of the query "q" and the passages "a" and "b", both shown at least once, at positions 1, 2 and 3, which are looked at with the probabilities 1, 0.5 and 0.25. By its raw rate (clicks divided by times shown) one passage must be ahead, by the rate of 12.5 the other; no ties. The smallest number of rows is asked for.


# %%
# Exercise 12.6 · two rankings from one log · medium · 7 min
def smallest_log():  # () -> list of (str, int, str, int)
    ### BEGIN SOLUTION
    return [("q", 1, "a", 1), ("q", 3, "b", 1), ("q", 3, "b", 0)]
    ### END SOLUTION


# %%
smallest_log = check("12.6", smallest_log)

# %% [markdown]
# ## Build it: from raw pairs to a training set
#
# Now all of it in one function. Order matters: who splits first has torn near-duplicates apart, and no later step brings them together.
#
# **Contract.** `pairs` is a list of (query, passage). `near(passages)` takes a list and returns the set of places (i, j), i < j, of near-duplicates in it. `place(text)` is a number from 0 on and below 1 that follows from the text alone. `leaks(text, others)` says whether a text shares a piece with one of a list. `finds(query, passage, passages)` says whether the query finds its passage in a list. In this order:
# 1. **Group** the rows: those whose passages are near-duplicates belong together, and so do those tied by a chain of others. `near` is called with all passages, in order.
# 2. **Split**: a group is for evaluation where the `place` of the first of its passages in alphabetical order (`min`) is below `share`; else for training.
# 3. **Decontaminate**: a training pair goes where its query or its passage leaks; the list is all queries and passages of evaluation.
# 4. **Filter**: a training pair goes where its query does not find its passage; the list is the passages of all training pairs that step 3 has left.
#
# Return two lists of row numbers, ascending: training, evaluation.


# %%
# Exercise 12.7 · from raw pairs to a training set · hard · 18 min
def training_set(pairs, near, place, leaks, finds, share):
    # list of (str, str), 4 functions, float -> list of int, list of int
    ### BEGIN SOLUTION
    group = list(range(len(pairs)))
    for i, j in near([passage for _, passage in pairs]):
        group = [group[i] if g == group[j] else g for g in group]
    first = {}  # group -> the passage that speaks for it
    for g, (_, passage) in zip(group, pairs):
        first[g] = min(passage, first.get(g, passage))
    evaluation = [row for row, g in enumerate(group) if place(first[g]) < share]
    train = [row for row, g in enumerate(group) if not place(first[g]) < share]
    exam = [text for row in evaluation for text in pairs[row]]
    train = [row for row in train if not any(leaks(text, exam) for text in pairs[row])]
    left = [pairs[row][1] for row in train]
    train = [row for row in train if finds(*pairs[row], left)]
    return train, evaluation
    ### END SOLUTION


# %%
training_set = check("12.7", training_set)

# %% [markdown]
# Raw pairs of your documentation, sieved by what you have built; the first model counts words in common:


# %%
def near(passages):
    signatures = [minhash_signature(shingles(text), a, b, P) for text in passages]
    return candidate_pairs(torch.tensor(signatures), 20, 5)


def place(text):
    return int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8], 16) / 16**8


# %%
def finds(query, passage, passages):
    asked = set(query.lower().split())
    common = torch.tensor([[len(asked & set(text.lower().split())) for text in passages]])
    return bool(consistent_pairs(common, torch.tensor([passages.index(passage)]), 3))


def leaks(text, others):
    return not drop_leaked([text], others, 8)


# %% tags=["nbval-ignore-output"]
raw_pairs = random.Random(0).sample(data.load("pydocs").pairs("train"), 150)
raw_pairs += [
    (f"{query} again", f"{passage} See also.") for query, passage in raw_pairs[:15]
]  # copies, as in any crawl
train, evaluation = training_set(raw_pairs, near, place, leaks, finds, 0.2)
print(f"of {len(raw_pairs)} pairs {len(train)} are for training, {len(evaluation)} for evaluation")

# %%
both = [passage for _, passage in (raw_pairs[row] for row in train + evaluation)]
torn = [(i, j) for i, j in near(both) if i < len(train) <= j]
print("near-duplicates on both sides:", len(torn))
