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
# # 12 · Where do the pairs come from?
#
# Every loss so far asked for pairs, and this book had them ready. Outside of it nobody hands them over. They are found in text, taken from logs, bought from judges, or written by a machine. Each source teaches its own habits, and some of them repeat your exam.
#
# **You will be able to** say which loss fits the columns of a source and what is wrong with them, make pairs by rule and by language model and filter them, find near-duplicates without comparing every two texts, and say what a leak is worth.
#
# **You need** chapters 03 (nDCG), 04 (InfoNCE) and 09 (filters). **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import copy
import hashlib
import random
from itertools import pairwise

import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, results, show, training_data

quiz("03.q2", "09.q1")

# %% [markdown]
# ## Predict

# %%
predict("12.p1")

# %% [markdown]
# ## A failure first
#
# A bag of word vectors is trained from nothing on 1,000 pairs of documentation, title and text. Then somebody finds a mirror of the same pages on the web, and a sixth of the pairs is exchanged for pairs from there. Pairs that came out equal to a test pair are taken out.

# %%
from workbook import data
from workbook.encoder import StaticEncoder, TextEncoder, load
from workbook.metrics import bootstrap_ci, evaluate, ndcg_by_chance
from workbook.pretraining.pairs import drop_words
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
test, fresh = (docs.split(split).sample(300, 800) for split in ("test", "dev"))
tokenizer = load("base/start").tokenizer


# %%
def train(pairs, seed=0, steps=80):
    torch.manual_seed(seed)
    table = StaticEncoder(tokenizer.get_vocab_size(), 128)
    encoder = TextEncoder(tokenizer, table, max_length=64)
    table.scale_by_idf(encoder.token_ids([passage for _, passage in pairs]))
    fit(
        encoder,
        pairs,
        steps=steps,
        batch_size=128,
        lr=0.02,
        temperature=0.05,
        seed=seed,
        no_duplicates=True,
        show=False,
    )
    return encoder


def ndcg(encoder, docs):  # one value for each query
    run = dense_search(encoder, docs.corpus, docs.queries, k=10)
    return np.array(list(evaluate(docs.qrels, run, ("ndcg@10",), per_query=True)["ndcg@10"].values()))


# %%
rng = np.random.default_rng(0)
pool, known = random.Random(0).sample(docs.pairs("train"), 1000), set(test.pairs("sample"))
copied = sorted(known)[::2]
mirror = [tuple(" ".join(drop_words(text.split(), rng, 0.05)) for text in pair) for pair in copied]
mirror = [pair for pair in mirror if pair not in known]
before, with_mirror = train(pool), train(mirror + pool[len(mirror) :])
gain = ndcg(with_mirror, test) - ndcg(before, test)  # one value for each query

# %%
copied_queries = {query for query, _ in copied}
is_copied = np.array([query in copied_queries for query in test.queries.values()])
print("all test queries gain more than .10:", bool(gain.mean() > 0.10))
print("those that were copied, more than .30:", bool(gain[is_copied].mean() > 0.30))
print("the others, more than .05:", bool(gain[~is_copied].mean() > 0.05))
print("as many fresh queries, more than .02:", bool((ndcg(with_mirror, fresh) - ndcg(before, fresh)).mean() > 0.02))

# %% [markdown]
# The mirror lost a word here and there. No test for equal texts finds that, and the score looks like progress. The bag has learned half of the exam by heart, and nothing else.
#
# ## The idea
#
# A pair is two texts that belong together for *some* reason, and the model learns that reason. The columns of a table say which loss can read it (`loss_for`, chapter 07):
#
# | source | columns | loss | what is wrong with it |
# |---|---|---|---|
# | title and body, question and answer, docstring and code | a pair | InfoNCE | the one often repeats the other's words |
# | link and page (**anchor text**) | a pair | InfoNCE | "read more" |
# | query and click | a pair, with a position | InfoNCE | clicks follow the place (**position bias**); what was not shown has none |
# | natural language inference (NLI) | premise, what follows, what contradicts | InfoNCE with a hard negative | sentences, not passages |
# | scored sentences | a pair and a grade | CoSENT | expensive, so there are few |
# | question, answer, page (TriviaQA) | a pair | InfoNCE | the page names the answer, and may not answer (**distant supervision**) |
# | written by a language model (**synthetic query**) | a pair | InfoNCE | copies, inventions, easy questions |
# | paraphrases | a pair more | InfoNCE | says the same, or not quite |
# | judged | a pair, yes or no | contrastive | slow; chapter 09 |
#
# Whatever the source, the same four steps follow: group near-duplicates, split, take out what stands in the test, keep what a first model finds again. The first and the third have to find texts that are *nearly* equal. Cut each text into runs of words (**shingles**); two texts are then two sets A and B. Their **Jaccard index** J is the share that they have in common, 0 to 1:
#
# $$J(A, B) = \frac{|A \cap B|}{|A \cup B|}$$
#
# Here are the runs of four words of two sentences:

