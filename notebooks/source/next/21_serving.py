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
# # 21 · How does it meet a latency target?
#
# A model answers in 10 ms on your desk. Then people come, and do not wait for each other. What keeps a promise such as "99 of 100 within 50 ms", and what breaks in silence?
#
# **You will be able to** compute what waiting costs, batch what waits, say what int8 does to a vector, notice a changed model before users do, and answer in OpenAI's form.
#
# **You need** chapters 13 (cutting vectors) and 17 (codes of a byte). **It takes** about {minutes} minutes, about 45 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import math

import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal

quiz("17.q3", "13.q1")

# %% [markdown]
# ## Predict

# %%
predict("21.p1")

# %% [markdown]
# ## A failure first
#
# Version 1 of a model made the index. Overnight version 2, trained anew from another start, takes its place; the index stays. No error. For how many queries is the first hit right?

# %%
from workbook.data.planted import planted
from workbook.encoder import StaticEncoder, TextEncoder, load
from workbook.train import fit

collection = planted(3_000, unlabelled=1.0, label_noise=0.0).collection()
towns = collection.split("dev").sample(100, 400)
tokenizer = load("base/start").tokenizer


def new_version(seed):  # the same recipe and the same pairs, another random start
    torch.manual_seed(seed)
    encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 128), max_length=32)
    fit(encoder, collection.pairs("train")[:4_000], steps=40, batch_size=128, lr=0.02, seed=0, temperature=0.05)
    return encoder


# %%
versions = {v: new_version(seed=v) for v in (1, 2)}
texts, asked = list(towns.corpus.values()), list(towns.queries.values())
passages = {v: torch.tensor(model.encode_document(texts)) for v, model in versions.items()}
queries = {v: torch.tensor(model.encode_query(asked)) for v, model in versions.items()}


# %%
def first_hits(query_version, index_version):  # the share of queries whose first hit is relevant
    ids, best = list(towns.corpus), (queries[query_version] @ passages[index_version].T).argmax(dim=1)
    return np.mean([towns.qrels[q].get(ids[i], 0) > 0 for q, i in zip(towns.queries, best)])


both, mixed = [first_hits(v, v) for v in (1, 2)], first_hits(2, 1)
print("mixed, less than a fifth of what each finds in its own index:", mixed < min(both) / 5)

# %% tags=["nbval-ignore-output"]
print(f"version 1 {both[0]:.2f}, version 2 {both[1]:.2f}, version 2 in the index of version 1 {mixed:.2f}")

# %% [markdown]
# Scores still look like scores. No line of the service notices.
#
# ## The idea
#
# **Waiting.** The **latency** of a request runs from its arrival to its answer. With one server and the service time s:
#
# $$\text{start}_i=\max(\text{arrival}_i,\ \text{done}_{i-1})\qquad \text{done}_i=\text{start}_i+s\qquad \text{latency}_i=\text{done}_i-\text{arrival}_i$$
#
# A target names a **percentile**: p99 by **nearest rank** is, of N sorted latencies, that at rank ⌈99 N / 100⌉.
#
# **Together.** A batch of n costs fixed + each · n: the fixed part once.
#
# **Fewer bits.** In **dynamic int8** what flows through a layer is rounded as it comes, between low ≤ 0 and high ≥ 0:
#
# $$\text{scale}=\frac{\text{high}-\text{low}}{255}\qquad \text{zero}=\text{round}\Big(\frac{-\text{low}}{\text{scale}}\Big)\qquad \text{code}=\text{round}\Big(\frac{x}{\text{scale}}\Big)+\text{zero}$$
#
# | letter | shape | |
# |---|---|---|
# | x | (B, D) | into a layer: a row a text |
# | W | (D, E) | int8 weights, a scale a column |
# | code | (B, D) | 0 to 255 |
#
# **The same model.** A **fingerprint**, a hash of tokenizer, settings and weights, goes with index and **cache** (vectors that are kept). **Canaries** are texts whose vectors are stored, and made anew each day.
#
# Five requests, 10 ms each:

# %%
from workbook.figures import explore, queues, show

show(queues.bars_of_requests(queues.Served([0, 2, 4, 30, 31], [10, 18, 26, 10, 19], fixed=0, each=10)))

# %% [markdown]
# ## By hand
#
# The same in numbers:

# %%
arrivals, free = [0, 2, 4, 30, 31], 0
for arrival in arrivals:
    start = max(arrival, free)
    free = start + 10
    print(f"arrives {arrival:>2}, starts {start:>2}, done {free:>2}: latency {free - arrival}")

# %% [markdown]
# Sorted: 10, 10, 18, 19, 26. p50 has rank ⌈2.5⌉ = 3: 18. p95 has rank ⌈4.75⌉ = 5: 26.
#
# ## Build it: the queue
#
# **Contract.** `arrivals` is a list of N floats, N 1 or more, ascending; some may be equal. `service`, above 0, is what each request takes. One server takes them in order: a request starts when it has arrived and the one before is done. `percents` are whole numbers from 1 to 100. Return a tuple of two lists of floats: the latencies, in order of arrival; and for each percent p, in the order given, the latency at rank ⌈p N / 100⌉, from 1, of the sorted ones.


# %%
# Exercise 21.1 · the queue · easy · 8 min
def queue_latencies(arrivals, service, percents):
    # list of float, float, list of int -> (list of float, list of float)
    ### BEGIN SOLUTION
    latencies, free = [], arrivals[0]
    for arrival in arrivals:
        free = max(arrival, free) + service
        latencies.append(free - arrival)
    ranks = [math.ceil(p * len(latencies) / 100) for p in percents]
    return latencies, [sorted(latencies)[rank - 1] for rank in ranks]
    ### END SOLUTION


# %%
queue_latencies = check("21.1", queue_latencies)

# %% [markdown]
# 2,000 requests at random times, and a load test that waits for each answer before it sends again:

# %%
from workbook.serving import random_arrivals

