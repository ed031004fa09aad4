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
# # 01 · What happens between a string and a tensor?
#
# Chapter 00 turned texts into vectors by looking up one vector for each token (word piece) and taking their mean. That encoder cannot tell "dog bites man" from "man bites dog". This chapter opens the machine that can: the transformer encoder inside BERT and nearly every embedding model after it.
#
# **You will be able to** cut a word into pieces by hand, build attention three ways that agree, say who may look at whom, count what a text costs, and show that your encoder computes what BERT computes.
#
# **You need** chapter 00, matrix products and the softmax. **It takes** about 70 minutes to read and do, about 30 seconds of machine time on one core, and about 1 GB of memory.

# %%
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore

_ = torch.manual_seed(0)

# %% [markdown]
# ## A failure first
#
# Here is a complete encoder with two layers of attention. One line takes its positions away. Then two sentences that no newspaper would confuse are encoded.

# %%
from workbook.encoder import TransformerEncoder

encoder = TransformerEncoder(vocab_size=100, hidden_size=64, num_layers=2, num_heads=4).eval()
with_positions = encoder.embeddings.position.weight.detach().clone()
sentences = torch.tensor([[7, 8, 9], [9, 8, 7]])  # dog bites man, man bites dog

# %%
with torch.no_grad():
    encoder.embeddings.position.weight.zero_()
    a, b = encoder(sentences, torch.ones(2, 3)).mean(dim=1)
    encoder.embeddings.position.weight.copy_(with_positions)
print(f"largest difference between the two embeddings: {(a - b).abs().max():.4f}")

# %% [markdown]
# Two layers of attention, more than a hundred thousand weights, and the two sentences have one embedding. Nothing failed, nothing warned. By the end of the chapter you will know which line was missing and why attention alone cannot make up for it.

# %% [markdown]
# ## Predict
#
# Commit to an answer before you go on.

# %%
predict("01.p1")

# %%
predict("01.p2")

# %% [markdown]
# ## The idea
#
# Four steps lead from a string to one vector per token.
#
# | step | in | out |
# |---|---|---|
# | tokenize | "dog bites man" | `input_ids`, `mask` (B, T) |
# | embed | ids | `hidden` (B, T, D): word + position |
# | attend | `hidden` | `hidden`, each token mixed with those it looks at |
# | feed forward | `hidden` | `hidden`, each token changed on its own, by two matrices with a bend between them |
#
# The last two make a **block**. A model stacks L blocks. Attention is the only step in which tokens meet:
#
# $$\text{attention}(Q, K, V) = \text{softmax}\!\left(\frac{Q K^\top}{\sqrt{S}}\right) V$$
#
# | letter | meaning | shape |
# |---|---|---|
# | `query` $Q$ | what each token looks for | (B, H, T, S) |
# | `key` $K$ | what each token offers to be found by | (B, H, T, S) |
# | `value` $V$ | what each token hands over | (B, H, T, S) |
# | `attn_weights` | how much row t takes from each column | (B, H, T, T) |
#
# B texts, T tokens, D hidden size, H heads, and S = D / H dimensions per head.

# %% [markdown]
# ## By hand
#
# One token asks, three answer. With S = 1 the query is 1 and the keys are ln 4, ln 2 and ln 2. The softmax undoes the logarithm, so the weights are in the ratio 4 : 2 : 2. The values are 8, 4 and 0. Work out the result on paper.

# %%
scores = torch.tensor([4.0, 2.0, 2.0]).log()
weights = scores.softmax(dim=0)
print("weights:", [round(w, 4) for w in weights.tolist()])
print(f"result:  {weights @ torch.tensor([8.0, 4.0, 0.0]):.4f}   by hand: 8/2 + 4/4 + 0/4 = 5")

# %% [markdown]
# ## Build it: from words to pieces
#
# A vocabulary of words has no vector for a word it never saw. A vocabulary of letters makes texts five times as long. WordPiece stands between. It cuts a word from left to right, each time the longest piece it knows, and never takes a piece back. `##` marks a piece that continues a word. If any part is unknown, the whole word becomes `[UNK]`, even where another cut would have worked. That is the price of reading once.

# %%
vocabulary = {"token", "to", "##ization", "##ize", "##s", "##ken", "##r"}