# %%
show(training_data.shared_runs("the cat sat on the mat", "the cat sat on a mat"))

# %% [markdown]
# ## By hand
#
# To count J for every two of N texts takes N² comparisons. There is a shorter way. Take runs of two words, and number them as they come:

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
# Under a random numbering each run of A ∪ B is equally likely to get the smallest number. A and B have the same minimum exactly if that run lies in A ∩ B: with probability J, here 3 of 7, .43.
#
# **MinHash** (Broder 1997) keeps the smallest number of each set, under several numberings. Here are four, (a·x + b) mod 13, for x from 1 to 12, nearly as good as random ones. Behind the bar: the smallest in A, B, C and D.

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
# Four places are few: the standard error is √(J(1 − J)/H): .25 for A and B with H = 4 places, .05 with 100.

# %% [markdown]
# ## Build it: which queries find their passage
#
# Found pairs are dirty, and so are written ones. One remedy: a first model looks for each query's own passage; where it is not among the first k, the pair goes. E5, an encoder trained on pairs from the web, asked for the first 2 of a million; about 270 million of 1.3 billion pairs were left. Nomic did the same and kept 235 of 470 million. Promptagator, whose queries a model writes, asks for rank 1.
#
# **Contract.** `scores` (Q, N) says how well each passage fits each query, higher is better. `own` (Q,) has the column of each query's own passage; several queries may share one. Its rank is 1 plus the number of *other* passages in its row that score as high or higher: ties go against it. Return a tensor of booleans (Q,): True where the rank is at most `k`, which is 1 or more and may be larger than N.


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
# **Contract.** `signatures` (N, H) is a tensor of whole numbers, H at least `bands` · `rows`. Band 0 is the first `rows` places, band 1 the next `rows`, and so on; places behind the last band are not looked at. Two texts are a pair where at least one band of the one equals, place by place, the band with the same number of the other. To be tied by a third text is not enough. Return a set of tuples (i, j) of row numbers, from 0 on, i < j.


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
# A and B meet in their first band. A and C have as many equal places, in no band together: they are missed. With 20 bands of 5, signatures drawn place by place with probability J:

# %%
from workbook.training_data import chance_to_meet

draw = torch.Generator().manual_seed(0)
for J in (0.3, 0.6, 0.8):
    one = torch.randint(0, P, (300, 100), generator=draw)
    other = torch.where(torch.rand(300, 100, generator=draw) < J, one, one + 1)
    met = np.mean([len(candidate_pairs(torch.stack(pair), 20, 5)) for pair in zip(one, other)])
    print(f"J = {J}: {met:.2f} of them met; the formula says {chance_to_meet(J):.2f}")

# %% [markdown]
# Drawn over J this is an S, as *See it* shows. More rows move it to the right, more bands to the left.
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
# By a threshold of .8 on J they would not have been found: theirs is .65. `decontaminate` of the package looks at both. What is short leaks only as a whole: three words stand in many texts by chance.

