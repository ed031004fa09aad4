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
# # 20 · What changes at 8.8 million passages?
#
# The code of chapter 07 encodes a thousand passages. With millions it takes days, is killed once, fills the memory, and in the end some rows are missing without an error. The model is as good as before. What fails is doing everything at once.
#
# **You will be able to** search vectors that do not fit into memory, write them so that a kill loses nothing, and say what a corpus costs before you start.
#
# **You need** chapters 07 (resume) and 17 (search). **It takes** about {minutes} minutes, «N» seconds of machine time on one core, and «N» GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.exercises.disk import Disk, Killed

quiz("07.q1", "17.q1")

# %% [markdown]
# ## Predict

# %%
predict("20.p1")

# %% [markdown]
# ## A failure first
#
# A loop collects texts, encodes them in blocks of 5,000, and counts what comes out:


# %%
def encoded_rows(texts, block_rows):
    block, rows = [], 0
    for text in texts:
        block.append(text)
        if len(block) == block_rows:
            rows, block = rows + len(block), []  # here they would be encoded
    return rows


print(f"{359_147:,} in, {encoded_rows(range(359_147), 5_000):,} out")

# %% [markdown]
# The last block was not full, so it never came out. From row 355,000 on nothing is ever found. Somebody met this with these very numbers (sentence-transformers, issue 381).
#
# ## The idea
#
# Four rules make a large run out of small ones:
#
# | rule | what it saves |
# |---|---|
# | **stream**: take a block, use it, let it go | memory |
# | **shard**: files of a fixed number of rows | time: many workers, and a kill costs one file |
# | **manifest**: what is whole, written last | doubt: without it nothing counts |
# | **count** rows into and out of every stage | rows |
#
# A **memory map** is a file that is used like an array: the system reads what is asked for and may drop it again. It works because a row's place can be computed. With D numbers of b bytes in a row and h bytes before the first one (the **header**), in shards of S rows:
#
# $$\text{shard}(n)=\lfloor n/S\rfloor\qquad\text{first byte}(n)=h+(n\bmod S)\cdot D\cdot b$$
#
# And the bill, with T tokens, W machines of r tokens a second each, at a price of p an hour:
#
# $$\text{hours}=\frac{T}{3600\,W\,r}\qquad\text{bytes}=N\,D\,b\qquad\text{money}=\text{hours}\cdot W\cdot p$$
#
# W cancels out of the money: machines buy time.
#
# A small corpus, to see the formula at work:

# %%
from workbook.figures import explore, results, scale, search_costs, show

explore(lambda row: scale.rows_in_a_file(row, 10, 4, 12, header=8), row=list(range(10)))

# %% [markdown]
# ## By hand
#
# Shards of 5 rows, 3 numbers of 4 bytes in each, no header. Row 7 is row 2 of shard 1:
#
# | shard 1 | row 5 | row 6 | row 7 | row 8 | row 9 |
# |---|---|---|---|---|---|
# | bytes | 0 to 11 | 12 to 23 | **24 to 35** | 36 to 47 | 48 to 59 |
#
# In one file of 384 float32 the same rule says where row 1,000,000 begins:

# %%
print(f"row 7: shard {7 // 5}, byte {7 % 5 * 3 * 4}")
print(f"row 1,000,000: byte {1_000_000 * 384 * 4:,}")

# %% [markdown]
# ## Build it: where a row stands
#
# **Contract.** Vectors stand in shards: files of `shard_rows` rows each, of which the last may have fewer. Shards and rows are counted from 0, rows through the whole corpus. Each file begins with `header` bytes, 0 or more, that are no row; then come its rows without gaps, each of `D` numbers of `number_bytes` bytes. All but `row` and `header` are 1 or more. Return a tuple of three ints for `row`: the number of its shard, and in that file, counted from its beginning, the first byte of the row and the byte after its last.