people = {rate: [1_000 * t for t in random_arrivals(rate, 2_000, seed=0)] for rate in (50, 80, 95)}  # ms
for rate, arrivals in people.items():
    _, (p50, p99) = queue_latencies(arrivals, 10.0, [50, 99])
    print(f"{rate} a second: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
_, waits_itself = queue_latencies([10.0 * i for i in range(2_000)], 10.0, [50, 99])
print("a test that waits for each answer: p50 and p99", waits_itself)

# %% [markdown]
# The test holds back what would have queued: **coordinated omission**. From 80 to 95 % load p99 grows fivefold. Real arrivals come in bursts, and are worse.
#
# ## Build it: all that wait, together

# %%
predict("21.p2")

# %% [markdown]
# **Contract.** `arrivals` is as in 21.1. One server. A batch opens at the later of two moments: its first request arrives, the batch before is done. Requests join in order of arrival, those that come by opening + `window` (0 or more; exactly then counts), at most `largest` (1 or more). It closes when the `largest`-th has come, not before it opens; with fewer at opening + `window`, even if nobody comes any more. A batch of n is done `fixed` + `each` · n after it closes; then all in it are answered. Return the latencies, a list of floats, in order of arrival.


# %%
# Exercise 21.2 · all that wait, together · medium · 12 min
def batched_latencies(arrivals, window, largest, fixed, each):
    # list of float, float, int, float, float -> list of float
    ### BEGIN SOLUTION
    latencies, free = [], arrivals[0]
    while len(latencies) < len(arrivals):
        waiting = arrivals[len(latencies) :]
        opens = max(waiting[0], free)
        batch = [arrival for arrival in waiting[:largest] if arrival <= opens + window]
        closes = max(opens, batch[-1]) if len(batch) == largest else opens + window
        free = closes + fixed + each * len(batch)
        latencies += [free - arrival for arrival in batch]
    return latencies
    ### END SOLUTION


# %%
batched_latencies = check("21.2", batched_latencies)

# %%
for rate, arrivals in people.items():
    p99 = [
        np.percentile(batched_latencies(arrivals, window, 8, 8.0, 2.0), 99, method="inverted_cdf")
        for window in (0, 5, 20)
    ]
    print(f"{rate} a second: p99 {p99[0]:.0f} ms without a window, {p99[1]:.0f} with 5 ms, {p99[2]:.0f} with 20 ms")

# %% [markdown]
# At 95 a second batching brings p99 from 364 to 27 ms, and a window makes it worse: while the server is busy, a batch gathers by itself.
#
# ## Build it: int8 by the batch

# %%
predict("21.p3")

# %% [markdown]
# **Contract.** `x` is (B, D) floats; `weight_codes` int8 (D, E); `weight_scales` (E,) floats. Low is the smallest number or 0, if that is less; high the largest or 0, if that is more: of the whole `x`, or with `by_row` True of each row by itself. Scale, zero and code as above, with scale 1 if low and high are 0; each `round` takes halves to the even number, and codes are cut off at 0 and 255. The product is the sum over D of (code − zero) · weight code, in exact whole numbers, times scale, times the column's weight scale. Return a tuple: codes, torch.uint8 (B, D), and products, floats (B, E). Nothing that is passed in changes.


# %%
# Exercise 21.3 · int8 by the batch · medium · 10 min
def int8_product(x, weight_codes, weight_scales, by_row):  # (B, D), int8 (D, E), (E,), bool -> uint8 (B, D), (B, E)
    ### BEGIN SOLUTION
    axes = (1,) if by_row else (0, 1)
    low, high = x.amin(axes, keepdim=True).clamp(max=0), x.amax(axes, keepdim=True).clamp(min=0)
    scale = torch.where(high > low, (high - low) / 255, 1.0)
    zero = (-low / scale).round()
    codes = ((x / scale).round() + zero).clamp(0, 255)
    sums = (codes - zero).long() @ weight_codes.long()
    return codes.to(torch.uint8), sums * scale * weight_scales
    ### END SOLUTION


# %%
int8_product = check("21.3", int8_product)

# %%
x = passages[2][:32]  # 32 texts as what comes into a layer
W = torch.eye(x.shape[1], dtype=torch.int8)  # lets each number through as it is rounded
loud = torch.cat([x[:1], 40 * x[1:2]])
for by_row in (False, True):
    alone, in_batch, beside = (int8_product(rows, W, torch.ones(len(W)), by_row)[1][0] for rows in (x[:1], x, loud))
    print(f"scale by row: {by_row}; alone and in the batch equal: {torch.equal(alone, in_batch)}")
    print(f"  cosine with itself beside a text forty times as loud: {torch.cosine_similarity(x[0], beside, dim=0):.2f}")

# %% [markdown]
# Batch-mates set the step; with a scale for each row they do not.
#
# ## Build it: a neighbour lost to a batch-mate
#
# **The other way round.** **Contract.** Return `text, mates, passages`: (D,), (M, D), (N, D), lists or tensors of numbers between −1e6 and 1e6, M and N 1 or more. `text` is rounded as in 21.3 and scaled back, (code − zero) · scale: once alone, once with `mates` under one scale for all. Each time take the nearest passage by squared distance, of equally near ones the first; passages are not rounded. The two must differ. No two passages may be equally near to `text` itself. Size counts all numbers; the smallest is asked for.


# %%
# Exercise 21.6 · a neighbour lost to a batch-mate · easy · 5 min
def smallest_batch():  # () -> (D,), (M, D), (N, D)
    ### BEGIN SOLUTION
    return [1.0], [[1000.0]], [[1.0], [0.0]]
    ### END SOLUTION


# %%
smallest_batch = check("21.6", smallest_batch)

# %% [markdown]
# Real batch-mates are not so loud; what they do to ranks has to be measured.
#
# ## Build it: an alarm for drift
#
# **Contract.** `stored` (N, D) holds canaries' vectors from the day of the index, `quiet` (days, N, D) fresh ones of days without a change, `today` (N, D) today's; N and days 1 or more; vectors of any length. A day's statistic is the mean over texts of the cosine between stored and fresh vector; with a zero vector that is 0. `rate`, from 0 to below 1, is the accepted share of false alarms: with k = ⌊rate · days⌋ the threshold is the (k + 1)-th smallest statistic of quiet days. Return a tuple: today's statistic and the threshold, floats, and a bool, whether the one is below the other; equal is not.


# %%
# Exercise 21.5 · an alarm for drift · medium · 12 min
def drift_alarm(stored, quiet, today, rate):  # (N, D), (days, N, D), (N, D), float -> (float, float, bool)
    ### BEGIN SOLUTION
    def statistic(fresh):
        normal = [torch.nn.functional.normalize(vectors, dim=1) for vectors in (stored, fresh)]
        return float((normal[0] * normal[1]).sum(dim=1).mean())

    threshold = sorted(statistic(fresh) for fresh in quiet)[math.floor(rate * len(quiet))]
    return statistic(today), threshold, statistic(today) < threshold
    ### END SOLUTION


# %%
drift_alarm = check("21.5", drift_alarm)

# %% [markdown]
# Five canaries. Quiet days: one model, rounded in other company each day. Then comes version 2:

# %%
stored = passages[1][:5]


def in_company(seed):  # the canaries' vectors, rounded under one scale with 27 other texts
    others = passages[1][torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed))[:27]]
    return int8_product(torch.cat([stored, others]), W, torch.ones(len(W)), False)[1][:5]