# %% [markdown]
# ## Build it: from raw pairs to a training set
#
# Now all of it in one function. Order matters: whoever splits first tears near-duplicates apart, and no later step brings them together.
#
# **Contract.** `pairs` is a list of (query, passage). `near(passages)` takes a list and returns the set of places (i, j), i < j, of near-duplicates in it. `place(text)` is a number from 0 on and below 1 that follows from the text alone. `leaks(text, others)` says whether a text shares a piece with one of a list. `finds(query, passage, passages)` says whether the query finds its passage in a list. In this order:
# 1. **Group** the rows: those whose passages are near-duplicates belong together, and so do those tied by a chain of others. `near` is called with all passages, in order.
# 2. **Split**: a group is for evaluation where the `place` of the first of its passages in alphabetical order (`min`) is below `share`; else for training.
# 3. **Decontaminate**: a training pair goes where its query or its passage leaks; the list is all queries and passages of evaluation.
# 4. **Filter**: a training pair goes where its query does not find its passage; the list is the passages of all training pairs that step 3 has left, in order, equal ones too.
#
# Return two lists of row numbers, ascending: training, evaluation.


# %%
# Exercise 12.5 · from raw pairs to a training set · hard · 18 min
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
training_set = check("12.5", training_set)

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
rows = training_set(raw_pairs, near, place, leaks, finds, 0.2)
unfiltered = training_set(raw_pairs, near, place, leaks, lambda *texts: True, 0.2)
print(f"{len(raw_pairs)} pairs: {len(rows[1])} for evaluation, {len(rows[0])} for training;", end=" ")
print(
    f"{len(raw_pairs) - len(rows[1]) - len(unfiltered[0])} leaked, {len(unfiltered[0]) - len(rows[0])} did not find their passage"
)

# %%
kept_passages = [raw_pairs[row][1] for part in rows for row in part]
torn = [(i, j) for i, j in near(kept_passages) if i < len(rows[0]) <= j]
side = [place(" ".join(pair)) < 0.2 for pair in raw_pairs]  # what people do: each row for itself
torn_by_rows = [(i, j) for i, j in near([passage for _, passage in raw_pairs]) if side[i] != side[j]]
print("near-duplicates on both sides:", len(torn), "; split row by row, some:", bool(torn_by_rows))

# %% [markdown]
# Half of the pairs may go in such a sieve. Look at thirty that went before you trust it.

# %% [markdown]
# ## See it: how many words until nobody notices?
#
# Move the number of changed words; below, click the words yourself. **Put a text of your own in**, of twenty words or of sixty.

# %%
MY_TEXT = "Whether a copy is found depends on how long it is and on how many of its words somebody has changed"
explore(lambda changed: training_data.how_many_words(MY_TEXT, changed), changed=[0, 1, 2, 3, 4, 6, 8])

# %%
from workbook.figures.click_words import click_words

click_words(MY_TEXT)

# %%
from workbook.training_data import chance_to_meet, jaccard, shingles

for changed in (1, 2):
    J = jaccard(shingles(MY_TEXT), shingles(training_data.with_changes(MY_TEXT, changed)))
    print(
        f"{changed} of {len(MY_TEXT.split())} words: J {J:.2f}, met in {100 * chance_to_meet(J):.0f} % of random numberings"
    )

# %% [markdown]
# A word in the middle stands in four runs, here and there. So a threshold of .8 on J is strict for queries and mild for pages: of sixty words, one changed leaves J = .87. The chance is taken over random numberings; one index finds the copy or does not.
#
# ## Train it: who asks?
#
# 1,000 passages of documentation, with three queries each: the title that the author wrote, the passage's own first sentence, its four rarest words. The last two cost nothing. The exam asks with titles, so who trained on titles is at home. First sentences are cut from the passages that they ask for.

# %%
from workbook.bm25 import BM25
from workbook.training_data import first_sentence_rest, keyword_queries

two_sentences = [pair for pair in docs.pairs("train") if first_sentence_rest(pair[1])]
natural = random.Random(0).sample(two_sentences, 1000)
words = keyword_queries({str(i): passage for i, (_, passage) in enumerate(natural)})
arms = {
    "titles": natural,
    "first sentences": [first_sentence_rest(passage)[0] for _, passage in natural],
    "keywords": [(words[str(i)], passage) for i, (_, passage) in enumerate(natural)],
}
found = {name: np.array([ndcg(train(pairs, seed), fresh) for seed in (0, 1)]) for name, pairs in arms.items()}
for name in ("first sentences", "keywords"):
    behind = (found["titles"] - found[name]).mean(axis=1)
    print(f"titles are ahead of {name}, both seeds:", "holds" if (behind > 0).all() else "does not hold")

