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
# # 02 · How do many token vectors become one?
#
# An encoder gives you one vector per token. A search engine wants one vector per text. The step between them is called **pooling**. It is a single line of code, it raises no error when it is wrong, and it decides whether your embeddings can be trusted.
#
# **You will be able to** write the five poolings that published models use, say which one a model needs, find the padding mistakes that make one text get two embeddings, and say when cosine, dot product and Euclidean distance agree.
#
# **You need** chapter 01: what `hidden` and `mask` are. **It takes** about 65 minutes to read and do, about 40 seconds of machine time on one core, and about 1 GB of memory.

# %%
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore

_ = torch.manual_seed(0)
# %% [markdown]
# ## A failure first
#
# Here is a small encoder, straight from chapter 01, with random weights. It turns three tokens into three vectors, and a careless line averages them.

# %%
from workbook.encoder import TransformerEncoder

encoder = TransformerEncoder(vocab_size=1000, hidden_size=64, num_layers=2, num_heads=4).eval()
cat = torch.tensor([[2, 417, 3]])  # [CLS] cat [SEP]

# %% [markdown]
# Now the same text is encoded twice: alone, and in a batch beside a text of sixty tokens. The batch is a rectangle, so the short text is filled up with padding.

# %%
with torch.no_grad():
    alone = encoder(cat, torch.ones(1, 3)).mean(dim=1)
    padded_ids = torch.cat([cat, torch.zeros(1, 57, dtype=torch.long)], dim=1)
    mask = (torch.arange(60) < 3).long()[None]
    beside_a_long_text = encoder(padded_ids, mask).mean(dim=1)
print(f"cosine of the text with itself: {torch.cosine_similarity(alone, beside_a_long_text).item():.2f}")

# %% [markdown]
# Same text, same weights, another neighbour: another embedding. No error, no warning. If your index was built in large batches and your queries come one at a time, you are comparing vectors that were made in two different ways.

# %% [markdown]
# ## Predict
#
# Commit to an answer before you go on. Being wrong here is what makes the rest stick.

# %%
predict("02.p1")

# %%
predict("02.p2")

# %% [markdown]
# ## The idea
#
# Every pooling in this chapter is a weighted sum over the tokens of a text. They differ only in the weights:
#
# $$\text{pooled}_d = \sum_{t=1}^{T} w_t \, \text{hidden}_{t,d}, \qquad \sum_t w_t = 1, \qquad w_t = 0 \text{ wherever } \text{mask}_t = 0$$
#
# | pooling | $w_t$ | used by |
# |---|---|---|
# | CLS | 1 for the first token | BGE, SimCSE |
# | mean | $1 / \text{number of tokens}$ | Sentence-BERT, E5, GTE, Nomic |
# | last token | 1 for the last token | E5-mistral and other causal decoders |
# | weighted mean | proportional to the token's number | SGPT |
# | attention | softmax of $\text{hidden}_t \cdot \text{query}$ | learned with the model |
#
# (Max pooling, the sixth in the package, is the one that is not a weighted sum.)
#
# | letter | meaning | shape |
# |---|---|---|
# | `hidden` | token vectors of B texts | (B, T, D) |
# | `mask` | 1 = token, 0 = padding | (B, T) |
# | pooled | one vector per text | (B, D) |
#
# Which one is right? The one the model was **trained** with. Training pushes the meaning of a text into whatever place you read it from.

# %% [markdown]
# ## By hand
#
# Take two texts, the second one token shorter. Its padding holds 99s, as it might after any layer with a bias. Work out the mean of the second text on paper before you run the cell.

# %%
hidden = torch.tensor([[[1.0, 10.0], [3.0, -10.0], [5.0, 3.0]], [[2.0, 4.0], [4.0, 0.0], [99.0, 99.0]]])
mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
print("careless mean:", [round(x, 2) for x in hidden.mean(dim=1)[1].tolist()])
print("by hand:      ", [(2 + 4) / 2, (4 + 0) / 2])

# %% [markdown]
# ## Build it: the mean of the tokens, and of the tokens only
#
# First as a loop that says what is meant. It goes through the texts and keeps the vectors whose mask is 1.


