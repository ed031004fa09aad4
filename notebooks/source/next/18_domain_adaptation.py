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
# # 18 · My domain is different. Now what?
#
# A model has learned from texts that are not yours. Pairs of your own can move it; they can also ruin it. What is gained is seen on your queries, what is lost only on others.
#
# **You will be able to** put a small trained update beside a frozen matrix, merge it and take it out, stop by two sets of queries, mix old pairs in, and average a model with what it was before.
#
# **You need** chapters 03 (nDCG) and 07 (the training loop). **It takes** about {minutes} minutes, «N» seconds of machine time on one core, and «N» GB of memory. First, two questions from earlier chapters, from memory:

# %%
import copy

import torch

from workbook.exercises import check, hint, predict, quiz, reveal

quiz("07.q1", "17.q3")

# %% [markdown]
# ## Predict

# %%
predict("18.p1")

# %% [markdown]
# ## A failure first
#
# The base encoder has read the documentation of most of your packages: the **old domain**. It has read nothing of networkx and IPython: the **new** one. It is trained for eight steps on pairs of the new one, at a rate of .01, and both are searched.

# %%
from workbook import data
from workbook.adapt import evaluate_encoder
from workbook.encoder import load
from workbook.train import fit

docs = data.load("pydocs")
held_out = {"old": docs.split("dev").sample(200, 600), "new": docs.split("held_out").sample(200, 600)}
kept_back = {*held_out["new"].queries.values(), *held_out["new"].corpus.values()}
pairs = [pair for pair in docs.pairs("held_out") if kept_back.isdisjoint(pair)]
base = load("base")
base.max_length = 24


# %%
def ndcg(encoder):
    return {name: sum(v.values()) / len(v) for name, v in evaluate_encoder(encoder, held_out, "ndcg@10").items()}


ruined = copy.deepcopy(base)
fit(ruined, pairs, steps=8, batch_size=32, lr=1e-2, temperature=0.05)
before, after = ndcg(base), ndcg(ruined)
print("the old domain loses more than a third:", after["old"] < 2 / 3 * before["old"])
print("and the new one, which was trained on, loses, too:", after["new"] < before["new"])

# %% tags=["nbval-ignore-output"]
print({name: f"{before[name]:.2f} before, {after[name]:.2f} after" for name in before})

# %% [markdown]
# The rate of a model that starts from nothing erases one that knows something. Here the training loss rises as well. Of the old domain it says nothing, at any rate.
#
# ## The idea
#
# Four things keep a model near to what it was. A low rate. Few trained numbers. Old pairs among the new ones. And a way back: early stopping, or an average with the weights from before.
#
# **LoRA** leaves a matrix W as it is and trains an update of few directions, a product of two thin matrices:
#
# $$y = W x + b + \frac{\alpha}{r}\, B A x$$
#
# | letter | name in code | shape | |
# |---|---|---|---|
# | x | x | (B, D_in) | B rows: here B is the batch |
# | W, b | weight, bias | (D_out, D_in), (D_out,) | frozen: never changed |
# | A | lora_A | (r, D_in) | trained, random at first |
# | B | lora_B | (D_out, r) | a matrix: trained, zero at first |
# | r | | | **rank** of the update |
# | α | alpha | | α/r scales it, so that one rate fits several ranks |
#
# **Full** fine-tuning changes W itself: D_out · D_in numbers. LoRA trains r · (D_in + D_out):

# %%
for r in (1, 8, 64):
    print(f"384 by 384, rank {r:>2}: {r * (384 + 384):>6,} of {384 * 384:,}, {r * (384 + 384) / 384**2:.1%}")

# %% [markdown]
# ## By hand
#
# Rank 1, α/r = 2. Eight numbers, multiplied and scaled, make sixteen:

# %%
from workbook.figures import adaptation, explore, results, show

B, A = torch.tensor([[1.0], [0.0], [-1.0], [2.0]]), torch.tensor([[0.5, 0.0, 0.0, -0.5]])
show(adaptation.thin_product(B, A, 2))
print("through one number:", (A @ torch.tensor([3.0, 5.0, 5.0, 1.0])).tolist())