# %% tags=["nbval-ignore-output"]
keywords = evaluate(fresh.qrels, BM25().index(fresh.corpus).search(fresh.queries, k=10), ("ndcg@10",))["ndcg@10"]
show(
    results.bars(
        {name: rows.mean() for name, rows in found.items()},
        "nDCG@10",
        {name: bootstrap_ci(rows.mean(axis=0))[1:] for name, rows in found.items()},
        chance=ndcg_by_chance(fresh.qrels, len(fresh.corpus)),
        bm25=keywords,
        title="1,000 pairs each, from nothing",
    )
)

# %% [markdown]
# And a language model? SmolLM2 has read 128 passages of each collection; for 120 and 109 it wrote something usable. Its answers are recorded, so nothing is asked here. From `base/start`, equal pairs, five seeds (claim 32):

# %%
from workbook.claims import read_record

written = read_record(32).measurements["collections"]
for collection, each in written.items():
    print(f"{collection}, {each['pairs']['natural']} passages")
    for arm in ("natural", "written", "first sentence", "keywords"):
        gain, low, high = each["gain"][arm]
        print(
            f"    {arm:<15} gains {gain:+.3f} [{low:+.3f}, {high:+.3f}]; {100 * each['words shared'][arm]:.0f} % of its words stand in the passage"
        )

# %%
for collection, each in written.items():
    for name, (gain, low, high) in each["differences"].items():
        if "found again" in name or "half" in name:
            print(f"{collection:<8} {name:<52} {gain:+.3f} [{low:+.3f}, {high:+.3f}]")

# %% [markdown]
# With so few pairs little is settled: natural queries themselves gain .021 [−.002, .044] and .007 [−.002, .017]. Written ones gain nothing on `planted` and .009 [−.002, .020] on `pydocs`, where first sentences, which cost nothing, gain .019 [.009, .030]. Neither filter nor paraphrases can be seen. A larger model is asked through any server that speaks OpenAI's protocol:
#
# ```python
# model = OpenAICompatible("http://localhost:8000/v1", "name")
# made = generate_queries(corpus, Recorded("queries.jsonl", model))
# kept = round_trip(made.queries, corpus, made.qrels, encoder, k=2).kept
# ```

# %% [markdown]
# ## Break it
#
# **A leak, by the percent.** In place of clean pairs stand near copies of 2 to 50 % of the test queries with their answers (claim 34):

# %%
leak_record = read_record(34).measurements["collections"]


def lines(each):  # which queries -> percent -> values
    return {
        "all queries": {int(p): values for p, values in each["ndcg@10"].items()},
        "those that leaked": {int(p): [value] for p, value in each["copied"].items()},
        "the others": {int(p): [value] for p, value in each["not copied"].items()},
    }


explore(
    lambda collection: training_data.leak_curve(lines(leak_record[collection]), "nDCG@10", collection),
    collection=["pydocs", "planted"],
)

# %%
for collection, each in leak_record.items():
    worth, low, high = (100 * value for value in each["per percent"])
    print(f"{collection}: a percent leaked is worth {worth:.2f} [{low:.2f}, {high:.2f}] hundredths of nDCG@10")
    for kind, of in each["kinds"].items():
        left = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*of["all gain, sieved"])
        print(
            f"    {kind:<30} found {100 * of['copies found']:>3.0f} %, clean pairs lost {100 * of['clean pairs dropped']:.1f} %, gain left {left}"
        )

# %% [markdown]
# A percent leaked lifts the mean by .3 to .5 hundredths; queries apart from the leak stay where they were. On `planted` a third group gains .12: their answer was copied for another query. The sieve finds each exact copy and, of pages a word in twenty shorter, 82 % on `pydocs`; of reworded ones 7 %, and their gain stays.
#
# **A filter with k too small.** Round-trip consistency keeps a query that finds its passage among the first k. Titles were written by people, so most that are dropped are a loss. BM25 is the first model, among 1,000 passages:

# %%
from workbook.support.content_words import content_words