# %%
def mean_pool_loop(hidden, mask):
    pooled = []
    for text, row in zip(hidden, mask):
        tokens = [vector for vector, is_token in zip(text, row) if is_token]
        pooled.append(torch.stack(tokens).mean(dim=0))
    return torch.stack(pooled)


print(mean_pool_loop(hidden, mask))

# %% [markdown]
# A loop over texts is slow, and it fails for a text without tokens. Write the same thing without a loop. `check` will tell you what is wrong, by name; `hint("02.1")` gives a little more each time you call it.


# %%
# Exercise 02.1 · masked mean pooling · medium · 10 min
def mean_pool(hidden, mask):  # (B, T, D), (B, T) -> (B, D)
    ### BEGIN SOLUTION
    weight = mask[:, :, None].to(hidden.dtype)  # (B, T, 1)
    total = (hidden.masked_fill(weight == 0, 0.0) * weight).sum(dim=1)  # (B, D)
    return total / weight.sum(dim=1).clamp(min=1e-9)
    ### END SOLUTION


# %%
mean_pool = check("02.1", mean_pool)

# %%
print("verify they agree:", torch.allclose(mean_pool(hidden, mask), mean_pool_loop(hidden, mask)))

# %% [markdown]
# ## Build it: one token speaks for all
#
# BERT puts a special token in front and lets it read everything. A causal decoder, such as the models behind E5-mistral, reads from left to right: only its last token has read the whole text. So you must find the last token of each row, and here the side of the padding matters:
#
# | padding | mask row | last token at |
# |---|---|---|
# | right | `1 1 1 0 0` | number of tokens − 1 |
# | left | `0 0 1 1 1` | T − 1 |
#
# Decoders are usually padded on the left, encoders on the right, and people mix the two up in both directions. Write one function that is right for both.


# %%
# Exercise 02.2 · last-token pooling on either padding side · hard · 15 min
def last_token_pool(hidden, mask):  # (B, T, D), (B, T) -> (B, D)
    ### BEGIN SOLUTION
    from_the_end = mask.long().flip(dims=[1]).argmax(dim=1)  # (B,)
    position = mask.shape[1] - 1 - from_the_end
    return hidden[torch.arange(len(hidden)), position]
    ### END SOLUTION


# %%
last_token_pool = check("02.2", last_token_pool)

# %% [markdown]
# There is a way between one token and all of them. In a decoder, later tokens have read more, so SGPT lets the n-th token weigh n. Number the tokens, not the positions: with padding on the left they differ.


# %%
# Exercise 02.3 · position-weighted mean pooling · medium · 10 min
def weighted_mean_pool(hidden, mask):  # (B, T, D), (B, T) -> (B, D)
    ### BEGIN SOLUTION
    weight = (mask.cumsum(dim=1) * mask).to(hidden.dtype)  # (B, T)
    total = torch.einsum("btd,bt->bd", hidden.masked_fill(mask[:, :, None] == 0, 0.0), weight)
    return total / weight.sum(dim=1, keepdim=True).clamp(min=1e-9)
    ### END SOLUTION


# %%
weighted_mean_pool = check("02.3", weighted_mean_pool)

# %% [markdown]
# ## Build it: weights that are learned
#
# Why should you choose the weights at all? Give the model a vector `query` of D numbers, score each token by its dot product with it, and let a softmax turn scores into weights. Training can then learn that "the" counts less than "tensor". The price is D parameters.


# %%
# Exercise 02.4 · attention pooling · medium · 12 min
def attention_pool(hidden, mask, query):  # (B, T, D), (B, T), (D,) -> (B, D)
    ### BEGIN SOLUTION
    score = (hidden @ query).masked_fill(mask == 0, torch.finfo(hidden.dtype).min)  # (B, T)
    weight = score.softmax(dim=1) * mask
    return torch.einsum("btd,bt->bd", hidden.masked_fill(mask[:, :, None] == 0, 0.0), weight)
    ### END SOLUTION


# %%
attention_pool = check("02.4", attention_pool)