quiet = torch.stack([in_company(seed) for seed in range(40)])
statistic, threshold, rings = drift_alarm(stored, quiet, passages[2][:5], rate=0.05)
print("quiet days agree to .999:", threshold > 0.999, "| version 2 rings:", rings)
false_alarms = [drift_alarm(stored, quiet, in_company(seed), rate=0.05)[2] for seed in range(100, 200)]
print("false alarms on 100 more quiet days, fewer than 20:", sum(false_alarms) < 20)

# %% [markdown]
# On a new quiet day expect (k + 1) / (days + 1), here 3 in 41: it may be worse than all that were seen.
#
# ## Build it: a handler of /v1/embeddings
#
# Many clients speak the form that OpenAI published.
#
# **Contract.** `request` is a dict, `model` the name served, `D` the full size. `encode` turns a list of strings into as many lists of D floats. `cache` is a dict, (model, text) → list of D floats, perhaps of other models too.
#
# 1. **Refuse**, in this order: the request's `model` is not `model`; `input` is neither a string nor a list of them, or is missing, or it or a string in it is empty; `dimensions` is there and no whole number from 1 to D; `encoding_format` is there and neither "float" nor "base64". Return `{"error": {"message": some text, "type": "invalid_request_error", "param": the first of these names, "code": None}}`, and encode nothing.
# 2. **Encode** texts that `cache` lacks under this model, each once, in order, in one call; none, no call. Put the whole vectors into `cache`.
# 3. **Answer** `{"object": "list", "data": …, "model": model, "usage": {"prompt_tokens": n, "total_tokens": n}}`. `data` has for each text of the input, in its order, repeated ones too, `{"object": "embedding", "index": place from 0, "embedding": …}`: the first `dimensions` numbers (D if not given) at length 1, zero stays zero; a list of floats, or for "base64" a string, base64 of their float32 bytes, lowest byte first. n counts the words, by `split()`, of all texts of the input.