titles, bodies = ({str(i): pair[side] for i, pair in enumerate(natural)} for side in (0, 1))
own = {i: {i: 1} for i in titles}
kept = {k: round_trip(titles, bodies, own, BM25(), k=k).kept for k in (1, 2, 10)}


def share(ids):  # of the query's words that stand in its passage
    words = {i: content_words(titles[i]) for i in ids}
    return np.mean([len(words[i] & content_words(bodies[i])) / max(1, len(words[i])) for i in ids])


print("k = 1 drops more than a quarter of what people wrote:", bool(len(kept[1]) < 0.75 * len(titles)))
print("what it keeps shares more words with its passage:", bool(share(kept[1]) > share(titles) + 0.05))

# %% tags=["nbval-ignore-output"]
for k, ids in kept.items():
    print(f"k = {k:>2}: keeps {100 * len(ids) / len(titles):.0f} %, {100 * share(ids):.0f} % of their words shared")

# %% [markdown]
# So a filter is a teacher: what is kept is what the first model could do already. Promptagator's strict rank 1 helps by 2.5 points on average, and hurts on the small NFCorpus and SciFact (published). What speaks for it: a model also writes queries that fit any passage, or none.
#
# **An exam of written queries.**

# %%
base = load("base/start")


def lead_of_keywords(pairs):  # what BM25 is ahead of the encoder, by nDCG@10 on the first 200 queries
    texts = {str(i): passage for i, (_, passage) in enumerate(pairs)}
    exam = data.Collection(
        "exam", texts, {str(i): pairs[i][0] for i in range(200)}, {str(i): {str(i): 1} for i in range(200)}, {}
    )
    by_words = BM25().index(exam.corpus).search(exam.queries, k=10)
    return evaluate(exam.qrels, by_words, ("ndcg@10",))["ndcg@10"] - ndcg(base, exam).mean()


lead = {name: lead_of_keywords(arms[name]) for name in ("titles", "keywords")}
print("BM25's lead is larger on made queries by .05 or more:", bool(lead["keywords"] > lead["titles"] + 0.05))

# %%
flattered = read_record(72).measurements["collections"]
for collection, each in flattered.items():
    for name, of in each["ndcg@10"].items():
        print(
            f"{collection:<8} {name:<15} BM25 {of['BM25']:.3f}, dense {of['dense']:.3f}; {100 * each['words shared'][name]:.0f} % of the words shared"
        )

# %% [markdown]
# On natural queries the encoder leads on `toy` and `planted` by .31 and .25; on written ones by .04 and not at all. On `pydocs`, where titles repeat their page already, nothing changes. Whoever writes a question with the passage before their eyes uses its words. People who do not know the answer have no such words. So a written exam is kept apart from a natural one, however small that is.
#
# ## In the libraries
#
# scikit-learn cuts the same runs, and its Jaccard index is ours:

# %%
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import jaccard_score

some = [passage for _, passage in pool[:40] if len(passage) < 1_500]
runs = CountVectorizer(ngram_range=(4, 4), token_pattern=r"\w+", binary=True).fit_transform(some).toarray()
ours = [jaccard(shingles(some[0]), shingles(text)) for text in some]
print("equal:", np.allclose([jaccard_score(runs[0], row) for row in runs], ours))

# %% [markdown]
# `datasketch` has `MinHash(num_perm=H)` and `MinHashLSH(params=(b, r))`. Given our numberings it makes our signatures, and the same texts meet; a test holds that. sentence-transformers names the losses of the table `MultipleNegativesRankingLoss`, `CoSENTLoss`, `ContrastiveLoss`, and picks columns by their order.

# %% [markdown]
# ## Further: negatives that a model writes
#
# **{minutes} min.** Negatives can be written as well (claim 33), and have a price:

# %%
negatives = read_record(33).measurements
for name, (gain, low, high) in negatives["differences"].items():
    print(f"{name:<42} {gain:+.3f} [{low:+.3f}, {high:+.3f}] nDCG@10")

# %% tags=["nbval-ignore-output"]
cost = negatives["cost of a written negative"]
print(f"written: {cost['tokens_read'] + cost['tokens_written']:.0f} tokens, {cost['cpu_seconds']:.1f} CPU seconds")
print(f"mined: {negatives['CPU seconds of a mined negative']:.2f} CPU seconds, no tokens")