# %%
# Exercise 20.1 · where a row stands · easy · 5 min
def place_of_row(row, shard_rows, D, number_bytes, header):  # int, int, int, int, int -> (int, int, int)
    ### BEGIN SOLUTION
    size = D * number_bytes
    first = header + row % shard_rows * size
    return row // shard_rows, first, first + size
    ### END SOLUTION


# %%
place_of_row = check("20.1", place_of_row)

# %% [markdown]
# Numpy writes such files, here with a header of 128 bytes:

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
vectors = np.random.default_rng(0).integers(-8, 9, (1_000, 64)).astype(np.float32) / 4
for number in range(4):
    np.save(folder / f"{number:05}.npy", vectors[number * 300 : (number + 1) * 300])
shard, first, end = place_of_row(777, 300, 64, 4, 128)
with (folder / f"{shard:05}.npy").open("rb") as file:
    file.seek(first)
    print("row 777 is found:", np.array_equal(np.frombuffer(file.read(end - first), np.float32), vectors[777]))

# %% [markdown]
# So a corpus of any size opens in a moment.
#
# ## Build it: the best of many blocks

# %%
predict("20.p2")

# %% [markdown]
# **Contract.** `queries` is a float32 tensor (Q, D). `blocks` gives float32 tensors (B, D) one after the other, one at least; B is 1 or more and may differ from block to block. It may be a generator, so it can be walked through once. `k` is 1 or more. A passage's score is its dot product with the query; nothing is normalized. Rows are counted from 0 through all blocks. Return a tuple of two tensors (Q, K), where K is the smaller of k and the number of all rows: the largest scores of each query (float32), largest first, and their rows (int64). Of equal scores the smaller row comes first. Memory must not grow with the number of blocks.


# %%
# Exercise 20.2 · the best of many blocks · medium · 10 min
def best_over_blocks(queries, blocks, k):  # (Q, D), (B, D) each, int -> (Q, K), (Q, K)
    ### BEGIN SOLUTION
    best, rows, start = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long), 0
    for block in blocks:
        scores = torch.cat([best, queries @ block.T], dim=1)
        new = torch.arange(start, start + len(block)).expand(len(queries), -1)
        best, order = scores.sort(dim=1, descending=True, stable=True)
        best, order = best[:, :k].clone(), order[:, :k]
        rows = torch.cat([rows, new], dim=1).gather(1, order)
        start += len(block)
    return best, rows
    ### END SOLUTION


# %%
best_over_blocks = check("20.2", best_over_blocks)


# %%
def blocks_of(folder):  # each shard is mapped, used, and let go
    for path in sorted(folder.glob("*.npy")):
        yield torch.from_numpy(np.array(np.load(path, mmap_mode="r")))


queries = torch.from_numpy(vectors[:3] + 0.25)
scores, rows = best_over_blocks(queries, blocks_of(folder), 5)
whole = (queries @ torch.from_numpy(vectors).T).sort(dim=1, descending=True, stable=True)
print("equal to one piece:", torch.equal(rows, whole.indices[:, :5]), torch.equal(scores, whole.values[:, :5]))

# %% [markdown]
# Ties go to the smaller row: so the ranking does not depend on where blocks end.
#
# ## Build it: a resume that counts files

# %%
predict("20.p3")

# %% [markdown]
# **The other way round.** A colleague resumes by a count: so many files are there, so many rows are done. Find the smallest folder in which a row is lost or doubled.
#
# **Contract.** Return `N, shard_rows, there`. `N` rows, 1 or more, stand in shards of `shard_rows`, 1 or more, the last one perhaps shorter. `there` is a list of the numbers of shards, from 0, whose files are whole; none twice, perhaps none at all. The colleague encodes all rows from number `len(there) * shard_rows` on. Right is to encode the shards that are not there. In the end some row must have been written never or more than once by the colleague. Size is `N` plus the length of `there`; the smallest is asked for.


# %%
# Exercise 20.6 · a resume that counts files · easy · 5 min
def smallest_gap():  # () -> int, int, list of int
    ### BEGIN SOLUTION
    return 2, 1, [1]
    ### END SOLUTION