# %%
# Exercise 21.7 · a handler of /v1/embeddings · hard · 20 min
def answer_embeddings(request, model, D, encode, cache):  # dict, str, int, function, dict -> dict
    ### BEGIN SOLUTION
    import base64

    texts, size, form = request.get("input"), request.get("dimensions", D), request.get("encoding_format", "float")
    texts = [texts] if isinstance(texts, str) else texts
    are_texts = isinstance(texts, list) and len(texts) > 0 and all(isinstance(t, str) and t for t in texts)
    fits = isinstance(size, int) and 1 <= size <= D
    known = {"model": request.get("model") == model, "input": are_texts}
    for name, good in {**known, "dimensions": fits, "encoding_format": form in ("float", "base64")}.items():
        if not good:
            error = {"message": f"{name} cannot be honoured", "type": "invalid_request_error"}
            return {"error": {**error, "param": name, "code": None}}
    new = [text for text in dict.fromkeys(texts) if (model, text) not in cache]
    if new:
        cache.update({(model, text): vector for text, vector in zip(new, encode(new))})
    data = []
    for index, text in enumerate(texts):
        vector = np.array(cache[model, text][:size], dtype="<f4")
        vector = vector / (np.linalg.norm(vector) or 1)
        embedding = vector.tolist() if form == "float" else base64.b64encode(vector.tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    words = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "data": data, "model": model, "usage": usage}
    ### END SOLUTION


# %%
answer_embeddings = check("21.7", answer_embeddings)

# %%
cache, D = {}, passages[2].shape[1]
body = {"model": "base", "input": [asked[0], texts[0], asked[0]], "dimensions": 64}
answer = answer_embeddings(body, "base", D, lambda new: versions[2].encode(new).tolist(), cache)
print([item["index"] for item in answer["data"]], len(answer["data"][0]["embedding"]), len(cache), "texts in the cache")
refused = answer_embeddings({**body, "dimensions": D + 1}, "base", D, None, cache)
print("refused:", refused["error"]["param"])

# %% [markdown]
# Three vectors, two texts encoded. `workbook.serving.app` puts a server and a batcher around it.
#
# ## See it: the queue
#
# How far is p99 from the median, and what does serving together change? The bars are computed by your own functions. Put in milliseconds that you have measured:

# %%
one, fixed, each = 10.0, 8.0, 2.0  # a request by itself; a batch, and each request in it
ways = [queues.ONE_BY_ONE, queues.TOGETHER]
rates = [10, 30, 50, 60, 70, 80, 90, 95, 99]


def served(rate, way):
    arrivals = [1_000 * t for t in random_arrivals(rate, 2_000, seed=0)]
    if way == queues.ONE_BY_ONE:
        return queues.Served(arrivals, queue_latencies(arrivals, one, [50])[0], 0, one)
    return queues.Served(arrivals, batched_latencies(arrivals, 0, 8, fixed, each), fixed, each)


runs = {(rate, way): served(rate, way) for rate in rates for way in ways}
explore(lambda requests_a_second, way: queues.queue(requests_a_second, way, runs), requests_a_second=rates, way=ways)

# %%
for rate in (50, 95):
    p99 = [np.percentile(runs[rate, way].latencies, 99, method="inverted_cdf") for way in ways]
    batches = sum(1 / n for n in queues.batch_sizes(runs[rate, ways[1]]))
    print(f"{rate} a second: p99 {p99[0]:.0f} ms one by one, {p99[1]:.0f} together, {2_000 / batches:.1f} in a batch")

# %% [markdown]
# The server idles half of the time at 50 a second, and one of a hundred waits for three others all the same. Together, batches stay small at every load: what has gathered while the server was busy is all it takes.
#
# ## Train it: a server under load
#
# Nothing is trained here. A real server, starlette with uvicorn, on loopback: `base` behind the package's batcher. Before each call it sleeps 8 ms, and 2 for each text, as long as a larger model would take elsewhere. Requests leave when they are due, whatever the answers do: 140 at 120 a second, twice, with other arrivals.

# %%
import time

from workbook.serving.app import make_app
from workbook.serving.load import under_load

base = load("base")
base.max_length = 32


class Larger:  # base, as slow as a larger model
    def __getattr__(self, name):
        return getattr(base, name)

    def encode(self, texts):
        time.sleep(0.008 + 0.002 * len(texts))
        return base.encode(texts)


