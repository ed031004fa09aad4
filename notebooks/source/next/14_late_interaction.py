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
# # 14 · What is lost when a passage becomes one vector?
#
# So far a passage was one vector, made before anybody asked. Whatever a query would want from it had to be in there already. You can also keep a vector for every token, and let query and passage meet word by word.
#
# **You will be able to** compute MaxSim with masks, say what each query token found, train a ColBERT encoder, compress its vectors, decompress only few passages of a search, and say what all this costs.
#
# **You need** chapters 02 (masks), 03 (nDCG) and 04 (InfoNCE). **It takes** about {minutes} minutes, about 60 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, late_interaction, priced, results, show
from workbook.similarity import normalize

quiz("02.q3", "13.q1")

# %% [markdown]
# ## Predict

# %%
predict("14.p1")

# %% [markdown]
# ## A failure first
#
# `base/start` makes one vector of each text. Now the beginnings of one or two texts from elsewhere are put behind each passage of a small collection, so that it says more than one thing. Nothing that answered a query is gone, and nothing that answers one has come. Does the encoder still find the right passage?

# %%
from workbook.data.planted import planted
from workbook.encoder import load
from workbook.metrics import bootstrap_ci, evaluate, ndcg_by_chance
from workbook.similarity import dense_search

docs = planted(3_000, unlabelled=1.0, label_noise=0.0).collection()
dev = docs.split("dev").sample(120, 220)
names, bodies = list(dev.corpus), list(dev.corpus.values())
elsewhere = [" ".join(text.split()[:25]) for p, text in docs.corpus.items() if p not in dev.corpus]


# %%
def ndcg(run):  # one value for each dev query
    return np.array(list(evaluate(dev.qrels, run, ("ndcg@10",), per_query=True)["ndcg@10"].values()))


def joined(others):  # each passage, and so many texts from elsewhere behind it
    return {p: " ".join([bodies[i], *elsewhere[2 * i : 2 * i + others]]) for i, p in enumerate(names)}


one = load("base/start")
alone = {others: ndcg(dense_search(one, joined(others), dev.queries, k=10)) for others in (0, 1, 2)}

# %% tags=["nbval-ignore-output"]
whiskers = {f"{n} behind": bootstrap_ci(values)[1:] for n, values in alone.items()}
show(
    results.bars({f"{n} behind": v.mean() for n, v in alone.items()}, "nDCG@10", whiskers, title="one vector for more")
)

# %%
print("each text more costs:", bool(alone[0].mean() > alone[1].mean() > alone[2].mean()))

# %% [markdown]
# One vector has to be near everything that a passage says, so it is not very near to any of it.
#
# ## The idea
#
# **Late interaction** (Khattab and Zaharia 2020, ColBERT) keeps all token vectors and compares them when the query comes. Each query token takes its best match, and the matches are added up:
#
# $$\text{score}(q, d) = \sum_{s} \max_{t} \; q_s \cdot d_t$$
#
# | letter | shape | |
# |---|---|---|
# | q | (S, D) | a query's token vectors, each of length 1 |
# | d | (T, D) | a passage's |
# | score | | **MaxSim**: the sum of the row maxima of q dᵀ |
#
# "Late", because the two texts are read apart, and all their tokens meet at the end, in dot products. A cross-encoder lets them meet in every layer (chapter 15). So passages can still be encoded beforehand. The price is to keep them: T vectors in place of one.
#
# ## By hand
#
# "heart attack" and "myocardial infarction", cut into pieces. The similarities are those of all-MiniLM-L6-v2's token vectors, for four pieces of the six. Add the two row maxima before you look. Below, what a passage of 60 tokens takes, with 128 numbers for each token, and 128 for one vector:

# %%
tokens_of_a_passage = 60
sizes = {
    "one vector, float16": 2 * 128,
    "every token, float16": tokens_of_a_passage * 2 * 128,
    "every token, compressed (see below)": tokens_of_a_passage * (128 * 2 // 8 + 4),
}
heart = [[0.31, 0.65, 0.36, 0.20], [0.21, 0.18, 0.19, 0.33]]
show(late_interaction.two_words(["heart", "attack"], ["##oca", "##rdial", "##far", "##ction"], heart, sizes))

# %% [markdown]
# ## Build it: MaxSim of one pair
#
# **Contract.** `query` is (S, D), `passage` (T, D): vectors of any length; do not normalize them. `mask` (T,) holds numbers, whole or not: 1 at a token of the passage, 0 at padding; padding may stand anywhere, and one position at least is a token. At padding `passage` holds any finite numbers: zeros, or large ones. Each of the S query tokens takes its largest dot product with a token of the passage; a negative one counts as it is. Return the sum of these S numbers, a scalar tensor. Gradients flow to `query` and `passage`. Nothing that is passed in changes.


# %%
# Exercise 14.1 · MaxSim of one pair · easy · 8 min
def maxsim(query, passage, mask):  # (S, D), (T, D), (T,) -> scalar
    ### BEGIN SOLUTION
    similarity = query @ passage.T  # (S, T)
    similarity = similarity.masked_fill(mask == 0, float("-inf"))
    return similarity.max(dim=1).values.sum()
    ### END SOLUTION


# %%
maxsim = check("14.1", maxsim)

# %% [markdown]
# ## Build it: MaxSim of a batch
#
# **Contract.** `query` is (Q, S, D), `passages` (N, T, D): vectors of any length; do not normalize them. `query_mask` (Q, S) and `mask` (N, T) hold numbers, 1 at a token and 0 at padding; padding may stand anywhere in a row, and each row has one token at least. At padding both hold any finite numbers. Return a tensor (Q, N): in row q and column n the MaxSim of query q with passage n, as in 14.1. Every query meets every passage; padding of a query adds nothing to the sum, and padding of a passage is never its best match. Gradients flow to `query` and `passages`. Nothing that is passed in changes.


# %%
# Exercise 14.2 · MaxSim of a batch · medium · 10 min
def maxsim_batch(query, query_mask, passages, mask):  # (Q, S, D), (Q, S), (N, T, D), (N, T) -> (Q, N)
    ### BEGIN SOLUTION
    similarity = torch.einsum("qsd,ntd->qnst", query, passages)
    similarity = similarity.masked_fill(mask[:, None] == 0, float("-inf"))  # the mask as (N, 1, T)
    best = similarity.max(dim=3).values  # (Q, N, S)
    return (best * query_mask[:, None]).sum(dim=2)
    ### END SOLUTION


# %%
maxsim_batch = check("14.2", maxsim_batch)

# %%
generator = torch.Generator().manual_seed(0)
query, passages = torch.randn(2, 3, 4, generator=generator), torch.randn(5, 6, 4, generator=generator)
asked, mask = torch.ones(2, 3), (torch.arange(6) < torch.tensor([[6], [2], [4], [1], [6]])).float()
each = torch.stack([torch.stack([maxsim(q, d, m) for d, m in zip(passages, mask)]) for q in query])
print("they agree:", torch.allclose(maxsim_batch(query, asked, passages, mask), each, atol=1e-5))

# %% [markdown]
# ## Build it: padding that wins
#
# **The other way round.** A colleague leaves out the mask: "padding is zeros, and zeros match nothing". Find the smallest input on which that differs from 14.1.
#
# **Contract.** Return `query, passage, mask` as 14.1 takes them, as tensors or as lists: (S, D), (T, D) and (T,). All numbers are finite; where the mask is 0, the passage holds zeros, and one 1 at least stands in the mask. Size counts the numbers in `query` and `passage` together; the smallest possible is asked for.


# %%
# Exercise 14.5 · padding that wins · easy · 5 min
def smallest_padding():  # () -> (S, D), (T, D), (T,)
    ### BEGIN SOLUTION
    return [[1.0]], [[-1.0], [0.0]], [1, 0]
    ### END SOLUTION


# %%
smallest_padding = check("14.5", smallest_padding)

# %% [markdown]
# One number is enough: wherever a query token is unlike all there is, a zero is the best offer. Somebody asked ColBERT's authors just that (issue 62); similarities were "practically always positive", was the answer. Ours are not. The two passages of the prediction, and a third vector of zeros for A:

# %%
A, B = torch.tensor([[0.9, 0.1], [-0.3, -0.2]]), torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.1, -0.1]])  # similarities
filled = torch.cat([A, torch.zeros(2, 1)], dim=1)
own, with_zeros = ({"A": a.max(dim=1).values.tolist(), "B": B.max(dim=1).values.tolist()} for a in (A, filled))
explore(lambda mask: late_interaction.zeros_that_win(own, with_zeros, mask), mask=["with a mask", "without a mask"])