# %% [markdown]
# What this small model writes is worse than a random passage, by .033 [.018, .048]. Read by eye, much of it repeats the passage, and some of it answers the query. Nearly all of a mined negative's time is the encoding of 1,200 passages for 96 queries; with more queries it falls.

# %% [markdown]
# ## Further: clicks
#
# **{minutes} min.** A search log holds more pairs than anybody could label: query and clicked passage. But people click what they see, and they see what the old ranking put on top. If it is known how likely each position is looked at (from some rankings in random order, say), that can be taken out: a click where one in four looks stands for four (Joachims et al. 2017).
#
# **Contract.** `log` is a list of rows (query, position, passage, clicked): the passage was shown for the query at that position, counted from 1; clicked is 1 or 0. A passage may have stood at several positions. `looked` has the probability, above 0 and at most 1, that a position is looked at, entry 0 for position 1. A click counts 1 divided by the probability of its position; no click counts 0. Return a dict of dicts, query → passage → the mean of what its rows for this query count. What was never clicked has 0; rates above 1 stay. An empty log gives an empty dict.


# %%
# Exercise 12.6 · clicks and positions · medium · 9 min
def corrected_clicks(log, looked):  # list of (str, int, str, int), list of float -> dict of dicts of float
    ### BEGIN SOLUTION
    counts = {}
    for query, position, passage, clicked in log:
        counts.setdefault(query, {}).setdefault(passage, []).append(clicked / looked[position - 1])
    return {q: {p: sum(values) / len(values) for p, values in each.items()} for q, each in counts.items()}
    ### END SOLUTION


# %%
corrected_clicks = check("12.6", corrected_clicks)

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
# The price is noise: where clicks count four, a mean varies more. And what was never shown has no click to correct.
#
# **The other way round.** Find the smallest log from which raw and corrected clicks draw opposite conclusions.
#
# **Contract.** Return a log as 12.6 takes it, of the query "q" and the passages "a" and "b", each shown at least once; there are the positions 1, 2 and 3, which are looked at with the probabilities 1, 0.5 and 0.25. By its raw rate (clicks divided by times shown) one passage must be ahead, by the rate of 12.6 the other; no ties. The smallest number of rows is asked for.


# %%
# Exercise 12.7 · two rankings from one log · medium · 7 min
def smallest_log():  # () -> list of (str, int, str, int)
    ### BEGIN SOLUTION
    return [("q", 1, "a", 1), ("q", 3, "b", 1), ("q", 3, "b", 0)]
    ### END SOLUTION


# %%
smallest_log = check("12.7", smallest_log)

# %% [markdown]
# **Train with them.** Two things make a click, and a log shows their product (the **position-based model**). So each click counts one over the share that looks at its place (**inverse propensity**):
#
# $$P(\text{click}) = P(\text{looked at} \mid \text{place}) \cdot P(\text{attractive} \mid \text{query, passage})$$
#
# A log is simulated, so the truth is known. BM25 shows ten hits for each training query of `planted`. One in *k* looks at place *k*; a right answer that is looked at is clicked, a wrong one in three of ten cases. Each query is asked sixty times.

# %%
from workbook.data.planted import planted
from workbook.training_data import best_pairs, click_rates, corrected_rates, looked_at, simulate_clicks

dev = data.load("planted").split("dev").sample(200, 800)
held_out = {dev.corpus[p] for judged in dev.qrels.values() for p in judged}
world = planted(2_000, unlabelled=1.0, label_noise=0.0)
asked, truth = world.collection().split("train"), world.qrels("train", complete=True)
corpus = {p: text for p, text in asked.corpus.items() if text not in held_out}
shown = BM25().index(corpus).search(asked.queries, k=10)
seen = looked_at(10)  # 1, 1/2, 1/3, …
log = simulate_clicks(shown, truth, seen, sessions=60, noise=0.3)
raw, corrected = click_rates(log), corrected_rates(log, seen)