# %%
# Exercise 01.1 · cut a word into pieces · medium · 12 min
def wordpiece(word, vocabulary):  # str, set of str -> list of str
    ### BEGIN SOLUTION
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if mark + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces
    ### END SOLUTION


# %%
wordpiece = check("01.1", wordpiece)

# %%
for word in ("tokenization", "tokenizers", "tokens", "tokenx"):
    print(f"{word:<13}", wordpiece(word, vocabulary))

# %% [markdown]
# Where does a vocabulary come from? Training starts with single characters and keeps joining pairs until the vocabulary is full, so frequent words become one piece. `train_tokenizer` does it in seconds. The tokenizer also frames each text as `[CLS] … [SEP]`: two extra tokens that belong to no word and can collect what belongs to the whole.

# %%
from workbook.encoder import TextEncoder, train_tokenizer

texts = ["the dog bites the man", "the man bites the dog", "the dog was tired because it ran"] * 5
tokenizer = train_tokenizer(texts, vocab_size=100)
print(tokenizer.encode("Dog bites man").tokens)

# %% [markdown]
# Texts have different lengths and a tensor is a rectangle. Short rows are filled with `[PAD]`, and `mask` remembers which positions are real.

# %%
text_encoder = TextEncoder(tokenizer, encoder)
input_ids, mask = text_encoder.tokenize(["the dog bites the man", "it ran"])
print(mask)

# %% [markdown]
# ## Build it: a vector for the word, a vector for the place
#
# The weights of attention depend on queries and keys, and those depend on vectors only. Shuffle the tokens, and the same vectors meet the same vectors: a sum has no order. So the order must go *into* the vectors. BERT learns one vector for each position and adds it to the word's vector.
#
# Which number does a token get? Its own count from the start of the text, from 0, whatever padding stands beside it. The table is asked for a row at padded positions too; they get the number of the last token before them, or 0. Nobody will look at them.


# %%
# Exercise 01.2 · number the tokens · easy · 6 min
def token_positions(mask):  # (B, T) -> (B, T)
    ### BEGIN SOLUTION
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    ### END SOLUTION


# %%
token_positions = check("01.2", token_positions)

# %%
print(token_positions(torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])))

# %% [markdown]
# ## Build it: attention
#
# First as a loop that says what is meant: each token scores all tokens, the softmax turns scores into shares, and the shares mix the values.


# %%
def attention_loop(query, key, value):  # (T, S) each
    result = []
    for q in query:
        scores = torch.stack([q @ k for k in key]) / len(q) ** 0.5
        shares = scores.softmax(dim=0)
        result.append(sum(share * v for share, v in zip(shares, value, strict=True)))
    return torch.stack(result)


# %% [markdown]
# Both loops are matrix products. Write the weights in one go, for any number of leading dimensions. `allowed` says which pairs may meet; what is forbidden must get a weight of exactly 0.


# %%
# Exercise 01.3 · attention weights · medium · 12 min
def attention_weights(query, key, allowed):  # (..., T, S), (..., T, S), (..., T, T) -> (..., T, T)
    ### BEGIN SOLUTION
    attn_scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return attn_scores.masked_fill(~allowed, float("-inf")).softmax(dim=-1)
    ### END SOLUTION


# %%
attention_weights = check("01.3", attention_weights)

# %% [markdown]
# Loop, matrix, and the fused kernel that PyTorch brings, which never writes the weights to memory: verify they agree.

# %%
query, key, value = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(0))
everyone = torch.ones(6, 6, dtype=torch.bool)
by_matrix = attention_weights(query, key, everyone) @ value
fused = torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
print("loop = matrix:", torch.allclose(attention_loop(query, key, value), by_matrix, atol=1e-6))
print("matrix = fused:", torch.allclose(by_matrix, fused, atol=1e-6))

# %% [markdown]
# **Why divide by √S?** Below, one random query meets eight random keys. Make the vectors longer. Without the division, from which S on does a single token take nearly everything? With it, does anything change?

# %%
from workbook.figures import attention as figures

explore(
    figures.why_divide,
    size=[4, 16, 64, 256, 1024],
)

# %% [markdown]
# A dot product of S random terms spreads like √S. Undivided, the softmax becomes a choice of one, and a token with weight 0 gets no gradient, so training cannot correct the choice.