# %%
smallest_gap = check("20.6", smallest_gap)

# %% [markdown]
# With one worker the count is right, so tests with one worker do not find it.
#
# ## Build it: shards that survive
#
# `Disk` stands in for a folder: `disk.write(name, text)`, `disk.rename(old, new)`, `name in disk`. A killed write leaves half of the text; a rename is one step.
#
# **Contract.** Write a stream of texts as shards onto `disk`; return nothing. `texts` can be walked through once; it may be empty, and never more than `shard_rows` of its texts are kept. Shard n holds the next `shard_rows` texts, 1 or more, the last shard what is left; an empty one is not written. Its name is n in five digits, from `00000`; its content is `encode(list of its texts)`, a text. A file is first written under its name with `.tmp` behind it, over what may stand there, and then renamed; nothing else is done to the disk. A shard whose name is on the disk is whole: it is neither encoded nor written, and its texts are passed over. Shards are made in order. After the last one the file `manifest` is written in the same way: `7 rows in 3 shards`, counted over all shards, those of earlier runs included, in these words also for 0 and 1. If there is a `manifest` at the beginning, nothing is done.


# %%
# Exercise 20.7 · shards that survive · hard · 20 min
def write_shards(disk, texts, encode, shard_rows):  # Disk, list of str, function, int -> None
    ### BEGIN SOLUTION
    from itertools import islice

    def write_whole(name, text):
        disk.write(f"{name}.tmp", text)
        disk.rename(f"{name}.tmp", name)

    if "manifest" in disk:
        return
    texts, rows, shards = iter(texts), 0, 0
    while shard := list(islice(texts, shard_rows)):  # fewer at the end, none behind it
        if f"{shards:05}" not in disk:
            write_whole(f"{shards:05}", encode(shard))
        rows, shards = rows + len(shard), shards + 1
    write_whole("manifest", f"{rows} rows in {shards} shards")
    ### END SOLUTION


# %%
write_shards = check("20.7", write_shards)


# %% [markdown]
# Killed at each of its steps, and run again:


# %%
def lengths(texts):  # stands in for an encoder
    return " ".join(str(len(text)) for text in texts)


texts = ["one", "two", "three", "four", "five", "six", "seven"]
undisturbed = Disk()
write_shards(undisturbed, iter(texts), lengths, 3)
same = []
for steps in range(len(undisturbed.log)):
    disk = Disk(steps=steps)
    try:
        write_shards(disk, iter(texts), lengths, 3)
    except Killed:
        disk.steps = None
        write_shards(disk, iter(texts), lengths, 3)
    same.append(disk.files == undisturbed.files)
print(f"{sum(same)} of {len(same)} end alike; {undisturbed.files['manifest']}")

# %% [markdown]
# Every stage of `workbook.pipeline` does this with real files.
#
# ## Build it: the bill
#
# **Contract.** `shards` is a list of pairs, one at least: rows, 1 or more, and their mean tokens, above 0. `encoder` has `dimensions` and `number_bytes`; `machine` has `tokens_per_second`, `price` (of one machine, an hour) and `memory` (of one machine, in bytes); there are `machines` of them, and `night` hours. Tokens and vectors are shared evenly over the machines; fractions of an hour are paid. Return a dict: `bytes` of all vectors together, `hours` until all rows are encoded, `money` for all machines, `wall` and `most`. For a corpus with the same mean tokens a row, two walls are compared: the most rows whose vectors fit into the memory of all machines, and the most that they encode in `night` hours, each rounded down to an int. `most` is the smaller one, `wall` its name, `"memory"` or `"night"`; where both are equal, `"night"`.