# %%
def milliseconds(largest, window, seed):  # of each request, and the answers in a second
    app = make_app(Larger(), "base", "larger", window=window / 1_000, largest=largest, cache_size=1)
    bodies = [{"model": "base", "input": text} for text in texts[:140]]
    latencies, per_second = under_load(app, bodies, random_arrivals(120, 140, seed))
    return [1_000 * latency for latency in latencies], per_second


settings = {
    "one by one": (1, 0),
    "at most 8, no window": (8, 0),
    "at most 8, 20 ms": (8, 20),
    "at most 32, 20 ms": (32, 20),
}
tested = {name: [milliseconds(*setting, seed) for seed in (0, 1)] for name, setting in settings.items()}

# %%
one_by_one, together = ([np.median(latencies) for latencies, _ in tested[name]] for name in list(settings)[:2])
print("together p50 is lower, both times:", all(b < a for a, b in zip(one_by_one, together)))

# %% tags=["nbval-ignore-output"]
measured = {
    name: queues.Measured([latencies for latencies, _ in each], np.mean([per_second for _, per_second in each]))
    for name, each in tested.items()
}
show(queues.under_load(measured, title="120 requests a second"))

# %% [markdown]
# One by one a text takes 10 ms at least, and 120 a second leave 8. So the queue grows as long as the test lasts: a longer test has a larger p99, and none of them is a property of the service. Look at the answers a second first; where they are fewer than the requests, latencies say nothing else. Together, the server keeps up. A window of 20 ms makes batches larger and nobody faster: it pays only where a larger batch saves work that costs more than waiting.
#
# Clocks count here from the moment at which a request was *due*. A client that starts them when it sends, or that has a few connections only, holds back what would have queued, as the test did that waits for each answer.
#
# **The model itself.** The same weights in torch, in onnxruntime, and there in int8:

# %%
from tempfile import TemporaryDirectory

from workbook.export import export_onnx, load_onnx

runtimes = {"torch": base}
for name, int8 in {"ONNX": False, "ONNX int8": True}.items():
    with TemporaryDirectory() as folder:
        export_onnx(base, folder, int8=int8)
        runtimes[name] = load_onnx(folder, num_threads=1)

# %%
made = {name: model.encode(texts) for name, model in runtimes.items()}  # (N, D)
print("ONNX equal to torch:", np.allclose(made["torch"], made["ONNX"], atol=1e-5))
print("int8, cosine above .99 for all:", (made["torch"] * made["ONNX int8"]).sum(axis=1).min() > 0.99)

# %% tags=["nbval-ignore-output"]
for name, model in runtimes.items():
    start = time.process_time()
    for text in asked:
        model.encode([text])
    print(f"{name:<10} {1_000 * (time.process_time() - start) / len(asked):.2f} ms for a query by itself")

# %% [markdown]
# A runtime that rounds nothing must give torch's vectors; check that first, for a graph without pooling is fast, and wrong. How much each saves, and what it costs in quality, depends on the processor and on the model: claim 61 measures seven such levers.
#
# ## Break it
#
# **A silent swap.** Of each stored text: the cosine of its stored vector with today's. And one that speaks against the rule: `base` was trained on from `base/start`. Add a text of your own:

# %%
mine = "Which town has the oldest bridge?"
models = {**versions, "start": load("base/start"), "base": base}
models["start"].max_length = 32
for name in ("start", "base"):
    passages[name], queries[name] = (torch.tensor(models[name].encode(t)) for t in (texts, asked))

changes = {"no change": (1, 1), "version 2": (1, 2), "base after base/start": ("start", "base")}  # old, new
cosines = {name: (passages[old] * passages[new]).sum(dim=1).tolist() for name, (old, new) in changes.items()}
found = {name: first_hits(new, old) for name, (old, new) in changes.items()}
before = first_hits("start", "start")
print("version 2, middle cosine below .5:", np.median(cosines["version 2"]) < 0.5)
print("base after base/start, middle cosine below .99:", np.median(cosines["base after base/start"]) < 0.99)
print("and it still finds at least nine tenths as much:", found["base after base/start"] > 0.9 * before)