# %% [markdown]
# ## Build it: what a query is made of
#
# A query is short, and says little. ColBERT fills it up with [MASK]. A model that was trained to guess hidden words answers each [MASK] with a vector for what *could* stand there, and these vectors search, too. So a [MASK] is a token here, not padding: whoever masks it out of the sum asks less than the model was trained to ask. The marker, [Q] in a query and [D] in a passage, tells the encoder which side it reads. Passages get no [MASK]. Their punctuation is read, and its vectors are dropped: no query looks for a comma.
#
# **Contract.** `ids` is a query as a tokenizer gives it: a list with the id of [CLS], the ids of its words, perhaps none, and the id of [SEP]. A word may have any id, that of [SEP] as well: somebody's query holds a literal "[SEP]". `marker` is the id of the token that marks queries, `mask_id` that of [MASK], `length` a whole number of 4 or more. Return a list of exactly `length` ids: [CLS], the marker, the words, [SEP], and behind it `mask_id`, as often as ids are missing. If [CLS], the marker, all words and [SEP] are more than `length`, leave out the last words, as many as must be and no more; the other three stay. Nothing that is passed in changes.


# %%
# Exercise 14.3 · what a query is made of · medium · 8 min
def query_ids(ids, marker, mask_id, length):  # list of int, int, int, int -> list of int
    ### BEGIN SOLUTION
    cls, *words, sep = ids
    kept = [cls, marker, *words[: length - 3], sep]
    return kept + [mask_id] * (length - len(kept))
    ### END SOLUTION


# %%
query_ids = check("14.3", query_ids)

# %% [markdown]
# ## See it: who answers whom
#
# **Which word of the passage answers each word of the query?** An encoder with a vector for each token, before any training: base/start, projected on the 64 principal directions of its token vectors, with queries of 12 tokens. Tokens that are no words are its **glue**: [CLS], [Q], [SEP] and [MASK], and [UNK], which stands for what the tokenizer does not know.

# %%
predict("14.p2")

# %%
from workbook.base.heads import colbert_of

start = load("base/start")
start.max_length = 40
fresh = colbert_of(start, 12, texts=elsewhere[:300])
mine = "symptoms of diabetes"
answers = [
    "A diabetic feels thirsty and tired.",
    "The symptoms of the flu are fever and a cough.",
    "He sorted the list in place.",
    "Sugar in the blood is high, and wounds heal slowly.",
    "Diabetes runs in families.",
]


def meet(encoder, query, passage):
    q, (d, _) = encoder.encode_query([query])[0], encoder.encode_document([passage])
    cosine = float((start.encode_query([query]) @ start.encode_document([passage]).T)[0, 0])
    return late_interaction.Meeting(encoder.query_tokens(query), encoder.document_tokens(passage), q @ d.T, cosine)


# %% tags=["nbval-ignore-output"]
explore(
    lambda passage, query: late_interaction.who_answers_whom(
        meet(fresh, mine, answers[passage - 1]), "all" if query == "with glue" else "glue", answers[passage - 1]
    ),
    passage=[1, 2, 3, 4, 5],
    query=["with glue", "words alone"],
)

# %%
met = meet(fresh, mine, answers[0])
for token, place in zip(met.query, met.similarity.argmax(dim=1).tolist()):
    if token not in late_interaction.GLUE:
        print(f"{token:<10} chose {met.passage[place]}")

# %% [markdown]
# %%
for number, answer in enumerate(answers, start=1):
    met = meet(fresh, mine, answer)
    best = met.similarity.max(dim=1).values
    words = sum(value for token, value in zip(met.query, best.tolist()) if token not in late_interaction.GLUE)
    print(f"{number}: glue {best.sum() - words:.2f}, words {words:.2f}")

# %% [markdown]
# Glue brings more than half of every score, and differs less from passage to passage than the words do. Set the slider to *words alone*, or exchange `mine` and `answers` for your own, in English. A query ends after 12 tokens, glue included.
#
# ## Train it
#
# Two arms, two seeds, the same pairs, the same steps, the same start: one vector for a text, or one for each token. The loss is InfoNCE for both; in the second MaxSim takes the place of the cosine, and is not divided by .05: a sum over tokens is large enough. Each arm has its own learning rate. Queries are not filled up with [MASK]; *Break it* says why. Then both meet the failure of the beginning.