# %% tags=["nbval-ignore-output"]
query = next(q for q in raw if max(raw[q], key=raw[q].get) != max(corrected[q], key=corrected[q].get))
hits = list(raw[query])
show(
    training_data.clicks_by_place(
        list(raw[query].values()),
        list(corrected[query].values()),
        [truth[query].get(p, 0) > 0 for p in hits],
        asked.queries[query],
    )
)

# %% [markdown]
# From the log the most clicked passage of a query makes a pair; labels give one for the same queries. Three arms, equal pairs and steps, two seeds:

# %%
picked = {"raw clicks": dict(best_pairs(raw)), "corrected clicks": dict(best_pairs(corrected))}
picked["labels"] = {q: p for q in asked.queries if (p := next(iter(asked.qrels[q]))) in corpus}
both = [query for query in picked["labels"] if all(query in of for of in picked.values())]
right_share = {name: np.mean([truth[q].get(of[q], 0) > 0 for q in both]) for name, of in picked.items()}
quality = {
    name: np.array([ndcg(train([(asked.queries[q], asked.corpus[of[q]]) for q in both], seed), dev) for seed in (0, 1)])
    for name, of in picked.items()
}  # (seeds, queries)

# %%
gain = (quality["corrected clicks"] - quality["raw clicks"]).mean(axis=1)
print(
    "corrected clicks name the right passage more often:",
    bool(right_share["corrected clicks"] > right_share["raw clicks"]),
)
print("and train the better model, both seeds:", "holds" if (gain > 0).all() else "does not hold")

# %% tags=["nbval-ignore-output"]
keywords = evaluate(dev.qrels, BM25().index(dev.corpus).search(dev.queries, k=10), ("ndcg@10",))["ndcg@10"]
chance = ndcg_by_chance(dev.qrels, len(dev.corpus))
show(
    results.bars(
        {name: rows.mean() for name, rows in quality.items()},
        "nDCG@10",
        {name: bootstrap_ci(rows.mean(axis=0))[1:] for name, rows in quality.items()},
        chance=chance,
        bm25=keywords,
        title=f"{len(both):,} pairs each",
    )
)
print("right passages:", {name: f"{100 * share:.0f} %" for name, share in right_share.items()})
hits = np.mean([any(truth[q].get(p, 0) > 0 for p in shown[q]) for q in both])
print(f"BM25 shows a right passage for {100 * hits:.0f} % of the queries; of the others no click can name one")

# %%
for sessions in (3, 10, 60):
    few = simulate_clicks(shown, truth, seen, sessions, noise=0.3)
    best = [dict(best_pairs(rates)) for rates in (click_rates(few), corrected_rates(few, seen))]
    share = [np.mean([truth[q].get(of[q], 0) > 0 for q in of]) for of in best]
    print(
        f"{sessions:>2} sessions: raw clicks are right for {share[0]:.2f} of the queries, corrected ones for {share[1]:.2f}"
    )

# %% [markdown]
# With sixty sessions corrected clicks name a right passage for 70 % of the queries, raw ones for 64 %, and train the better model; labels stay far ahead. With three sessions the correction is worse than none, .27 against .60: one lucky click at place ten counts tenfold. A passage that BM25 never showed has no click, corrected or not. How many look where was known here. In a real log it is estimated, from a little traffic in random order (`looked_at_from_random`).

# %% [markdown]
# ## Further: seven sources, one trainer
#
# **{minutes} min.** Each layout has a reader, and `loss_for` names the loss. That the columns fit is shown here, no more: of a few copied rows nothing is learned. The files are written here, so that nothing is downloaded; with yours, exchange the path.

# %%
import json
import tempfile
from pathlib import Path

from workbook.data.readers.tables import Table, read_clicks, read_nli, read_trivia, scored_rows
from workbook.data.toy import similarity_pairs
from workbook.losses import cosent, info_nce
from workbook.losses.choice import loss_for
from workbook.training_data import anchor_pairs, question_answers