# %% tags=["nbval-ignore-output"]
yours = {
    name: float((models[old].encode([mine]) * models[new].encode([mine])).sum()) for name, (old, new) in changes.items()
}
explore(lambda today: queues.swapped(today, cosines, found, yours, "first hit right"), today=list(changes))

# %% [markdown]
# Another start is another space: the hill stands near 0, and nothing is found. A model that was trained on from the old one has moved, too, far enough for any alarm, and finds what it found before. So an alarm says *changed*, not *worse*. Then measure, with queries that you have judged.
#
# **The way out.** An index with a fingerprint refuses, and a migration changes models without downtime:

# %%
from workbook.index import FlatIndex
from workbook.serving import Migration, OtherModel, Store

old, new = (Store(versions[v], FlatIndex(128)) for v in (1, 2))
old.add(towns.corpus)
try:
    old.index.search(queries[2].numpy(), 1, fingerprint=new.fingerprint)
except OtherModel as refusal:
    print("refused:", "nothing says that they can be compared" in str(refusal))

# %%
change = Migration(old, new)
change.add({"late": "A text that comes meanwhile."})  # into both
while left := change.fill(towns.corpus, most=150):
    print(left, "texts are missing yet, version 1 answers:", change.serving is old)
change.cut_over()
print("nothing is missing, version 2 answers:", change.serving is new)

# %% [markdown]
# **Batch-mates, in ranks.** The queries in int8, each by itself and in batches of 32:

# %%
int8 = runtimes["ONNX int8"]
shelf, alone, together = (torch.tensor(int8.encode(t, batch_size=n)) for t, n in ((texts, 32), (asked, 1), (asked, 32)))
tens = [(vectors @ shelf.T).topk(10).indices.tolist() for vectors in (alone, together)]
stay = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*tens)])
print("most vectors differ:", ((alone - together).abs().max(dim=1).values > 1e-4).float().mean().item() > 0.5)
print("of ten passages more than nine stay:", stay > 0.9)

# %% [markdown]
# int8's step comes from the loudest number of the batch, so most vectors move, by little. Ranks are made of gaps between passages, and most gaps are larger. Claim 70 asks whether that is so for other models and texts, and holds it beside float32 and beside copies of the query itself.
#
# ## In the libraries

# %%
latencies, ours = queue_latencies(people[80], 10.0, [50, 95, 99])
print("percentiles equal to numpy's:", ours == np.percentile(latencies, [50, 95, 99], method="inverted_cdf").tolist())

# %%
import onnx
import onnxruntime

helper, kinds = onnx.helper, onnx.TensorProto
node = helper.make_node("DynamicQuantizeLinear", ["x"], ["codes", "scale", "zero"])
entry = helper.make_tensor_value_info("x", kinds.FLOAT, list(x.shape))
exits = [helper.make_tensor_value_info("codes", kinds.UINT8, list(x.shape))]
layer = helper.make_model(
    helper.make_graph([node], "layer", [entry], exits), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
)
session = onnxruntime.InferenceSession(layer.SerializeToString(), providers=["CPUExecutionProvider"])
codes, _ = int8_product(x, W, torch.ones(len(W)), False)
print("codes equal to onnxruntime's:", np.array_equal(session.run(None, {"x": x.numpy()})[0], codes.numpy()))

# %%
from openai.types import CreateEmbeddingResponse

read = CreateEmbeddingResponse.model_validate(answer)
print("openai's own types read it:", [item.embedding for item in read.data] == [i["embedding"] for i in answer["data"]])