# %% [markdown]
# ## Build it: length 1
#
# A pooled vector has a direction and a length. Direction carries meaning. Length carries accidents, such as how many tokens agree with each other. Most models therefore divide each vector by its length.


# %%
# Exercise 02.5 · L2 normalization · easy · 5 min
def normalize(x):  # (..., D) -> (..., D)
    ### BEGIN SOLUTION
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    ### END SOLUTION


# %%
normalize = check("02.5", normalize)


# %%
# Exercise 02.6 · cosine of every query with every passage · easy · 8 min
def cos_sim(a, b):  # (Q, D), (N, D) -> (Q, N)
    ### BEGIN SOLUTION
    return normalize(a) @ normalize(b).T
    ### END SOLUTION


# %%
cos_sim = check("02.6", cos_sim)

# %% [markdown]
# Once both vectors have length 1, three similarities become one. Expand the square: $|a-b|^2 = |a|^2 + |b|^2 - 2\,a\cdot b = 2 - 2\cos(a, b)$. The dot product *is* the cosine, and the Euclidean distance falls exactly when the cosine rises. So all three put passages in the same order.

# %% [markdown]
# ## See it
#
# **Which token counts how much?** Move through the poolings for a text of six tokens and two positions of padding. Look for the pooling that would notice if the last word changed, and for the one that would notice nothing else.

# %%
from workbook.figures import pooling as figures
from workbook.pooling import attention_weights

tokens = ["[CLS]", "how", "to", "sort", "dicts", "[SEP]", "[PAD]", "[PAD]"]
is_token = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0]])

# %%
eye = torch.eye(8)[None]  # token t is the t-th unit vector, so the pooled vector shows the weights
query = torch.tensor([0.0, 0.2, 0.0, 1.6, 1.8, 0.0, 0.0, 0.0])
weights = {
    "mean": mean_pool(eye, is_token)[0],
    "last token": last_token_pool(eye, is_token)[0],
    "weighted mean": weighted_mean_pool(eye, is_token)[0],
    "attention": attention_weights(eye, is_token, query)[0],
    "careless mean": eye.mean(dim=1)[0],
}
explore(
    lambda pooling: figures.token_weights(tokens, weights, pooling),
    pooling=list(weights),
)

# %% [markdown]
# **How much harm does padding do?** The next figure encodes one text with more and more padding beside it, and compares the result with the unpadded embedding. A short text drifts fastest. The masked mean does not move at all.


# %%
def drift_of(num_tokens, paddings):
    ids = torch.arange(10, 10 + num_tokens)[None]
    with torch.no_grad():
        target = encoder(ids, torch.ones_like(ids)).mean(dim=1)
        curves = {"careless mean": [], "masked mean": []}
        for extra in paddings:
            row = torch.cat([ids, torch.zeros(1, extra, dtype=torch.long)], dim=1)
            row_mask = (torch.arange(num_tokens + extra) < num_tokens).long()[None]
            out = encoder(row, row_mask)
            curves["careless mean"].append(torch.cosine_similarity(out.mean(dim=1), target).item())
            curves["masked mean"].append(torch.cosine_similarity(mean_pool(out, row_mask), target).item())
    return curves


# %%
paddings = [0, 2, 4, 8, 16, 32, 64]
drift = {n: drift_of(n, paddings) for n in (2, 4, 8, 16, 32)}
explore(
    lambda num_tokens: figures.padding_drift(drift, paddings, num_tokens),
    num_tokens=list(drift),
)

# %% [markdown]
# **When do the similarities disagree?** The query points up. Passage B points nearly the same way; passage A points further off. Make A longer and shorter, and read which passage each similarity calls the nearest. At which length do all three agree for certain?

# %%
explore(
    figures.three_similarities,
    length=[0.4, 0.7, 1.0, 1.3, 1.6, 2.0],
)

# %% [markdown]
# ## Train it
#
# Now the question that matters: does the choice change retrieval? Train the same small transformer five times on titles and bodies from your own Python's documentation: same weights at the start, same batches, another pooling. Then search 1,000 passages with 200 held-out queries.