# %%
from workbook.bm25 import BM25
from workbook.late_interaction import fit_colbert, maxsim_search
from workbook.train import fit

searched = set(bodies)
pairs = [pair for pair in docs.pairs("train") if pair[1] not in searched][:600]
longer = {others: joined(others) for others in (0, 1, 2)}


def with_tokens(seed, expansion=False, steps=20):
    encoder = colbert_of(load("base/start"), 16, expansion, elsewhere[:300])
    short = [(query, passage[:240]) for query, passage in pairs]
    fit_colbert(encoder, short, steps=steps, batch_size=24, lr=1e-3, seed=seed)
    return encoder.eval()


# %%
def with_one(seed, steps=20):
    encoder = load("base/start")
    short = [(query, passage[:240]) for query, passage in pairs]
    fit(encoder, short, steps=steps, batch_size=24, lr=5e-4, seed=seed, temperature=0.05)
    return encoder.eval()


vectors = [with_one(seed) for seed in (0, 1)]
late = [with_tokens(seed) for seed in (0, 1)]

# %%
quality = {
    "one vector": {n: [ndcg(dense_search(e, of, dev.queries, k=10)) for e in vectors] for n, of in longer.items()},
    "every token": {n: [ndcg(maxsim_search(e, of, dev.queries, k=10)) for e in late] for n, of in longer.items()},
}
by_seed = {arm: {n: [v.mean() for v in of] for n, of in by.items()} for arm, by in quality.items()}
keywords = {n: ndcg(BM25().index(of).search(dev.queries, k=10)).mean() for n, of in longer.items()}
chance = ndcg_by_chance(dev.qrels, len(dev.corpus))

# %% tags=["nbval-ignore-output"]
show(late_interaction.as_passages_grow(by_seed, keywords))
untrained = colbert_of(load("base/start"), 16, False, elsewhere[:300]).eval()
for n, of in longer.items():
    before = ndcg(maxsim_search(untrained, of, dev.queries, k=10)).mean()
    print(f"{n} behind, before training: one vector {alone[n].mean():.3f}, every token {before:.3f}")
    apart = [a - b for a, b in zip(quality["every token"][n], quality["one vector"][n])]
    print(
        "texts behind: {}; every token minus one vector {:+.3f} [{:+.3f}, {:+.3f}]".format(
            n, *bootstrap_ci(np.mean(apart, axis=0))
        )
    )

# %%
lost = {arm: [a - b for a, b in zip(of[0], of[2])] for arm, of in by_seed.items()}
print("a guess would have less than a tenth of either:", chance < 0.1 * min(min(of[2]) for of in by_seed.values()))
print("every token loses less by two texts more, both seeds:", max(lost["every token"]) < min(lost["one vector"]))
print("BM25 loses least:", keywords[0] - keywords[2] < min(lost["every token"]))

# %% [markdown]
# On the passages as they are, one vector is not behind: `base/start` was made for it, its mean vector was taught to say what MiniLM's says. With more in each passage every token loses less, with both seeds, but 120 queries do not settle who is ahead. BM25 loses least, from a lower start: it compresses nothing. (With whole texts behind, most passages were longer than the 192 tokens that the encoder reads, and what had been cut off looked like a merit of MaxSim.) Claim 38's record has more steps, five seeds, a rate for each arm, and public collections.
#
# The same query after training:

# %% tags=["nbval-ignore-output"]
explore(
    lambda encoder: late_interaction.who_answers_whom(
        meet({"before": untrained, "after": late[0]}[encoder], mine, answers[0]), "all", answers[0]
    ),
    encoder=["before", "after"],
)

# %% [markdown]
# **Soft matches, counted.** "diabetes finds diabetic" is an example. For claim 39's record it was noted for each word of the test queries which token of the right passage it chose:

# %%
from workbook.claims import read_record

soft = read_record(39).measurements
explore(
    lambda collection: late_interaction.matched(soft[collection]["shares"], soft[collection]["words"], collection),
    collection=list(soft),
)