# %%
# Exercise 20.5 · the bill · medium · 10 min
def bill(shards, encoder, machine, machines, night):  # list of (int, float), dict, dict, int, float -> dict
    ### BEGIN SOLUTION
    rows, tokens = sum(n for n, _ in shards), sum(n * mean for n, mean in shards)
    row_bytes = encoder["dimensions"] * encoder["number_bytes"]
    tokens_an_hour = 3600 * machine["tokens_per_second"] * machines
    hours = tokens / tokens_an_hour
    memory = int(machine["memory"] * machines // row_bytes)
    in_a_night = int(night * tokens_an_hour * rows / tokens)
    wall = "memory" if memory < in_a_night else "night"
    money = hours * machines * machine["price"]
    return {"bytes": rows * row_bytes, "hours": hours, "money": money, "wall": wall, "most": min(memory, in_a_night)}
    ### END SOLUTION


# %%
bill = check("20.5", bill)

# %% [markdown]
# 8.8 million passages, at the rates of one core in the committed record. The 60 tokens stand on both sides and drop out; price and memory are placeholders for yours:

# %%
import json
from importlib.resources import files as files_of

record = json.loads((files_of("workbook") / "pipeline/records/scale.json").read_text("utf-8"))["sizes"]["8800000"]
static = 8_800_000 / record["stages"]["encode"]["cpu_seconds"]
transformer = record["transformer"]["passages_per_cpu_second"]
for name, rate, D in (("bag of vectors", static, 256), ("6-layer transformer", transformer, 384)):
    for machines in (1, 10):
        machine = {"tokens_per_second": 60 * rate, "price": 0.05, "memory": 16e9}
        cost = bill([(8_800_000, 60)], {"dimensions": D, "number_bytes": 4}, machine, machines, 12)
        print(f"{name}, {machines}: {cost['hours']:.2f} h, {cost['money']:.2f}; {cost['wall']} at {cost['most']:,}")

# %% [markdown]
# Two encoders, two walls: the transformer runs out of night, the bag of vectors out of memory. The nearer one says what is worth making smaller.
#
# ## See it: what breaks first?
#
# Memory, disk or night? Two rates of your machine decide: the passages that it encodes in a second, and the bytes of vectors that it reads. Write a passage of your own, and what your machine has:

# %%
from workbook.encoder import load

mine = "A passage of yours, about as long as those that you want to search: the longer, the fewer in a night."
has = {"memory": 16e9, "disk": 500e9, "night": 12}
stored = {"float32": 4 * 384, "int8": 384, "48-byte codes": 48}

# %% tags=["nbval-ignore-output"]
import time


def in_a_second(work, amount):
    work()  # the first time takes longer
    start = time.perf_counter()
    work()
    return amount / (time.perf_counter() - start)


base, read = load("base"), np.ones((40_000, 384), np.float32)
passages = [f"{i}. {mine}" for i in range(64)]
own = scale.Machine(
    **has,
    passages_per_second=in_a_second(lambda: base.encode(passages), 64),
    bytes_per_second=in_a_second(lambda: read @ read[0], read.nbytes),
)
sizes = [factor * 10**power for power in range(3, 9) for factor in (1, 3)] + [10**9]
sizes[sizes.index(10**7)] = 8_800_000
explore(lambda passages: scale.ruler(passages, own, stored), passages=sizes)

# %%
print("the laptop of the prediction:", scale.walls(own._replace(**has, passages_per_second=30), 4 * 384))

# %% [markdown]
# At 30 passages a second the night ends first, at 1.3 million, and memory would do for 10.4. Your own first wall stands below the figure. Codes move the wall of memory and not the night; more machines move both.
#
# ## Train it
#
# 100,000 generated passages go through `workbook.pipeline`: texts into a file, a bag of vectors trained for twenty steps, vectors into ten shards. Encoding is a process of its own, and as soon as a shard is there we kill it:

# %%
from workbook import pipeline

work = folder / "work"
facts = pipeline.data(work, "planted", passages=100_000)
small = {"dimensions": 64, "vocab_size": 4_000, "max_length": 64, "sample": 2_000}
told = pipeline.train(work, steps=20, batch_size=128, validate=False, **small)

# %%
import subprocess
import sys

settings = ["--splits", "dev", "--shard-rows", "10000", "--processes", "1", "--quiet"]
encoding = subprocess.Popen([sys.executable, "-m", "workbook", "encode", str(work), *settings])
while encoding.poll() is None and not list(work.glob("vectors/corpus-*.npy")):
    time.sleep(0.01)
encoding.kill()
killed = encoding.wait() != 0
before = {path: path.stat().st_mtime_ns for path in work.glob("vectors/corpus-*.npy")}
print("killed:", killed, "· a manifest is there:", (work / "vectors/manifest.json").exists())

# %%
encoded = pipeline.encode(work, splits=["dev"], shard_rows=10_000)  # the same again: it goes on
index = pipeline.index(work, kind="flat")
found = pipeline.search(work, "dev", limit=200, trec=False)
print(
    f"passages {facts['passages']:,} → vectors {encoded['rows']:,} → index {index['rows']:,}; {encoded['shards']} shards"
)
print("whole shards were left alone:", all(path.stat().st_mtime_ns == at for path, at in before.items()))

# %% [markdown]
# Every row that went in came out. The same stages at up to 8.8 million passages, each run once on two cores, from the record:

# %%
record = search_costs.read_scale()
stages = ["data", "train", "encode", "index", "search", "mine"]
show(scale.stages_by_size(record, stages, 4 * 256))

# %%
of = {size: record["sizes"][size]["stages"] for size in ("1000000", "8800000")}
for stage in stages:
    few, many = (of[size][stage]["peak_anonymous_bytes"] / 1e9 for size in of)
    print(f"{stage:<6} a million {few:.2f} GB, 8.8 million {many:.2f} GB")

# %% [markdown]
# Up to a million, buffers and samples fill. From there to 8.8 million, one stage grows by more than a tenth: `data` keeps something for each id. All 8.2 GB of files were made with 1.0 GB at most. Claim 59 asks for intervals.
#
# **Two processes that train.** Both read the same batch, each encodes half. They gather vectors, so that a query chooses among all 64, or each stays with its own 32, and only gradients are averaged:

# %%
script = """
import os, sys, torch, torch.distributed as dist
from workbook.encoder import StaticEncoder
from workbook.losses import info_nce
from workbook.train.distributed import average_gradients, gather_with_gradient, rank, share

def train(sides, V, seed, gather, steps=100):  # two pairs of ids and mask, (P, T) -> (V, 64), losses
    torch.manual_seed(seed)
    table, losses = StaticEncoder(V, 64), []
    optimizer = torch.optim.Adam(table.parameters(), lr=0.02)
    for _ in range(steps):
        rows = share(torch.randint(len(sides[0][0]), (64,)))  # the whole batch is the same everywhere
        query, positive = (gather(table.mean(ids[rows], mask[rows])) for ids, mask in sides)
        loss = info_nce(query, positive, temperature=0.05)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(table.parameters())
        optimizer.step()
        losses.append(loss.item())
    return table.word.weight.detach(), losses

ways = {"gathered": gather_with_gradient, "each alone": lambda x: x}
if "RANK" in os.environ:  # torchrun has started us
    dist.init_process_group("gloo")
    sides, V = torch.load(sys.argv[1])
    found = {(way, seed): train(sides, V, seed, ways[way]) for way in ways for seed in (0, 1)}
    if rank() == 0:
        torch.save(found, sys.argv[2])
    dist.barrier()
    dist.destroy_process_group()
"""

# %%
from workbook.data.planted import planted
from workbook.support.processes import torchrun

towns = planted(3_000, unlabelled=1.0, label_noise=0.0).collection()
learned, asked = towns.split("train"), towns.split("test").sample(200, 1_000)
encoder = load(work / "model")
pairs = [(learned.queries[q], towns.corpus[p]) for q, grades in learned.qrels.items() for p in grades]
sides = [encoder.tokenize(list(texts)) for texts in zip(*pairs)]
V = encoder.backbone.word.num_embeddings

# %%
(folder / "work.py").write_text(script)
torch.save((sides, V), folder / "pairs.pt")
torchrun([folder / "work.py", folder / "pairs.pt", folder / "found.pt"], processes=2)
two = torch.load(folder / "found.pt")
exec(script, here := {"__name__": "here"})  # one process: this one
one = {seed: here["train"](sides, V, seed, lambda x: x) for seed in (0, 1)}

# %%
near = [np.allclose(one[seed][1][:20], two["gathered", seed][1][:20], atol=1e-3) for seed in (0, 1)]
lower = [np.mean(two["each alone", seed][1]) < np.mean(one[seed][1]) for seed in (0, 1)]
print("gathered has the losses of one process, both seeds:", all(near))
print("each alone has a lower loss, both seeds:", all(lower))

# %% tags=["nbval-ignore-output"]
from workbook.bm25 import BM25
from workbook.metrics import bootstrap_ci, evaluate, ndcg_by_chance
from workbook.similarity import dense_search


def ndcg(run):  # (Q,)
    return np.array(list(evaluate(asked.qrels, run, ["ndcg@10"], per_query=True)["ndcg@10"].values()))


def of_table(weight):
    encoder.backbone.word.weight.data = weight
    return ndcg(dense_search(encoder, asked.corpus, asked.queries, k=10))


tables = {"one process": [one[seed][0] for seed in (0, 1)]}
tables |= {f"two, {way}": [two[way, seed][0] for seed in (0, 1)] for way in here["ways"]}
values = {name: np.mean([of_table(weight) for weight in each], axis=0) for name, each in tables.items()}
whiskers = {name: bootstrap_ci(each)[1:] for name, each in values.items()}
means, bm25 = (
    {name: each.mean() for name, each in values.items()},
    ndcg(BM25().index(asked.corpus).search(asked.queries, k=10)),
)
chance = ndcg_by_chance(asked.qrels, len(asked.corpus))
show(
    results.bars(means, "nDCG@10", whiskers, chance=chance, bm25=bm25.mean(), title="two seeds, 100 steps of 64 pairs")
)

# %% [markdown]
# Gathered, two processes are one. A loss among 32 is lower because the choice is easier, so never compare losses across numbers of processes. Where whiskers overlap, this size does not show what the missing negatives cost; chapter 05 does. What two processes save in time, claim 60 measures: vectors and gradients are sent at every step, and that does not shrink with the share. What a second process adds to encoding, where nothing is sent, claim 58 asks.
#
# ## Break it
#
# **Everything in memory.** The vectors are collected in a list and then made one array; or each block goes into its file and is let go. What Python holds, counted:

# %%
import tracemalloc


def held(collect, rows=40_000, block=4_000):  # bytes after each block, and after the last step
    tracemalloc.start()
    collected, sizes = [], []
    for _ in range(0, rows, block):
        encoded = np.ones((block, 256), np.float32)
        collected += [encoded] * collect
        sizes.append(tracemalloc.get_traced_memory()[0])
    if collect:
        np.concatenate(collected)
        sizes.append(tracemalloc.get_traced_memory()[1])  # the most
    tracemalloc.stop()
    return sizes


ways = {"a list, then concatenate": held(True), "block by block": held(False)}
show(scale.memory_over_rows(ways, list(range(4_000, 40_001, 4_000)), "40,000 vectors of 256 numbers"))

# %%
size = 8_800_000 * 384 * 4 / 1e9
print(
    f"8.8 million of 384 numbers: {size:.1f} GB, then {2 * size:.1f}; a block of 4,096: {4_096 * 384 * 4 / 1e6:.1f} MB"
)

# %% [markdown]
# The program runs for days and dies in its last line.
#
# **The rule has another side.** If a kill costs a shard, why not make shards small?

# %%
for shard_rows in (1_000, 100_000, 1_000_000):
    files = -(-8_800_000 // shard_rows)
    print(
        f"{shard_rows:>9,} rows a shard: {files:>5,} files; lost by a kill at most {shard_rows / 30 / 60:,.0f} minutes"
    )

# %% [markdown]
# Each file is written, renamed, hashed, and opened by all that comes after. `pipeline.encode` times a transformer first, and makes shards of half a minute. And with a thousand passages none of this pays: a list is right there.
#
# ## In the libraries
#
# numpy maps a file by the same bytes, and faiss searches in one piece what we searched in blocks:

# %%
import faiss

mapped = np.memmap(folder / f"{shard:05}.npy", np.float32, "r", offset=first, shape=(64,))
print("numpy's map at our byte:", np.array_equal(mapped, vectors[777]))
index = faiss.IndexFlatIP(64)
index.add(vectors)
print("faiss finds the same scores:", np.allclose(index.search(queries.numpy(), 5)[0], scores))

# %% [markdown]
# ## Further: what is still to do
#
# **{minutes} min.** After a kill, or with other settings, which shards must be computed? A **fingerprint** is a hash of all that decides a result: settings, model, data.
#
# **Contract.** `planned` is shard name → rows that it is to have, 1 or more, in the order in which they are made. `notes` is shard name → a dict of `rows`, `bytes` and `fingerprint`, written after the shard's file. `files` is file name → size in bytes, of all that lies in the folder; a shard's file has the shard's name. `fingerprint` is a text, that of today. A planned shard is whole if it has a note and a file, the note's bytes are the file's size, its rows those planned, and its fingerprint today's: all exactly. What is not planned, such as `s1.tmp`, does not count. Return a tuple: the list of planned names that are not whole, in the order of `planned`, each once, and the sum of their planned rows, an int. Nothing that is passed in changes.


# %%
# Exercise 20.3 · what is still to do · medium · 10 min
def still_to_do(planned, notes, files, fingerprint):  # dict, dict, dict, str -> (list of str, int)
    ### BEGIN SOLUTION
    todo = []
    for name, rows in planned.items():
        wanted = {"rows": rows, "bytes": files.get(name), "fingerprint": fingerprint}
        if name not in files or notes.get(name) != wanted:
            todo.append(name)
    return todo, sum(planned[name] for name in todo)
    ### END SOLUTION


# %%
still_to_do = check("20.3", still_to_do)

# %%
planned = {f"{n:05}": 300 for n in range(3)} | {"00003": 100}
files = {path.stem: path.stat().st_size for path in folder.glob("*.npy")}
notes = {name: {"rows": n, "bytes": files[name], "fingerprint": "small, 64"} for name, n in planned.items()}
print("as it was:", still_to_do(planned, notes, files, "small, 64"))
print("cut file: ", still_to_do(planned, notes, files | {"00001": 50_000}, "small, 64"))
print("new model:", still_to_do(planned, notes, files, "large, 64"))

# %% [markdown]
# The last line is the one that saves a project: vectors of two models in one folder look alike.

# %% [markdown]
# ## Further: batches by tokens
#
# **{minutes} min.** In a batch all texts are filled up to the longest, and padding costs as much as text. So sort by length, and let a budget of tokens, not a number of texts, end a batch.
#
# **Contract.** `lengths` is a list of ints, 1 or more each, perhaps empty: the tokens of each text. `budget` is 1 or more. Texts are named by their places in `lengths`. They are taken longest first, equally long ones by place. A text joins the last batch if the number of its texts then, times the length of its longest, is at most `budget`; else it begins a new batch. So a text that is longer than the budget is a batch of its own. Return a tuple: the list of batches, each a list of places in the order in which they were taken; and a list that gives for each text, by place, where it stands if all batches are strung together, counted from 0.


# %%
# Exercise 20.4 · batches by tokens · medium · 10 min
def token_batches(lengths, budget):  # list of int, int -> (list of lists of int, list of int)
    ### BEGIN SOLUTION
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches, longest = [], 0
    for i in order:
        if batches and (len(batches[-1]) + 1) * longest <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
            longest = lengths[i]
    back = [0] * len(order)
    for place, i in enumerate(order):
        back[i] = place
    return batches, back
    ### END SOLUTION


# %%
token_batches = check("20.4", token_batches)

# %%
tokens = np.random.default_rng(0).geometric(1 / 60, 1_000).clip(3, 256).tolist()  # made up
batches, back = token_batches(tokens, 4_096)
sorted_cost = sum(len(batch) * tokens[batch[0]] for batch in batches)
as_they_come = sum(32 * max(tokens[start : start + 32]) for start in range(0, 992, 32)) + 8 * max(tokens[992:])
print(f"tokens {sum(tokens):,}; with padding by 32 as they come {as_they_come:,}; by length {sorted_cost:,}")
strung = np.array([tokens[i] for batch in batches for i in batch])
print("back in order:", strung[back].tolist() == tokens)

# %% [markdown]
# The longest come first, so that memory breaks in the first minute or never. Forget the way back, and every vector belongs to another text.

# %% [markdown]
# ## Further: workers of Ray
#
# **{minutes} min.** On many machines somebody must give a lost worker's shards to another one. Ray does that. Its workers call the function that the local path calls, once for each shard, so the bytes are the same. Here are two workers on this machine; `docs/cluster.md` has the commands for more, and those of `torchrun`. Ray takes about half a minute to start, so ask for it:

# %%
from shutil import copytree

with_ray = False  # True, after: pip install 'embedding-workbook[ray]'


def by_ray():  # the same shards once more, in a folder of their own
    from workbook.pipeline import ray_jobs

    again = folder / "again"
    for stage in ("data", "model"):
        copytree(work / stage, again / stage)
    made = ray_jobs.encode(again, workers=2, splits=["dev"], shard_rows=10_000)
    return made["fingerprint"] == encoded["fingerprint"]


print("the same bytes:", by_ray() if with_ray else "not asked")

# %% [markdown]
# A worker that is killed meanwhile costs a shard: Ray gives it to the other. The project's tests do that, to encoding and to mining.

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **100 million texts: out of memory, and rows are lost.** Three leaks are usual. The texts are in a list: stream them. The vectors stay on the accelerator until the end: bring each batch back. They are collected in a list and then concatenated: both are there at once, twice the memory; write each block into its file instead. And compare rows in and out.
#
# **Gradient checkpointing together with a cached loss: what does it save?** Count in forward passes of the encoder, a backward pass as two:
#
# | | passes a step | in memory | negatives |
# |---|---|---|---|
# | plain | 3 | all layers, whole batch | whole batch |
# | accumulation | 3 | all layers, mini-batch | mini-batch |
# | checkpointing | 4 | inputs of layers, whole batch | whole batch |
# | GradCache | 4 | all layers, mini-batch | whole batch |
# | both | 5 | inputs of layers, mini-batch | whole batch |
#
# All but accumulation give the gradient of the whole batch (dropout apart). GradCache first; checkpointing where a single mini-batch does not fit.

# %% [markdown]
# ## Claims settled here

# %%
from workbook.claims import settle

settle(58, budget="record")
# %%
settle(59, budget="record")
# %%
settle(60, budget="record")

# %% [markdown]
# ## Quiz

# %%
quiz("20")

# %% [markdown]
# ## Recap
#
# - With a transformer time ends before bytes do: 1.3 million passages a night at 30 a second.
# - A row's place is computed: the header, and the rows before it in its shard.
# - A search over blocks keeps the best so far, and has a rule for ties.
# - A number of files does not say where to go on: ask each shard by its name.
# - Write aside, rename, and the manifest last. Then a kill costs one shard.
# - Machines buy time and not money.
# - Gathered, two processes take the steps of one. A loss among fewer choices is lower, and no better.
# - A stage's memory is measured at two sizes, and its rows are counted.
#
# **New terms:** stream · shard · memory map · header · manifest · fingerprint.
#
# **Open task.** Measure how many tokens a second your encoder reads, and write the bill for your own corpus. Which wall comes first, and what would move it?
#
# **Read next:** `docs/cluster.md` (the pipeline on many machines); numpy's page on `memmap`; Gao et al. 2021 (GradCache).
#
# **Next chapter:** 21 · How does it meet a latency target?