# %% [markdown]
# ## Further: a cache that knows the model
#
# **{minutes} min.** The fastest call of a model is the one that is not made. A cache keeps what was used last, and must not mix models.
#
# **Contract.** `requests` is a list of tuples of three strings, one at least: fingerprint of the model, prompt, text. Two are the same only if all three are equal, letter by letter. `size` is 1 or more. A request is a hit if the cache holds it, else it is taken in. Either way it is now the most recently used. Where more than `size` would be held, the one used longest ago goes. The cache is empty at first. Return a tuple of two lists: for each request a bool, True for a hit; and what is held in the end, the tuples, the one used longest ago first.


# %%
# Exercise 21.4 · a cache that knows the model · medium · 10 min
def replay_cache(requests, size):  # list of (str, str, str), int -> (list of bool, list of (str, str, str))
    ### BEGIN SOLUTION
    held, hits = {}, []  # a dict keeps the order in which keys came in
    for request in requests:
        hits.append(request in held)
        held.pop(request, None)
        held[request] = True
        if len(held) > size:
            del held[next(iter(held))]
    return hits, list(held)
    ### END SOLUTION


# %%
replay_cache = check("21.4", replay_cache)

# %%
from workbook.serving import fingerprint

drawn = np.random.default_rng(0).zipf(1.3, 2_000) % len(asked)  # a few queries are asked often, most rarely
model = fingerprint(versions[2])
keys = [(model, "", asked[i]) for i in drawn]
for size in (5, 20, 80):
    hits, _ = replay_cache(keys, size)
    print(f"room for {size}: {sum(hits) / len(hits):.2f} of the requests never reach the model")

# %% [markdown]
# Popular queries repeat, so a small cache answers many. After a change of model no key fits, and nothing has to be emptied. It hits as `functools.lru_cache` does:

# %%
from functools import lru_cache

theirs = lru_cache(maxsize=20)(lambda key: None)
for key in keys:
    theirs(key)
print("hits equal to functools':", theirs.cache_info().hits == sum(replay_cache(keys, 20)[0]))

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **int8 and ONNX: how much quality, is it deterministic?** The same batch gives the same vectors. Another batch gives others where one scale rounds all, as onnxruntime's dynamic quantization does. Compare *ranks* of your own queries, alone and in batches; cosines of .99 say little. Encode canaries one by one if their drift is to be read. ONNX by itself rounds nothing; check that pooling and normalization are in the graph, as `export_onnx` puts them.
#
# **I change the model: must I encode everything anew, and can I migrate without downtime?** Yes, both. Vectors of two models have nothing to do with each other, unless one was trained on from the other, and even then nobody promises it. Put the fingerprint into index and cache, and let them refuse others. Then write what is new into two indexes, fill the second with what was there before, compare the two on your queries, and let reads change over last. `workbook.serving.Migration` does this in forty lines. Keep the old index for a while: that is the way back.

# %% [markdown]
# ## Claims settled here
#
# Smaller models, shorter vectors, ONNX and int8; a silent change, and how many canaries it takes; batch-mates.

# %%
from workbook.claims import settle

settle(61, budget="record")
# %%
settle(62, budget="record")
# %%
settle(70, budget="record")

# %% [markdown]
# ## Quiz

# %%
quiz("21")

# %% [markdown]
# ## Recap
#
# - p99 is made of waiting. Near full load it explodes.
# - A load test must not wait for answers. Percentiles are never averaged.
# - Batch what waits; a window costs latency at once.
# - One scale for a batch ties vectors to batch-mates; one for each row does not.
# - A fingerprint for cache and index; canaries, and a threshold from quiet days.
#
# **New terms:** latency · percentile · nearest rank · coordinated omission · dynamic batching · dynamic int8 · cache · fingerprint · canary · dual write · cut-over.
#
# **Open task.** Replay the arrival times of a log of your own against your model. At how many times that rate does p99 miss your target?
#
# **Read next:** Dean and Barroso 2013 (The Tail at Scale); Tene, "How NOT to Measure Latency"; Jacob et al. 2018 (integer arithmetic).
#
# **Next chapter:** 22 · Which model should I use, and what next?