# %% [markdown]
# «N39»
#
# ## Build it: a residual code
#
# Sixty vectors in place of one: that is the price. But tokens crowd together. Most of a vector is said by the nearest of some thousand **centroids**, the means of clusters of token vectors (k-means, chapter 17), and what is left, the **residual**, is small. So each of its numbers is told by the bucket it falls into: **cut-offs** part the numbers into 2^b buckets with as many in each, and a bucket's **weight**, the median of what falls into it, stands for them.

# %%
predict("14.p3")

# %% [markdown]
# **Contract.** `x` is (L, D), the tokens of all passages, `centroids` (C, D): vectors of any length, one of each at least; do not normalize them. `cutoffs` has 2^b − 1 numbers, ascending and different, for b bits. A vector's code is the number of the centroid with which it has the largest dot product, counted from 0; of equal ones the first. Its residual is the vector minus that centroid. The bucket of a dimension is how many cut-offs are strictly smaller than the residual there, from 0 to 2^b − 1. Return a tuple of two tensors of int64: the codes (L,) and the buckets (L, D). Nothing that is passed in changes.


# %%
# Exercise 14.4 · a residual code · medium · 10 min
def compress(x, centroids, cutoffs):  # (L, D), (C, D), (2^b - 1,) -> (L,), (L, D)
    ### BEGIN SOLUTION
    codes = (x @ centroids.T).argmax(dim=1)  # of equal ones the first
    residual = x - centroids[codes]
    return codes, (residual[:, :, None] > cutoffs).sum(dim=2)
    ### END SOLUTION


# %%
compress = check("14.4", compress)

# %% [markdown]
# Back again: the centroid, plus the weight of each bucket, at length 1. How near is that to the vector it stands for?

# %%
from workbook.late_interaction import ResidualCodec

held, lengths = late[0].encode_document(bodies)
by_centroid = ResidualCodec.train(held, nbits=1).centroids
near = {0: (normalize(by_centroid[(held @ by_centroid.T).argmax(dim=1)]) * held).sum(dim=1).mean().item()}
for nbits in (1, 2, 4):
    codec = ResidualCodec.train(held, nbits=nbits)
    codes, buckets = compress(held, codec.centroids, codec.bucket_cutoffs)
    back = normalize(codec.centroids[codes] + codec.bucket_weights[buckets])
    near[nbits] = (back * held).sum(dim=1).mean().item()
    print(f"{nbits} bits: the package's codes:", torch.equal(codes, codec.compress(held)[0].long()))
print("more bits come nearer:", near[0] < near[1] < near[2] < near[4])

# %% tags=["nbval-ignore-output"]
print("mean cosine with the original:", {f"{nbits} bits": round(cosine, 3) for nbits, cosine in near.items()})

# %% [markdown]
# ## Build it: PLAID for one query
#
# Small is not fast: exact MaxSim reads every token of every passage. **PLAID** (Santhanam et al. 2022) notices that the codes alone say a lot. Which passages have a token near some query token? How would they score if each token were its centroid? Only the best of these are decompressed. (The published one has a stage more, which skips centroids that are far from the query; `PlaidIndex` has it.)
#
# **Contract.** `query` is (S, D). N passages are compressed: `codes` is a list of N tensors (T,) of int64, the centroid of each token; `buckets` a list of N tensors (T, D) of int64; T differs from passage to passage, and a passage with T = 0 is never found. `centroids` is (C, D); `weights` (2^b,) has the number that stands for each bucket. Neither `query` nor `centroids` is normalized. `k`, `nprobe` and `ndocs` are 1 or more, `nprobe` at most C; `k` may be more than `ndocs`. Passages are numbered from 0. Three stages:
#
# 1. **Candidates.** Each query token looks into `nprobe` centroids: those with which it has the largest dot products (for one token, no two are equal). A candidate is a passage with one token at least whose code is among the centroids of *some* query token.
# 2. **By centroids.** Score the candidates by MaxSim with each token replaced by its centroid, as it is, and all tokens counting. Keep the `ndocs` best; of equal ones the smaller number first. If there are fewer, keep all.
# 3. **Exactly.** Decompress the tokens of these only: the centroid plus, in each dimension, the weight of its bucket, `weights[bucket]`, the sum divided by its length, which is never 0. Score by MaxSim.
#
# Return a list of ints: the `k` best by the exact score, best first; of equal ones the smaller number first. If there are fewer, all; an empty list if there is no candidate. Nothing that is passed in changes.