# %% [markdown]
# All rows point in one direction. Of x, only the difference of its first and last number is seen.
#
# ## Build it: an update beside a frozen matrix
#
# **Contract.** `x`, `weight`, `bias`, `lora_A`, `lora_B` have the shapes above, r is 1 or more, `alpha` above 0. Nothing is normalized. Each row of x becomes W x + b + (alpha / r) · B A x; return (B, D_out). Gradients flow into `lora_A`, `lora_B` and, by both paths, into x, but none into `weight` and `bias`, even where these ask for one. Nothing that is passed in changes, `requires_grad` included.


# %%
# Exercise 18.1 · an update beside a frozen matrix · easy · 8 min
def lora_linear(x, weight, bias, lora_A, lora_B, alpha):
    # (B, D_in), (D_out, D_in), (D_out,), (r, D_in), (D_out, r), float -> (B, D_out)
    ### BEGIN SOLUTION
    frozen = x @ weight.detach().T + bias.detach()
    return frozen + x @ lora_A.T @ lora_B.T * (alpha / lora_A.shape[0])  # through r numbers
    ### END SOLUTION


# %%
lora_linear = check("18.1", lora_linear)

# %%
layer = base.backbone.blocks[0].attention.query
draw = torch.Generator().manual_seed(0)
lora_A, x = (torch.randn(8, 256, generator=draw) / 16 for _ in range(2))
fresh = lora_linear(x, layer.weight, layer.bias, lora_A, torch.zeros(256, 8), 16)
print("a fresh adapter changes nothing:", torch.allclose(fresh, layer(x), atol=1e-6))

# %% [markdown]
# So training begins at the model as it is. Only: what moves first, if B is zero?

# %%
predict("18.p2")

# %% [markdown]
# ## Build it: an adapter that learns nothing
#
# **The other way round.** A colleague starts B at zero, as is right, and A as well. Find the smallest example from which that learns nothing, though the right start does.
#
# **Contract.** Return `x, target, weight, lora_A`: lists or tensors of whole numbers from −9 to 9, (D_in,), (D_out,), (D_out, D_in), (r, D_in). The layer is that of 18.1, without bias, with alpha = r and B zero. One step of gradient descent moves A and B, at rate 1, on half the squared distance of output and target. It is made with your `lora_A`, and with zeros in its place. Afterwards the layer's outputs for x must differ. Size counts the numbers that are not zero; the smallest is asked for.


# %%
# Exercise 18.6 · an adapter that learns nothing · easy · 6 min
def smallest_example():  # () -> (D_in,), (D_out,), (D_out, D_in), (r, D_in)
    ### BEGIN SOLUTION
    return [1], [1], [[0]], [[1]]
    ### END SOLUTION


# %%
smallest_example = check("18.6", smallest_example)

# %% [markdown]
# B's gradient holds A x, A's gradient holds B. One of them may be zero, not both.
#
# ## Build it: into the weight and out again
#
# A trained update can be added to W once and for all, and then costs nothing in a search.
#
# **Contract.** A layer is a dict with `weight`, `lora_A`, `lora_B`, `alpha` as in 18.1, and `merged`: True where (alpha / r) · B A is in `weight` already. Nothing else tells. `merged`, the second argument, says how the layer shall stand. Return a dict with the same five keys. Its `weight` has the update added if it has to come in, subtracted if it has to come out, and is unchanged if the layer stands so already; its `merged` is as asked for; the rest stays. Nothing that is passed in changes.


# %%
# Exercise 18.2 · into the weight and out again · medium · 10 min
def set_merged(layer, merged):  # dict, bool -> dict
    ### BEGIN SOLUTION
    if layer["merged"] == merged:
        return dict(layer)
    update = layer["lora_B"] @ layer["lora_A"] * layer["alpha"] / layer["lora_A"].shape[0]
    weight = layer["weight"] + update if merged else layer["weight"] - update
    return layer | {"weight": weight, "merged": merged}
    ### END SOLUTION


# %%
set_merged = check("18.2", set_merged)

# %%
lora_B = torch.randn(256, 8, generator=draw) / 16
weight, bias = layer.weight.detach(), layer.bias.detach()
apart = {"weight": weight, "lora_A": lora_A, "lora_B": lora_B, "alpha": 16, "merged": False}
once = set_merged(apart, True)
twice = set_merged(once, True)
same = torch.allclose(x @ once["weight"].T + bias, lora_linear(x, weight, bias, lora_A, lora_B, 16), atol=1e-5)
print("merged, it computes the same:", same, "· twice is once:", torch.equal(once["weight"], twice["weight"]))