# %% [markdown]
# ## Build it: who may look at whom
#
# Two rules forbid pairs. Nobody looks at padding. In a **causal** model, such as a decoder that must not read the word it will predict, nobody looks ahead. One exception keeps the softmax alive: every position may look at itself, or a row of padding would divide 0 by 0.


# %%
# Exercise 01.4 · who may look at whom · medium · 10 min
def attention_mask(mask, causal):  # (B, T), bool -> (B, 1, T, T)
    ### BEGIN SOLUTION
    T = mask.shape[1]
    allowed = mask.bool()[:, None, None, :].expand(-1, 1, T, T)
    if causal:
        allowed = allowed & torch.ones(T, T, dtype=torch.bool).tril()
    return allowed | torch.eye(T, dtype=torch.bool)
    ### END SOLUTION


# %%
attention_mask = check("01.4", attention_mask)

# %% [markdown]
# **Who does "it" look at?** Here queries and keys are made by hand. Every token offers its own place; "dog" also offers *is a living thing*, and "it" asks for exactly that. Move through the three masks. Which one sends weight into padding? Under which can "dog" not learn that it was tired?

# %%
tokens = ["the", "dog", "was", "tired", "because", "it", "ran", "[PAD]", "[PAD]"]
place = 2.5 * torch.eye(9)
living = torch.zeros(9, 1)
living[1] = 5.0  # dog
offers, asks = torch.cat([place, living], dim=1), torch.cat([place, torch.zeros(9, 1)], dim=1)
asks[5] = torch.tensor([0.0] * 9 + [5.0])  # it
asks[1, 3] = 3.0  # dog asks for its adjective, at place 3

# %%
real = torch.tensor([[1] * 7 + [0] * 2])
masks = {
    "everything": torch.ones(9, 9, dtype=torch.bool),
    "padding hidden": attention_mask(real, False)[0, 0],
    "padding hidden, causal": attention_mask(real, True)[0, 0],
}
explore(
    lambda mask: figures.attention_map(tokens, attention_weights(asks, offers, masks[mask]), mask),
    mask=list(masks),
)

# %% [markdown]
# ## Build it: heads and the block
#
# One attention can look for one thing. So the D dimensions are cut into H slices, each with its own attention: head h gets dimensions h·S to (h+1)·S of every token.