# %%
# Exercise 14.6 · PLAID for one query · hard · 20 min
def plaid_search(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    # (S, D), (C, D), N times (T,), N times (T, D), (2^b,), int, int, int -> list of int
    ### BEGIN SOLUTION
    near = query @ centroids.T  # (S, C)
    probed = set(near.topk(nprobe, dim=1).indices.flatten().tolist())
    candidates = [n for n in range(len(codes)) if probed & set(codes[n].tolist())]

    def by_centroids(n):
        return near[:, codes[n]].max(dim=1).values.sum().item()

    def exact(n):
        vectors = normalize(centroids[codes[n]] + weights[buckets[n]])
        return maxsim(query, vectors, torch.ones(len(vectors))).item()

    kept = sorted(candidates, key=by_centroids, reverse=True)[:ndocs]  # equal ones stay in their order
    return sorted(sorted(kept), key=exact, reverse=True)[:k]
    ### END SOLUTION


# %%
plaid_search = check("14.6", plaid_search)
# %% [markdown]
# On real vectors, with two bits: how many of the first ten are those of an exact search through all that is compressed?

# %%
codec = ResidualCodec.train(held, nbits=2)
codes, buckets = (each.split(lengths.tolist()) for each in compress(held, codec.centroids, codec.bucket_cutoffs))
back = codec.decompress(*codec.compress(held)).split(lengths.tolist())
asked = [q[q.any(dim=1)] for q in late[0].encode_query(list(dev.queries.values())[:20])]  # without rows of zeros
everything = [
    sorted(range(len(back)), key=lambda n: -maxsim(q, back[n], torch.ones(len(back[n]))).item())[:10] for q in asked
]
shared = {}
for nprobe, ndocs in ((1, 10), (1, 20), (2, 40)):
    pruned = [plaid_search(q, codec.centroids, codes, buckets, codec.bucket_weights, 10, nprobe, ndocs) for q in asked]
    shared[f"nprobe {nprobe}, ndocs {ndocs}"] = float(
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(pruned, everything)])
    )
print("whoever reads more finds more of them:", list(shared.values()) == sorted(shared.values()))

# %% tags=["nbval-ignore-output"]
for setting, share in shared.items():
    print(
        f"{setting}: of {len(back)} passages at most {setting.split()[-1]} decompressed, {share:.2f} of the first ten"
    )

# %% [markdown]
# **What it costs, and what compression buys back.** Claim 40's record: bytes of a passage against quality.

# %%
price = read_record(40).measurements


def kind_of(way):
    return "dense" if "one vector" in way else "late interaction"


def ways(collection):
    found = price[collection]
    return {
        way: priced.Priced(found["bytes"][way], np.mean(seeds), np.min(seeds), np.max(seeds), kind_of(way))
        for way, seeds in found["ndcg@10"].items()
    }


explore(
    lambda texts: priced.quality_and_price(ways(texts), "bytes of a passage", title=texts), texts=["planted", "pydocs"]
)

# %% [markdown]
# «N40: whiskers are lowest and highest seed»
#
# ## Break it
#
# **[MASK]: what fills a query up.** Trained with it, as ColBERT was, and searched with it, without it, and with [CLS] in its place; beside it the encoder that never met one:

# %%
from workbook.late_interaction import maxsim as package_maxsim
from workbook.similarity import as_run

expanded = with_tokens(0, expansion=True)
texts = list(dev.queries.values())
MASK, CLS = (expanded.query_tokenizer.token_to_id(name) for name in ("[MASK]", "[CLS]"))
changes = {
    "with [MASK], both times": lambda ids: ids,
    "[MASK] left out at search": lambda ids: [i for i in ids if i != MASK],
    "[CLS] for [MASK] at search": lambda ids: [CLS if i == MASK else i for i in ids],
}

# %%
filled, found = expanded.encode_document(bodies), {"never": quality["every token"][0][0]}
for name, change in changes.items():
    with torch.no_grad():
        asks = expanded(*expanded.pad([change(ids) for ids in expanded.query_ids(texts)]))
    scores, order = package_maxsim(asks, *filled).sort(dim=1, descending=True, stable=True)
    found[name] = ndcg(as_run(dev.queries, names, scores[:, :10], order[:, :10]))