# %% [markdown]
# ## Build it: the average of before and after
#
# The weights of a model before and after a training lie in one space. Here is a way back that costs nothing:

# %%
predict("18.p3")

# %% [markdown]
# **Contract.** `before` and `after` are **state dicts**: name → tensor. Tensors of one name have the same shape and dtype; names may stand in another order. Where one has a name that the other has not, raise `ValueError`. `alpha` lies between 0 and 1, both included. Return a dict with these names: (1 − alpha) · before + alpha · after where tensors are floats, and what `after` has for all others, such as counters and masks, at every alpha. Nothing that is passed in changes.


# %%
# Exercise 18.4 · the average of before and after · easy · 6 min
def average(before, after, alpha):  # dict, dict, float -> dict
    ### BEGIN SOLUTION
    if set(before) != set(after):
        raise ValueError("the two models have different names")
    mixed = dict(after)
    for name, start in before.items():
        if start.is_floating_point():
            mixed[name] = (1 - alpha) * start + alpha * after[name]
    return mixed
    ### END SOLUTION


# %%
average = check("18.4", average)

# %%
half = copy.deepcopy(base)
half.load_state_dict(average(base.state_dict(), ruined.state_dict(), 0.5))
middle = ndcg(half)
back = {name: (middle[name] - after[name]) / (before[name] - after[name]) for name in before}
print("half the way back, more than half of the loss is gone:", {name: share > 0.5 for name, share in back.items()})

# %% tags=["nbval-ignore-output"]
print({name: f"{after[name]:.2f} ruined, {middle[name]:.2f} averaged, {before[name]:.2f} before" for name in before})

# %% [markdown]
# Quality does not run straight between two models that share a start: it bulges.
#
# ## Build it: stop by two sets
#
# Early stopping (chapter 07) keeps the best on the new domain. A second set says what may be kept at all.
#
# **Contract.** A **check** measures a model on both domains: `new[i]` and `old[i]`, whole numbers, higher is better, as many of each, one at least. Check 0 is the start. `patience` is 1 or more, `tolerance` 0 or more. A check may be kept if its `old[i]` is at least `old[0]` − `tolerance`. The start is the first best. A later check becomes the best if it may be kept and its `new[i]` is *higher* than that of the best so far. After `patience` checks in a row that did not become the best, for whichever reason, the training stops, and no later check is made. Return a tuple of two numbers: which check is the best in the end, and which was the last to be made.


# %%
# Exercise 18.5 · stop by two sets · medium · 14 min
def check_to_keep(new, old, patience, tolerance):  # list of int, list of int, int, int -> (int, int)
    ### BEGIN SOLUTION
    best, last = 0, 0
    for i in range(1, len(new)):
        last = i
        if old[i] >= old[0] - tolerance and new[i] > new[best]:
            best = i
        if i - best >= patience:
            break
    return best, last
    ### END SOLUTION


# %%
check_to_keep = check("18.5", check_to_keep)

# %%
new, old = [50, 54, 58, 61, 57], [70, 69, 68, 64, 67]
for tolerance in (1, 2, 6):
    print(f"{tolerance} may be lost: check {check_to_keep(new, old, 2, tolerance)[0]} is kept")

# %% [markdown]
# How much may be lost is a decision about your product. The code only keeps to it.
#
# ## Build it: a mix of two sources
#
# What is read again is not forgotten. So each batch gets a share of general pairs.
#
# **Contract.** `domain` and `general` are lists of pairs (query, passage); a pair may stand more than once, and in both. `percent` is a whole number from 0 to 100, `batch_size` and `num_batches` are 1 or more. Return a list of `num_batches` batches, each a list of `batch_size` pairs.
#
# 1. **How many.** For every b, the first b batches together hold b · batch_size · percent / 100 general pairs, rounded down. All others come from the domain.
# 2. **Which.** The domain's pairs stand first in a batch, then the general ones. Each source is read in its order, goes on where it stopped in the batch before, and begins again at its front. A pair that the batch holds already, from whichever source, is passed over until its source comes round again.
# 3. **Too few.** Where a source has no pair that the batch does not hold, and one is needed, raise `ValueError`. Of a source that is not asked, nothing is needed.
#
# Nothing that is passed in changes.