# %%
# Exercise 01.5 · split vectors into heads · medium · 8 min
def split_heads(x, num_heads):  # (B, T, D), int -> (B, H, T, S)
    ### BEGIN SOLUTION
    B, T, D = x.shape
    return x.view(B, T, num_heads, D // num_heads).transpose(1, 2)
    ### END SOLUTION


# %%
split_heads = check("01.5", split_heads)

# %% [markdown]
# Now a whole block, from your own parts and one layer's weights. Each half is *added* to what came in (a residual, so that signal and gradient have a straight way through) and normalized.

# %%
block = encoder.blocks[0]


def my_block(hidden, allowed):
    attn = block.attention
    q, k, v = (split_heads(project(hidden), attn.num_heads) for project in (attn.query, attn.key, attn.value))
    context = (attention_weights(q, k, allowed) @ v).transpose(1, 2).flatten(2)
    hidden = block.attention_norm(hidden + attn.output(context))
    return block.norm(hidden + block.contract(torch.nn.functional.gelu(block.expand(hidden))))


# %%
hidden = encoder.embeddings(input_ids, mask)
allowed = attention_mask(mask, False)
print("yours = the package's:", torch.allclose(my_block(hidden, allowed), block(hidden, allowed), atol=1e-6))

# %% [markdown]
# ## Build it: what a text costs
#
# Count multiply-adds: a product of an (a, b) with a (b, c) matrix takes a·b·c. A block has four projections (query, key, value, output), two products over pairs of tokens (scores, mix), and two products between D and 4 D.


# %%
# Exercise 01.6 · count the multiply-adds · easy · 8 min
def multiply_adds(tokens, hidden_size, num_layers):  # int, int, int -> dict of int
    ### BEGIN SOLUTION
    T, D, L = tokens, hidden_size, num_layers
    return {"projections": L * 4 * T * D * D, "attention": L * 2 * T * T * D, "feed_forward": L * 8 * T * D * D}
    ### END SOLUTION


# %%
multiply_adds = check("01.6", multiply_adds)

# %%
for tokens_in_text in (128, 512, 2304, 8192):
    parts = multiply_adds(tokens_in_text, hidden_size=384, num_layers=6)
    share = 100 * parts["attention"] // sum(parts.values())
    print(f"{tokens_in_text:>5} tokens: {sum(parts.values()) // 10**6:>8,} million, {share} % of it for pairs")

# %% [markdown]
# ## See it
#
# **When does the square begin to hurt?** "Attention is quadratic" is true and rarely matters for short texts. Find the length at which the line of pairs crosses the feed-forward, for a small and a large model. Does a wider model reach it sooner or later?

# %%
models = {"MiniLM, 6 layers of 384": (384, 6), "BERT-base, 12 of 768": (768, 12), "BERT-large, 24 of 1024": (1024, 24)}
lengths = [16, 64, 256, 1024, 4096, 16384]
explore(
    lambda model: figures.cost_curve(*models[model], lengths),
    model=list(models),
)

# %% [markdown]
# Pairs cost 2T²D, all the rest 12TD²: they meet at T = 6D. Real time also depends on the machine; run this cell yourself to see the clock (it shows to a person only, so that stored pages stay the same).

# %%
from workbook.frontend import stopwatch

timed = TransformerEncoder(vocab_size=100, hidden_size=128, num_layers=2, num_heads=4, max_length=1024).eval()
for T in (128, 256, 512, 1024):
    with stopwatch(f"{T} tokens"), torch.no_grad():
        timed(torch.ones(4, T, dtype=torch.long), torch.ones(4, T))

# %% [markdown]
# ## Train it
#
# Does a transformer learn to retrieve from so little? You train one layer for 60 steps on titles and bodies of your own Python's documentation, then look for the right one among 1,000 passages, beside chance, BM25 and the same model before training. Two seeds, so that you see how far one run can be trusted. For comparison the same model is trained with its positions held at zero.

# %%
from workbook import data
from workbook.bm25 import BM25
from workbook.metrics import evaluate
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
tokenizer = train_tokenizer([text for pair in pairs for text in pair], vocab_size=4000)

# %%
asked = docs.split("dev").sample(200, num_passages=1000)


def recall(encoder):
    run = dense_search(encoder, asked.corpus, asked.queries, k=10)
    return evaluate(asked.qrels, run, metrics=("recall@10",))["recall@10"]


# %%
def train(seed, positions=True, steps=60):
    torch.manual_seed(seed)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 96, num_layers=1, num_heads=4, max_length=32)
    if not positions:
        backbone.embeddings.position.weight.requires_grad_(False).zero_()
    model = TextEncoder(tokenizer, backbone, max_length=32)
    if steps:
        fit(model, pairs, steps=steps, batch_size=64, lr=2e-3, seed=seed)
    return model


# %% tags=["nbval-ignore-output"]
trained = {(seed, positions): train(seed, positions) for seed in (0, 1) for positions in (True, False)}
found = {key: recall(model) for key, model in trained.items()}
untrained = {seed: recall(train(seed, steps=0)) for seed in (0, 1)}
bm25 = evaluate(asked.qrels, BM25().index(asked.corpus).search(asked.queries, k=10), metrics=("recall@10",))[
    "recall@10"
]
for (seed, positions), value in found.items():
    name = "learned" if positions else "dropped"
    print(f"seed {seed}, positions {name}: Recall@10 {value:.3f}, before training {untrained[seed]:.3f}")
print(f"BM25: {bm25:.3f}   chance: {10 / len(asked.corpus):.3f}")

# %%
ahead = all(value > 1.5 * untrained[seed] for (seed, _), value in found.items())
print("training raises Recall@10 by more than half, with both seeds:", "holds" if ahead else "does not hold")

# %% [markdown]
# Why is the model above chance before training? Texts that share tokens share vectors, as in chapter 00: that is keyword search, done roughly. BM25 is still far ahead: a transformer needs more steps than a notebook has, and chapter 07 gives it them. Note how little the positions matter *here*. A documentation title is a bag of keywords, and a bag has no order. A benchmark can only show you a skill that it asks for.
#
# **What did the heads learn?** Each of four heads of the model you just trained, on one title. Is any head different from looking everywhere alike?

# %% tags=["nbval-ignore-output"]
model = trained[0, True].eval()
sentence = "return the sorted list of the keys"
ids, is_token = model.tokenize([sentence])
with torch.no_grad():
    maps = model.backbone.attention_maps(ids, is_token)[0][0]  # layer 0, text 0: (H, T, T)