# %% tags=["nbval-ignore-output"]
whiskers = {name: bootstrap_ci(values)[1:] for name, values in found.items()}
show(results.bars({name: v.mean() for name, v in found.items()}, "nDCG@10", whiskers, title="what fills a query up"))

# %%
print(
    "filling up helps here:",
    "holds" if found["with [MASK], both times"].mean() > found["never"].mean() else "does not hold",
)

# %% [markdown]
# Against the textbook, in this run, with one seed: [MASK] costs. It should be worth something where a model guesses words. Ours guessed them for 400 steps and then learned vectors for 12,000, which may be why. Its [MASK]s outnumber the words. With a model that was made for [MASK] that may be otherwise: measure it on dev queries, and search as you trained.
#
# **A literal "[PAD]".** Somebody's passage explains padding, and writes it as tokenizers do. Which id does the tokenizer give it, and does the token take part?

# %%
text = "Peripheral Artery Disease [PAD] narrows the vessels of the legs."
of = late[0].query_tokenizer
print([(of.id_to_token(i), i) for i in late[0].document_ids([text])[0]][:9])
print("the id of padding:", of.token_to_id("[PAD]"))

# %% [markdown]
# It has the id of padding. Whoever finds padding by its id drops a word of the text; that happened to 11 passages of MS MARCO (ColBERT, issue 18). Here the mask follows lengths, and the token stays.
#
# **A score that depends on its batch.** The same passage alone, and beside a long one:

# %%
long = " ".join(bodies[:3])
alone, _ = late[0].encode_document([bodies[0]])
beside, count = late[0].encode_document([bodies[0], long])
query = late[0].encode_query(texts[:1])[0]
same = [package_maxsim(query, v, torch.tensor([len(v)])) for v in (alone, beside[: count[0]])]
print("the same score:", torch.allclose(*same, atol=1e-4))

# %% [markdown]
# It is the same because padding never takes part.
#
# ## In the libraries

# %%
from sentence_transformers.util import maxsim as theirs

few = lengths[:50].tolist()
query, some = late[0].encode_query(texts[:4]), held[: sum(few)]
print(
    "MaxSim agrees:",
    torch.allclose(package_maxsim(query, some, lengths[:50]), theirs(query, list(some.split(few))), atol=1e-4),
)

# %% [markdown]
# pylate trains and searches such models; `ColbertEncoder.save` writes a folder that it reads. colbert-ai has the codec and PLAID; tests hold ours equal to its codes, byte for byte.
#
# ## Claims settled here

# %%
from workbook.claims import settle

settle(38, budget="record")
# %%
settle(39, budget="record")
# %%
settle(40, budget="record")
# %%
settle(41, budget="record")
# %% [markdown]
# ## Questions people ask
#
# **Multi-vector memory: how much?** Bytes of a passage: tokens × (2 D in float16, or D · bits / 8 + 4 with residuals). ColBERT's index of MS MARCO: 154 GiB as float16; ColBERTv2's 16 with 1 bit and 25 with 2, of which 4.5 are the lists of passages by centroid. One vector of 768 float32 for each of 9 million passages is also about 25 GiB.
#
# **Which tokens count?** In a query all, [MASK] included, if the model was trained so. In a passage all but punctuation; padding never.
#
# **Scores do not end at 1. Can I compare them between queries?** No. They end at the number of query tokens. A longer query has more tokens to add up, and [CLS] and [MASK] bring a sum of their own. Only the order within a query counts.
#
# ## Quiz

# %%
quiz("14")

# %% [markdown]
# ## Recap
#
# - MaxSim: each query token takes its best match in the passage; the matches are added up.
# - Padding is masked, not zero: a zero beats every negative similarity.
# - [MASK] in a query is a token that searches. Padding is not.
# - A token's vector is a centroid and a few bits for each number of the residual.
# - PLAID scores by centroids first, and decompresses only the best of these. What it prunes might have won.
# - The price is bytes: count tokens, not passages.
#
# **New terms:** late interaction · MaxSim · glue · centroid · residual code · PLAID.
#
# **Open task.** Take ten queries of your own and a folder of texts. Where do one vector and MaxSim disagree in the first place, and which tokens made the difference?
#
# **Read next:** Khattab and Zaharia 2020 (ColBERT); Santhanam et al. 2022 (ColBERTv2: residuals; and PLAID).
#
# **Next chapter:** 15 · What does reading both texts together buy?