# %%
# Exercise 18.7 · a mix of two sources · hard · 18 min
def mixed_batches(domain, general, percent, batch_size, num_batches):
    # list of pairs, list of pairs, int, int, int -> list of lists of pairs
    ### BEGIN SOLUTION
    def take(source, place, count, batch):  # puts pairs into the batch -> where the source goes on
        looked_at = 0
        while count > 0:
            if looked_at == len(source):
                raise ValueError("too few different pairs for a batch")
            pair = source[place % len(source)]
            place, looked_at = place + 1, looked_at + 1
            if pair not in batch:
                batch.append(pair)
                count, looked_at = count - 1, 0
        return place

    batches, drawn, in_domain, in_general = [], 0, 0, 0
    for b in range(1, num_batches + 1):
        due = b * batch_size * percent // 100 - drawn
        drawn += due
        batch = []
        in_domain = take(domain, in_domain, batch_size - due, batch)
        in_general = take(general, in_general, due, batch)
        batches.append(batch)
    return batches
    ### END SOLUTION


# %%
mixed_batches = check("18.7", mixed_batches)

# %%
general = docs.pairs("train")[:500]
batches = mixed_batches(pairs, general, 30, 32, 8)
counts = [len(set(batch) & set(general)) for batch in batches]
print("general pairs in each batch of 32:", counts, "· of 256 together:", sum(counts))

# %% [markdown]
# 30 % of 32 is 9.6. Rounded in each batch anew it would never be right.
#
# ## See it: there and back
#
# What does a new domain cost the old one, and is there a way back? Three rates, LoRA, and half old pairs, 16 steps each. Each training is a line away from the base: to the right is what the old domain keeps, upwards what the new one gains.

# %%
import numpy as np

from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search


def measured(encoder):  # part -> the run, and nDCG@10 of each query
    found = {}
    for part, of in held_out.items():
        run = dense_search(encoder, of.corpus, of.queries)
        found[part] = run, evaluate(of.qrels, run, ("ndcg@10",), per_query=True)["ndcg@10"]
    return found


def place(found):  # old, new
    return tuple(float(np.mean(list(values.values()))) for _, values in found.values())


# %%
from workbook.adapt import add_lora, merge, mix_pairs

LINEAR = ("query", "key", "value", "attention.output", "expand", "contract")
start = measured(base)


def adapted(rows, lr, seed=0, r=0, looks=(16,)):  # -> the encoder, its places, what it finds at last
    encoder, seen = copy.deepcopy(base), [start]
    if r:
        add_lora(encoder, r, 2.0 * r, LINEAR, seed=seed)

    def look(record):
        if record["step"] in looks:
            seen.append(measured(encoder))

    settings = {"steps": looks[-1], "batch_size": 32, "temperature": 0.05, "show": False}
    fit(encoder, rows, lr=lr, seed=seed, on_step=look, **settings)
    return merge(encoder) if r else encoder, [place(each) for each in seen], seen[-1]


# %%
mixed = mix_pairs(pairs[:500], general, 0.5)
arms = {
    "rate .003": (pairs, 3e-3, 0),
    "rate .001": (pairs, 1e-3, 0),
    "rate .0003": (pairs, 3e-4, 0),
    "LoRA": (pairs, 1e-2, 8),
    "half old pairs": (mixed, 1e-3, 0),
}
made = {(arm, 0): adapted(rows, lr, 0, r) for arm, (rows, lr, r) in arms.items()}
paths = {arm: path for (arm, _), (_, path, _) in made.items()}

# %% [markdown]
# The slider averages the model of rate .001 with the base. Which way will its mark go: along the dotted line, or beside it?


# %%
def averaged(alpha, seed=0):
    encoder, adapted_one = copy.deepcopy(base), made["rate .001", seed][0]
    encoder.load_state_dict(average(base.state_dict(), adapted_one.state_dict(), alpha))
    return encoder


def rank_of(run, judged, query):  # of its first right passage; 101 where it is not among the first 100
    ids = sorted(run[query], key=run[query].get, reverse=True)
    return next((i for i, p in enumerate(ids, 1) if judged[query].get(p)), 101)