# %%
folder = Path(tempfile.mkdtemp())
(folder / "evidence" / "wikipedia").mkdir(parents=True)
nli = [("A dog runs.", "An animal moves.", "entailment"), ("A dog runs.", "The dog is asleep.", "contradiction")]
question = {"Question": "What pumps blood?", "Answer": {"Value": "heart"}, "EntityPages": [{"Filename": "Heart.txt"}]}
heart = "The heart is a muscle that pumps blood through the vessels of the body."
files = {
    "nli.jsonl": "\n".join(json.dumps(dict(zip(("premise", "hypothesis", "label"), row))) for row in nli),
    "evidence/wikipedia/Heart.txt": heart,
    "trivia.json": json.dumps({"Data": [question]}),
    "log.tsv": f"query\tpassage\tposition\tclicked\nheart\t{heart}\t3\t1\n",
    "page.html": f'See <a href="#heart">the pump of the body</a>.<p id="heart">{heart}</p>',
}
for name, text in files.items():
    (folder / name).write_text(text)

# %%
clicks = list(read_clicks(folder / "log.tsv"))
tables = {
    "docstring and code": Table(data.load("pydocs-code").pairs("train")[:64], None),
    "question and answer": Table(question_answers(f"Q: What pumps blood?\nA: {heart}"), None),
    "link and page": Table(anchor_pairs(folder), None),
    "query and click": Table([(click.query, click.passage) for click in clicks if click.clicked], None),
    "NLI": read_nli(folder / "nli.jsonl"),
    "scored sentences": scored_rows(similarity_pairs()),
    "TriviaQA": read_trivia(folder / "trivia.json", folder / "evidence"),
}
for name, table in tables.items():
    labels = None if table.labels is None else torch.tensor(table.labels)
    loss = {each.__name__: each for each in (cosent, info_nce)}[loss_for(*table)]
    rows = table.rows * 4 if table.labels is None else table.rows  # a single row has no negative
    history = fit(copy.deepcopy(before), rows, loss, steps=5, lr=1e-3, labels=labels, show=False)
    print(f"{name:<19} {len(rows):>3} rows of {len(rows[0])} texts: {loss_for(*table)}, {len(history)} steps")

# %% [markdown]
# Links of a whole documentation: of the one that your Python brings, if it brings one; else name a folder of HTML pages.

# %% tags=["nbval-ignore-output"]
from workbook.training_data import installed_documentation

for place in installed_documentation()[:1]:
    linked = anchor_pairs(place)
    print(len(linked), "pairs;", dict(linked.counts))

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(32, budget="record")
# %%
settle(33, budget="record")
# %%
settle(34, budget="record")
# %%
settle(72, budget="record")
# %% [markdown]
# ## Questions people ask
#
# **How do I make pairs from documents alone?** In this order, since each step costs more: titles, headings, links, questions with answers; first sentences; queries written by a model, filtered with k of 2 or more. Then measure on a few dozen queries that people wrote.
#
# **How many queries for each passage?** GPL writes so many that there are 250,000 in all, and three at least for a passage. More passages before more queries: two queries of one passage in one batch are each other's false negatives.
#
# **My test of generated queries says 0.9. May I believe it?** No. Compare BM25 on it with BM25 on twenty real queries.
#
# ## Quiz

# %%
quiz("12")

# %% [markdown]
# ## Recap
#
# - A model learns why the two texts of a pair belong together. Read thirty pairs of each source.
# - Columns choose the loss: pair, triplet, grade, yes or no.
# - J is the share of common runs; two texts meet in one band at least with probability 1 − (1 − J^r)^b. One word in the middle of twenty is enough to fall below .8.
# - Deduplicate, split by hash, decontaminate, filter: in this order.
# - A leak lifts the mean and not the model. A filter keeps what its model could do already.
# - Written questions repeat their passage. Keep them out of the exam, or in one of their own.
#
# **New terms:** anchor text · position bias · natural language inference · distant supervision · synthetic query · round-trip consistency · shingle · Jaccard index · MinHash · band · near-duplicate · decontamination · leak.
#
# **Open task.** Make pairs from a folder of your own in two ways. Read thirty of each and count those that you would not sign. Which source would you pay for?
#
# **Read next:** Dai et al. 2023, *Promptagator* (written queries and their filter); Lee et al. 2022, *Deduplicating Training Data Makes Language Models Better*.
#
# **Next chapter:** 13 · How can one vector have many sizes?