# %%
from workbook import data
from workbook.bm25 import BM25
from workbook.encoder import TextEncoder, train_tokenizer
from workbook.metrics import evaluate
from workbook.pooling import AttentionPool, cls_pool
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
tokenizer = train_tokenizer([text for pair in pairs for text in pair], vocab_size=4000)

# %%
small = docs.split("dev").sample(200, num_passages=1000)


def recall(encoder):
    run = dense_search(encoder, small.corpus, small.queries, k=10)
    return evaluate(small.qrels, run, metrics=("recall@10",))["recall@10"]


# %%
def train(pooling, causal=False, seed=0, steps=60):
    torch.manual_seed(seed)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 96, num_layers=1, num_heads=4, causal=causal)
    model = TextEncoder(tokenizer, backbone, pooling, max_length=32)
    if steps:
        fit(model, pairs, steps=steps, batch_size=64, lr=2e-3, seed=seed)
    return model


# %% tags=["nbval-ignore-output"]
poolings = {"mean": mean_pool, "CLS": cls_pool, "last token": last_token_pool, "weighted mean": weighted_mean_pool}
models = {name: train(pooling) for name, pooling in {**poolings, "attention": AttentionPool(96)}.items()}
found = {name: recall(model) for name, model in models.items()}
found["mean, before training"] = recall(train(mean_pool, steps=0))
found["BM25"] = evaluate(small.qrels, BM25().index(small.corpus).search(small.queries, k=10), ("recall@10",))[
    "recall@10"
]
found["chance"] = 10 / len(small.corpus)
for name, value in found.items():
    print(f"{name:<22} Recall@10 {value:.3f}")

# %% [markdown]
# One seed and a few seconds of training settle nothing between neighbours, so only the wide gaps count here. The mean finds something even before training, because texts that share tokens share vectors. Read at one token, the model finds less after sixty steps than that: the one token has not yet learned to gather the others, and the vectors of all texts are nearly the same (two texts have a cosine of 0.92 on average). BM25 is far ahead of all: sixty steps are enough to compare poolings, not to build a retriever. Chapter 00 did that with another encoder, and the records below train longer, with several seeds.

# %%
learned = found["mean"] > 1.5 * found["mean, before training"]
print("with the mean, training raises Recall@10 by more than half:", "holds" if learned else "does not hold")

# %% [markdown]
# **Does it depend on the length of the text, and on the kind of model?** Here are the committed records of claims 3 to 5: encoders of two layers that read both ways, and causal decoders, each trained five times with each pooling. The queries are sorted into quarters by the length of the passage they look for. Change the kind of model. Which pooling loses most, and why that one?

# %%
from workbook.claims import read_record

measured = {id: read_record(id).measurements["ndcg@10 by quarter of passage length"] for id in (3, 4, 5)}
spelled = {"cls": "CLS", "last_token": "last token", "weighted_mean": "weighted mean"}
kinds = {"reads both ways": measured[3] | measured[5], "causal decoder": measured[4]}
quality = {kind: {spelled.get(name, name): v for name, v in found.items()} for kind, found in kinds.items()}

# %%
explore(
    lambda model: figures.quality_by_length(quality[model], ["shortest", "second", "third", "longest"]),
    model=list(quality),
)

# %% [markdown]
# The order of the poolings is the same in every quarter, so length does not decide which is best. (The passages were cut at 48 tokens.) What decides is how many tokens you read. A pooling that reads one token asks training to gather a whole text in one place, and that takes more steps than these 200 to 400. Do not carry the low value of CLS over to BGE or SimCSE: they start from BERT, whose `[CLS]` was trained on billions of words before.


# %% [markdown]
# ## Break it
#
# **The wrong pooling at search time.** Take the encoder that was trained with the mean, and read it with the others. Nothing complains.

# %% tags=["nbval-ignore-output"]
mean_trained = models["mean"]
for name, pooling in (("mean", mean_pool), ("CLS", cls_pool), ("last token", last_token_pool)):
    mean_trained.pooling = pooling
    print(f"trained with the mean, read with {name:<10}  Recall@10 {recall(mean_trained):.3f}")
mean_trained.pooling = mean_pool