on_the_way = {alpha: measured(averaged(alpha)) for alpha in (0.25, 0.5, 0.75)}
on_the_way = {0: start, **on_the_way, 1: made["rate .001", 0][2]}
mixture, ranks = {}, {}
for alpha, found in on_the_way.items():
    mixture[alpha] = adaptation.Place(*(bootstrap_ci(list(values.values())) for _, values in found.values()))
    for part, (run, _) in found.items():
        for q, text in held_out[part].queries.items():
            ranks.setdefault((part, text), {})[alpha] = rank_of(run, held_out[part].qrels, q)

# %% tags=["nbval-ignore-output"]
by_change = sorted(ranks, key=lambda asked: ranks[asked][1] / ranks[asked][0])
rise, fall = ([each for each in by_change if each[0] == part] for part in ("new", "old"))
asked = {text[:40]: ranks[part, text] for part, text in [*rise[:2], *fall[-2:]]}
explore(lambda alpha: adaptation.there_and_back(alpha, mixture, paths, asked), alpha=list(mixture))

# %%
for number, part in enumerate(held_out):
    first, halfway, last = (mixture[alpha][number][0] for alpha in (0, 0.5, 1))
    print(f"{part}: halfway in weights is above halfway in quality: {halfway > (first + last) / 2}")

# %% [markdown]
# «See: α = .5 keeps N of the gain for N of the loss; beside it lies the end of N.» An average costs no training, and you may choose α afterwards, by two sets of queries. The old domain counts only if you still serve it.
#
# **How strange is your domain to the model?** Words that it never met fall into pieces. Put a sentence of yours in:

# %% tags=["nbval-ignore-output"]
MY_TEXT = "The patient received furosemide intravenously after thoracentesis."
tokenizer = load("base").tokenizer  # not cut at 24 pieces
texts = {name: list(part.queries.values()) for name, part in held_out.items()} | {"MY_TEXT": [MY_TEXT]}
pieces = {}
for name, each in texts.items():
    tokens = sum(len(tokenizer.encode(text, add_special_tokens=False).tokens) for text in each)
    pieces[name] = tokens / sum(len(text.split()) for text in each)
show(results.bars(pieces, "pieces for each word"))

# %% [markdown]
# Many pieces do not say that a model fails. They say where to look: at queries that hang on such words.
#
# ## Train it
#
# Three arms with a second seed, and the average. Each stands beside keyword search, chance, and the base as it was.

# %%
for arm in ("rate .001", "LoRA", "half old pairs"):
    rows, lr, r = arms[arm]
    made[arm, 1] = adapted(rows, lr, 1, r)
finds = {"base": [start, start]}
finds |= {arm: [made[arm, seed][2] for seed in (0, 1)] for arm in ("rate .001", "LoRA", "half old pairs")}
finds["averaged"] = [on_the_way[0.5], measured(averaged(0.5, 1))]

# %%
gain = {arm: np.array([place(each) for each in of]) - place(start) for arm, of in finds.items()}  # (seeds, old and new)
print("the new domain gains, both seeds:", bool((gain["rate .001"][:, 1] > 0).all()))
print("the old one loses, both seeds:", bool((gain["rate .001"][:, 0] < 0).all()))
for arm in ("half old pairs", "averaged"):
    print(f"{arm}: less is lost, both seeds:", bool((gain[arm][:, 0] > gain["rate .001"][:, 0]).all()))

# %% tags=["nbval-ignore-output"]
from workbook.bm25 import BM25
from workbook.metrics import ndcg_by_chance

for part, of in held_out.items():
    rows = {arm: np.mean([list(each[part][1].values()) for each in seeds], axis=0) for arm, seeds in finds.items()}
    means = {arm: row.mean() for arm, row in rows.items()}
    whiskers = {arm: bootstrap_ci(row)[1:] for arm, row in rows.items()}
    words = BM25().index(of.corpus).search(of.queries, k=10)
    lines = {"bm25": evaluate(of.qrels, words, ("ndcg@10",))["ndcg@10"]}
    lines["chance"] = ndcg_by_chance(of.qrels, len(of.corpus))
    show(results.bars(means, f"nDCG@10, {part} domain", whiskers, **lines))

# %% [markdown]
# «Train: what two seeds on 200 queries can tell apart, and what is tied.» How many pairs it takes, near domains and far, five seeds: claims 50 to 53.
#
# ## Break it
#
# **The rate that erases.** The first failure again, followed for longer, and a rate that is too low:

# %%
_, high, _ = adapted(pairs, 1e-2, looks=(2, 8, 24))
_, low, _ = adapted(pairs, 3e-5)
erased = {"rate .01": high, "rate .001": paths["rate .001"], "rate .00003": low}
print("the high rate loses both domains at first:", max(high[2][i] - high[0][i] for i in (0, 1)) < 0)
print("three times as many steps do not bring the new one back:", high[-1][1] < high[0][1])
print("the low rate learns less than .001:", low[-1][1] < erased["rate .001"][-1][1])

# %% tags=["nbval-ignore-output"]
show(adaptation.plane_of_domains(erased, title="the same pairs, three rates"))

# %% [markdown]
# The path of the high rate dives, on the domain that it is trained on as well: what it still learns, it learns from scratch, out of 1,381 pairs. The low rate speaks against caution: it learns less than .001 does.
#
# **The adapter that was never added.** B is still zero, and merging succeeds all the same:

# %%
never = merge(add_lora(copy.deepcopy(base), 8, 16.0, LINEAR))
text = ["the shortest path between two nodes"]
for name, model in {"never trained": never, "trained": made["LoRA", 0][0]}.items():
    print(f"{name}: the vector is that of the base:", np.allclose(model.encode(text), base.encode(text), atol=1e-5))

# %% [markdown]
# No error, no warning, and scores that look sensible: those of the base.
#
# ## In the libraries
#
# peft has the same layer, and adds and removes as you do:

# %%
import peft

adapted = peft.get_peft_model(
    torch.nn.Sequential(copy.deepcopy(layer)),
    peft.LoraConfig(r=8, lora_alpha=16, target_modules=["0"], init_lora_weights=False),
)
theirs = adapted.base_model.model[0]
mine = {"lora_A": theirs.lora_A["default"].weight.detach(), "lora_B": theirs.lora_B["default"].weight.detach()}
print("the same output:", torch.allclose(adapted(x), lora_linear(x, weight, bias, **mine, alpha=16), atol=1e-5))
theirs.merge()
once = set_merged({**apart, **mine}, True)
print("the same merged weight:", torch.allclose(theirs.weight, once["weight"], atol=1e-5))
theirs.unmerge()
print("the same afterwards:", torch.allclose(theirs.weight, set_merged(once, False)["weight"], atol=1e-5))

# %% [markdown]
# Whole trainings agree as well: a test of the package trains the same start on the same batches through sentence-transformers and peft, full and with LoRA, and compares the losses step by step.
#
# torch averages models one by one, each with an equal share, and takes buffers from the last. The package's looks keep the check that yours keeps.

# %%
from torch.optim.swa_utils import AveragedModel

both = AveragedModel(base)
both.update_parameters(base)
both.update_parameters(ruined)
ours = average(base.state_dict(), ruined.state_dict(), 0.5)
equal = (torch.allclose(value, ours[name], atol=1e-6) for name, value in both.module.state_dict().items())
print("the same average:", all(equal))

# %%
from workbook.train.early_stopping import best, stopped_at

curve = [{"step": i, "domain": n, "general": o} for i, (n, o) in enumerate(zip(new, old))]
print("the same check:", (best(curve, floor=68), stopped_at(curve, 2, floor=68)) == check_to_keep(new, old, 2, 2))

# %% [markdown]
# ## Further: four bits, block by block
#
# **{minutes} min.** Frozen weights need no gradient, so they can be stored roughly. **QLoRA** keeps them in four bits, as numbers of 16 levels, makes floats of a block when it is needed, and trains A and B as floats. Its levels, NF4, lie where weights are: at equally likely places of a normal distribution, scaled to reach −1 and 1, with zero among them.

# %%
last = 0.9677083  # how far out the outermost level lies, as a probability
up, down = (torch.special.ndtri(torch.linspace(0.5, last, n, dtype=torch.float64)) for n in (9, 8))
nf4 = (torch.cat([-down[1:].flip(0), up]) / up[-1]).float()
print([round(level, 3) for level in nf4.tolist()])

# %% [markdown]
# **Contract.** `numbers` is (N,), N 1 or more; `levels` (16,), from −1 to 1, ascending, 0 among them; `block` is 1 or more. Cut the numbers into blocks of `block` that stand side by side; the last may be shorter. Divide each number by the largest absolute value of its block, or by 1 where that is 0. Its code is the number, from 0, of the nearest level; of two equally near ones the smaller. Return a tuple: the codes, int64 (N,); the largest absolute value of each block, floats; and what the codes stand for, level times that value, floats (N,). Nothing that is passed in changes.