names = [tokenizer.id_to_token(i) for i in ids[0].tolist()]
explore(
    lambda head: figures.attention_map(names, maps[head], f"head {head}"),
    head=[0, 1, 2, 3],
)

# %% [markdown]
# Not much yet. A row that looks everywhere alike has 1/9 = 0.11 in each column, and no weight here is above 0.16; 60 steps are few. Most of what this model finds, it finds by its word vectors.
#
# Read such maps with care. They show where values are taken from, not what is done with them, and after several layers a "token" is already a mixture.

# %% [markdown]
# ## Break it
#
# **Padding attended to.** Encode "it ran" alone, then beside thirty positions of padding, and forget the mask. The vector of "ran" is compared with itself.

# %%
ids, is_token = text_encoder.tokenize(["it ran"])
T = ids.shape[1]
with torch.no_grad():
    alone = encoder(ids, is_token)[0, 2]
    longer = torch.cat([ids, torch.zeros(1, 30, dtype=torch.long)], dim=1)
    right_mask = (torch.arange(T + 30) < T).long()[None]
    for name, m in (("mask given", right_mask), ("mask forgotten", torch.ones_like(right_mask))):
        distance = (encoder(longer, m)[0, 2] - alone).norm() / alone.norm()
        print(f"{name:<15} moves the vector noticeably: {bool(distance > 0.01)}")

# %% [markdown]
# **Positions dropped.** The failure of the beginning, with the cure beside it.

# %%
with torch.no_grad():
    a, b = encoder(sentences, torch.ones(2, 3)).mean(dim=1)
print("with positions, the two sentences differ:", bool((a - b).abs().max() > 0.01))

# %% [markdown]
# **The future seen.** A causal model whose mask is missing reads the answer. Change the last word and see who notices.

# %%
changed = torch.tensor([[7, 8, 5]])
for causal in (False, True):
    reader = TransformerEncoder(100, 64, 2, 4, causal=causal).eval()
    moved = (reader(sentences[:1], torch.ones(1, 3)) - reader(changed, torch.ones(1, 3))).abs().amax(dim=2)[0]
    print(f"causal={causal!s:<5} tokens that notice another last word: {(moved > 0).int().tolist()}")

# %% [markdown]
# ## In the libraries
#
# Now the proof. Take a BERT from Hugging Face with random weights, copy the weights into your encoder, and compare every token of a padded batch.

# %%
from transformers import BertConfig, BertModel

torch.manual_seed(0)
config = BertConfig(vocab_size=200, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128)
bert = BertModel(config).eval()
ours = TransformerEncoder.from_bert(bert)

# %%
ids = torch.randint(0, 200, (3, 20))
is_token = (torch.arange(20) < torch.tensor([20, 11, 1])[:, None]).long()
with torch.no_grad():
    difference = ours(ids, is_token) - bert(ids, is_token).last_hidden_state
print("largest difference below 2e-6:", bool(difference[is_token.bool()].abs().max() < 2e-6))

# %% [markdown]
# `from_bert` is a table of names and nothing else: no number is changed. Your `attention.query` is their `attention.self.query`; the numbers are the same. The same call accepts the pretrained weights of all-MiniLM-L6-v2 or BGE, and `reveal("01.3")` shows the package's line for yours.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(2)

# %% [markdown]
# ## Quiz

# %%
quiz("01")

# %% [markdown]
# ## Recap
#
# - WordPiece cuts greedily; one unknown part makes the word unknown.
# - Attention is a weighted mean over tokens, and a mean has no order. Positions put the order into the vectors.
# - Scores are divided by √S, forbidden ones are minus infinity *before* the softmax.
# - Padding must be hidden from attention, and not counted as a position.
# - Under a causal mask only the last token has read the whole text.
# - Pairs of tokens cost more than all the rest only beyond T = 6D.
#
# **New terms:** token · WordPiece · position embedding · query, key, value · attention weights · head · residual · LayerNorm · causal mask · multiply-add.
#
# **Read next:** Vaswani et al. 2017, *Attention Is All You Need*, sections 3.1 to 3.3; Devlin et al. 2019, *BERT*; Jain and Wallace 2019, *Attention is not Explanation*, before you trust a map.
#
# **Next chapter:** [02 · How do many token vectors become one?](02_pooling.ipynb) You have one vector per token. A search engine wants one per text.