# %% [markdown]
# **The first token of a decoder.** Under a causal mask the first token sees itself and nothing else. It is `[CLS]` for every text, so every text gets the same vector, whatever you train.

# %%
decoder = train(cls_pool, causal=True, steps=5)
vectors = torch.tensor(decoder.encode(["sort a list", "open a socket", "mean of an array"]))
print(f"smallest cosine of any two of the three texts: {cos_sim(vectors, vectors).min():.4f}")

# %% [markdown]
# **The wrong side.** Position −1 is the last token only where padding stands on the left. Encode the text from the beginning alone, and then beside the long one with padding on the right. Does it get the same embedding twice?

# %%
decoder = TransformerEncoder(vocab_size=1000, hidden_size=64, num_layers=2, num_heads=4, causal=True).eval()
is_cat = (torch.arange(60) < 3).long()[None]
with torch.no_grad():
    alone = decoder(cat, torch.ones(1, 3))[:, -1]
    hidden = decoder(padded_ids, is_cat)

# %%
for name, pooled in (("found through the mask", last_token_pool(hidden, is_cat)), ("position -1", hidden[:, -1])):
    print(f"last token, {name:<22}  cosine with the text alone: {cos_sim(alone, pooled).item():.2f}")

# %% [markdown]
# ## In the libraries
#
# sentence-transformers has the same poolings in one module. On a random batch with both padding sides, yours and its own agree.

# %%
from sentence_transformers.sentence_transformer.modules import Pooling

batch = torch.randn(6, 9, 64, generator=torch.Generator().manual_seed(1))
right = (torch.arange(9) < torch.tensor([9, 7, 5, 3, 2, 1])[:, None]).long()

# %%
ours = {"mean": mean_pool, "lasttoken": last_token_pool, "weightedmean": weighted_mean_pool}
for mode, pool in ours.items():
    for side, row_mask in (("right", right), ("left", right.flip(1))):
        theirs = Pooling(64, pooling_mode=mode)({"token_embeddings": batch, "attention_mask": row_mask})
        equal = torch.allclose(pool(batch, row_mask), theirs["sentence_embedding"], atol=1e-6)
        print(f"{mode:<13} padding {side:<6} equal: {equal}")

# %% [markdown]
# When you save a model, its pooling is saved beside it, in the folder `1_Pooling`. A model that comes without that file comes without its last layer.

# %% [markdown]
# ## Claims settled here
#
# Claim 6 is exact, so it is run here. Claims 3 to 5 need more training than a chapter has; they are replayed from the committed records.

# %%
from workbook.claims import settle

settle(6)
# %%
for number in (3, 4, 5):
    settle(number, budget="record")
    print()

# %% [markdown]
# Half of claim 4 holds to the letter: the first token of a decoder carries nothing. The other half depends. The decoders of this experiment start from word vectors that were trained under a mean, because from scratch the last token learns nothing in so short a time. That start favours the mean. The decoders behind E5-mistral have read far more before they are asked to put a text into their last token. (They were not tried here.)

# %% [markdown]
# ## Quiz

# %%
quiz("02")

# %% [markdown]
# ## Recap
#
# - Pooling is a weighted sum over the tokens of a text, and padding has weight 0.
# - Padding that leaks in makes an embedding depend on its batch-mates. Test for it: encode a text alone and in company, and compare.
# - The last token must be found through the mask; position −1 and length − 1 are each right on one padding side only.
# - Under a causal mask the first token knows nothing.
# - After normalization cosine, dot product and Euclidean distance give one order.
# - Pooling is part of the model. Use the one it was trained with.
#
# **New terms:** pooling · mask · CLS pooling · mean pooling · last-token pooling · attention pooling · L2 normalization · cosine similarity.
#
# **Read next:** Reimers and Gurevych 2019, *Sentence-BERT*, for the first comparison of poolings; Wang et al. 2024, *Improving Text Embeddings with Large Language Models*, for last-token pooling; Muennighoff 2022, *SGPT*, for position weights.
#
# **Next chapter:** [03 · Is it any good?](03_measuring.ipynb) You have just compared systems by one number from one run. How much is that number worth?