# %%
# Exercise 18.3 · four bits, block by block · medium · 12 min
def four_bits(numbers, levels, block):  # (N,), (16,), int -> (N,), (blocks,), (N,)
    ### BEGIN SOLUTION
    codes, largest, values = [], [], []
    for piece in numbers.split(block):  # the last one may be shorter
        most = piece.abs().max()
        scaled = piece / torch.where(most > 0, most, 1.0)
        code = (scaled[:, None] - levels).abs().argmin(dim=1)  # (block, 16) -> (block,)
        codes.append(code)
        largest.append(most)
        values.append(levels[code] * most)
    return torch.cat(codes), torch.stack(largest), torch.cat(values)
    ### END SOLUTION


# %%
four_bits = check("18.3", four_bits)

# %%
error = {block: (four_bits(weight.flatten(), nf4, block)[2] - weight.flatten()).square().mean() for block in (64, 4096)}
print("a block of 64 is better than one of 4,096:", bool(error[64] < error[4096]))
print("bits a weight, with a float of 32 bits for each block:", 4 + 32 / 64)

# %% [markdown]
# One large number takes the fine levels from its whole block: the smaller the block, the fewer suffer.
#
# bitsandbytes writes the 16 levels out. They are these:

# %%
published = [
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]
print("the same levels:", torch.allclose(nf4, torch.tensor(published), atol=1e-6))
codes, theirs = (four_bits(weight.flatten(), levels, 64)[0] for levels in (nf4, torch.tensor(published)))
print("the same codes:", torch.equal(codes, theirs))

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **Fine-tuned on my domain, it forgot the rest. LoRA too?** LoRA changes what the layer gives for every text, old ones included: few trained numbers are no promise. Keep two dev sets, mix old pairs in, average with the weights from before. LM-Cocktail's table (bge-base, one task): target 71.8 before, 76.0 after, 14 other tasks 49.8 and 48.5; averaged half and half 74.8 and 50.0.
#
# **Which rate, batch size, epochs for N pairs?** Begin at a tenth of the rate the model was pre-trained with: E5's was 2e-4 for its weak pairs, 2e-5 afterwards. Raise it by threes while *both* sets hold. The batch may be as large as its passages stay different (chapter 05). Epochs are what early stopping says. «N50: ours, 32 to 8,192 pairs.»
#
# **Pre-train on my domain first? In which order?** Unsupervised first, supervised after: a denoising stage behind it undoes what it learned. GPL's six domain sets, nDCG@10: no adaptation 45.2; TSDAE first, then MS MARCO 49.2; GPL 51.5; TSDAE, then GPL 52.9. And never judge such a model before it was fine-tuned.
#
# **I merged the adapter, and the scores are those of the base.** Then it is not in there: it was never attached, B is still zero, or another copy was saved. Compare one vector before and after, not a benchmark.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(50, budget="record")
# %%
settle(51, budget="record")
# %%
settle(52, budget="record")
# %%
settle(53, budget="record")
# %%
settle(69, budget="record")

# %% [markdown]
# ## Quiz

# %%
quiz("18")

# %% [markdown]
# ## Recap
#
# - A rate that is too high loses both domains. Two sets of queries tell.
# - LoRA trains r · (D_in + D_out) numbers beside a frozen matrix. The path through it is not cut.
# - B starts at zero, A does not. With both at zero nothing ever moves.
# - A weight does not show whether an update is in it: write it down.
# - The start is a check, too; what loses too much is not kept.
# - A share is counted over the run, not rounded in each batch.
#
# **New terms:** domain · full fine-tuning · LoRA, rank, alpha · merge · state dict · tolerance · mixing · NF4, QLoRA.
#
# **Open task.** Take 200 pairs of your own, and 200 queries of what your model must go on finding. Which check would you keep, with how much tolerance, and who decides that?
#
# **Read next:** Hu et al. 2022 (LoRA); Dettmers et al. 2023 (QLoRA); Wortsman et al. 2022 (averaging before and after); Wang et al. 2022 (GPL).
#
# **Next chapter:** 19 · Would I bet my product on this number?
