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
# # 17 · How are a billion vectors searched?
#
# A billion vectors of 384 numbers take 1.5 terabytes, and an exact search reads them all for every query. Two things help: read fewer vectors, and store fewer bytes of each. Both lose something.
#
# **You will be able to** cut a space into cells, write a vector in a few bytes, build an index from both, and measure what it misses.
#
# **You need** chapters 03 (recall) and 13 (cut vectors). **It takes** about {minutes} minutes, about 30 seconds of machine time on one core, and about 1 GB of memory. First, two questions from earlier chapters, from memory:

# %%
import numpy as np
import torch

from workbook.exercises import check, hint, predict, quiz, reveal
from workbook.figures import explore, search_costs, show, vector_search

quiz("13.q1", "14.q4")

# %% [markdown]
# ## Predict

# %%
predict("17.p1")

# %% [markdown]
# ## A failure first
#
# 800 points in a plane are cut into 16 cells, and so are 800 passages of your Python's documentation. Each of a hundred queries looks into the cell it falls into, and nowhere else. Are its ten nearest neighbours there?

# %%
from workbook import data
from workbook.encoder import load
from workbook.index import kmeans
from workbook.index.clustering import nearest_lists

dev = data.load("pydocs").split("dev").sample(100, 800)
base = load("base")
base.max_length = 24
passages, queries = (torch.tensor(base.encode(list(texts.values()))) for texts in (dev.corpus, dev.queries))


# %%
def found_in_own_cell(queries, vectors):  # the share of each query's ten nearest
    centroids = kmeans(vectors, 16, seed=0)
    cell_of, own = (nearest_lists(x, centroids, "l2", 1) for x in (vectors, queries))  # (N, 1), (Q, 1)
    nearest = torch.cdist(queries, vectors).topk(10, largest=False).indices  # (Q, 10)
    return (cell_of[nearest, 0] == own).float().mean().item()


points = torch.randn(900, 2, generator=torch.Generator().manual_seed(0))
shares = {"plane": found_in_own_cell(points[:100], points[100:]), "text": found_in_own_cell(queries, passages)}
print("in the plane more than three quarters:", shares["plane"] > 0.75)
print("of texts more than half are missed:", shares["text"] < 0.5)

# %% tags=["nbval-ignore-output"]
print({name: round(share, 2) for name, share in shares.items()})

# %% [markdown]
# The picture in the plane misleads. With 256 numbers nearly everything lies close to some border.
#
# ## The idea
#
# **Cells.** K-means finds C centroids. A vector stands in the cell of its nearest one, and a query opens the `nprobe` nearest cells: all C centroids are read, and about nprobe / C of the vectors, if cells are equally full. That is an **inverted file**, IVF.
#
# **Codes.** A vector is cut into m pieces. Each piece has a **codebook** of K entries, and is stored as the number of the nearest: **product quantization**, PQ. The query stays whole (**asymmetric distance**). Squared distances add up over pieces, so a table for each, made once a query, is enough:
#
# $$|q - x|^2 \approx \sum_{j=1}^{m} |q_j - b_{j,\,code_j}|^2$$
#
# | letter | shape | |
# |---|---|---|
# | q, x | (D,), (N, D) | query, vectors |
# | centroids | (C, D) | one a cell |
# | b | (m, K, D / m) | codebooks |
# | codes | (N, m) | what is stored |
# | tables | (m, K) | piece of q to entry, squared |
#
# Near means a small squared distance. Where all vectors have length 1, it ranks as the cosine: |q − x|² = 2 − 2 q · x.
#
# Rounding moves every vector a little. Does that change who is nearest?

# %%
predict("17.p2")

# %% [markdown]
# What a billion vectors of 384 numbers take:

# %%
for kept, size in {"float32": 4 * 384, "int8": 384, "48 codes of 8 bits": 48, "one bit a number": 384 // 8}.items():
    print(f"{kept:<18} {size:>5} bytes a vector, {size * 10**9 / 10**12:.3f} TB")

# %% [markdown]
# ## By hand
#
# Four points, two pieces of one bit: 1.2 or 4.8, and 2.1 or 5.9.

# %%
four = torch.tensor([[1.0, 2.0], [1.4, 6.0], [5.0, 2.2], [4.6, 5.8]])
books = torch.tensor([[[1.2], [4.8]], [[2.1], [5.9]]])  # (m, K, D / m)
query = torch.tensor([2.0, 3.0])
for point, (i, j) in zip(four, ((0, 0), (0, 1), (1, 0), (1, 1))):
    stands_for = torch.stack([books[0, i, 0], books[1, j, 0]])
    exact, by_code = ((query - x).square().sum().item() for x in (point, stands_for))
    print(f"code {i}{j}: distance {exact:5.2f}, by its code {by_code:5.2f}")

# %% [markdown]
# The tables hold .64 and 7.84, .81 and 8.41. Code 01: .64 + 8.41 = 9.05.

# %%
show(vector_search.four_points(four, books, query))

# %% [markdown]
# ## Build it: one round of k-means
#
# **Contract.** `vectors` is (N, D), `centroids` (C, D), one of each at least, of any length; nothing is normalized. Each vector goes to the centroid at the smallest squared distance; of equally near ones to the smaller number, from 0. Then each centroid moves to the mean of its vectors; one without vectors stays. Return a tuple: the assignment to the old centroids, int64 (N,), and the new centroids (C, D). Nothing that is passed in changes.


# %%
# Exercise 17.1 · one round of k-means · easy · 8 min
def kmeans_round(vectors, centroids):  # (N, D), (C, D) -> (N,), (C, D)
    ### BEGIN SOLUTION
    assignment = (vectors[:, None] - centroids[None]).square().sum(dim=2).argmin(dim=1)  # of equal ones the first
    moved = centroids.clone()
    for c in assignment.unique():
        moved[c] = vectors[assignment == c].mean(dim=0)
    return assignment, moved
    ### END SOLUTION


# %%
kmeans_round = check("17.1", kmeans_round)

# %%
centroids, spread = passages[:16], []
for _ in range(10):
    assignment, moved = kmeans_round(passages, centroids)
    spread.append((passages - centroids[assignment]).square().sum().item())
    centroids = moved
assignment, _ = kmeans_round(passages, centroids)
print("no round raises it:", all(spread[i + 1] <= spread[i] * (1 + 1e-6) for i in range(9)))

# %% [markdown]
# A vector changes only to something nearer, and the mean is the best place for a centroid: so the sum cannot rise.
#
# ## Build it: search in the nearest cells
#
# **Contract.** `query` is (D,), `vectors` (N, D), `centroids` (C, D), of any length; nothing is normalized. `assignment` (N,), int64, says in which cell each vector stands; take it as it is, even where another centroid is nearer. `nprobe` and `k` are 1 or more. Open the `nprobe` cells whose centroids are nearest to the query, all if there are fewer; an empty one counts. Of the vectors in them return the numbers, from 0, of the `k` nearest: a list of ints, the nearest first. If there are fewer, return all, perhaps none. Near is by squared distance; of equally near cells or vectors the smaller number comes first.


# %%
# Exercise 17.2 · search in the nearest cells · medium · 10 min
def search_cells(query, vectors, assignment, centroids, nprobe, k):
    # (D,), (N, D), (N,), (C, D), int, int -> list of int
    ### BEGIN SOLUTION
    near = (centroids - query).square().sum(dim=1)
    opened = near.argsort(stable=True)[:nprobe]
    rows = torch.isin(assignment, opened).nonzero()[:, 0]
    far = (vectors[rows] - query).square().sum(dim=1)
    return rows[far.argsort(stable=True)[:k]].tolist()
    ### END SOLUTION


# %%
search_cells = check("17.2", search_cells)


# %%
def shared(search):  # the mean share of the exact ten that a search finds
    return np.mean([len(set(search(q)) & set(ten)) / 10 for q, ten in zip(queries, exact)])


def in_cells(nprobe):
    return lambda q: search_cells(q, passages, assignment, centroids, nprobe, 10)


exact = [in_cells(16)(q) for q in queries]
recall = {nprobe: shared(in_cells(nprobe)) for nprobe in (1, 2, 4, 8)}
gains = [(recall[2 * n] - recall[n]) / n for n in (1, 2, 4)]  # of each further cell
print("each further cell brings something, and less than the one before:", gains[0] > gains[1] > gains[2] > 0)

# %% tags=["nbval-ignore-output"]
print({f"{nprobe} of 16": round(float(share), 2) for nprobe, share in recall.items()})

# %% [markdown]
# How many are worth their time, only your own vectors tell.
#
# ## Build it: a byte for each number
#
# Now the bytes. The simplest code is a ruler of 256 marks for each dimension, laid out once by a **calibration set**: vectors like those to come.
#
# **Contract.** `calibration` is (M, D), M 2 or more, `vectors` (N, D), of any length; nothing is normalized. Each dimension has its own minimum and maximum in `calibration`, and its step: their difference / 255, or 1 where they are equal. A number's level is (number − minimum) / step, rounded down, cut off at 0 and 255. Return a tuple: the codes, torch.int8 (N, D), level − 128; and what they stand for, floats (N, D), minimum + step · level. Nothing that is passed in changes.


# %%
# Exercise 17.4 · a byte for each number · medium · 10 min
def int8_round_trip(calibration, vectors):  # (M, D), (N, D) -> int8 (N, D), (N, D)
    ### BEGIN SOLUTION
    low, high = calibration.min(dim=0).values, calibration.max(dim=0).values
    step = torch.where(high > low, (high - low) / 255, 1.0)
    level = ((vectors - low) / step).floor().clamp(0, 255)
    return (level - 128).to(torch.int8), low + step * level
    ### END SOLUTION


# %%
int8_round_trip = check("17.4", int8_round_trip)


# %%
def ten_of(vectors):  # search through other vectors than the passages' own
    return lambda q: (vectors - q).square().sum(dim=1).argsort(stable=True)[:10].tolist()


codes, back = int8_round_trip(passages[:400], passages)
print("a quarter of the bytes:", 4 * codes.nbytes == passages.nbytes)
print("more than nine of ten are the same:", shared(ten_of(back)) > 0.9)

# %% [markdown]
# A step is small beside the differences between neighbours.
#
# ## Build it: ranges from one query
#
# **The other way round.** A colleague takes the ranges from the query that has just come: one vector. Find the smallest input on which that ranks wrongly.
#
# **Contract.** Return `query, vectors`, (D,) and (N, D), lists or tensors of numbers between −1e6 and 1e6, no two vectors equally far from the query. They are ranked by squared distance to it, of equally far ones the smaller number first: once as they are, once as they come back from 17.4 with the query's own numbers as minimum and maximum. The rankings must differ. Size counts all numbers; the smallest is asked for.


# %%
# Exercise 17.6 · ranges from one query · easy · 5 min
def smallest_ranges():  # () -> (D,), (N, D)
    ### BEGIN SOLUTION
    return [1.0], [[0.0], [0.5]]
    ### END SOLUTION


# %%
smallest_ranges = check("17.6", smallest_ranges)

# %%
own = int8_round_trip(queries[:1].repeat(2, 1), passages)
print("different codes of 800 passages:", len(own[0].unique(dim=0)))

# %% [markdown]
# The step is 1, and numbers of texts differ by much less.
#
# ## Build it: product quantization
#
# **Contract.** `query` is (D,), `vectors` (N, D), N 1 or more, `codebooks` (m, K, D / m); nothing is normalized. A vector is cut into m pieces of D / m numbers that stand side by side. The code of piece j is the number, from 0, of the entry of codebook j at the smallest squared distance; of equally near ones the smaller. The query is cut likewise, not quantized: a table for each piece holds its squared distances to all K entries. A vector's distance is the sum of what the m tables hold at its codes; no root is taken. Return a tuple: codes, int64 (N, m), and distances, floats (N,).


# %%
# Exercise 17.3 · product quantization · medium · 12 min
def codes_and_distances(query, vectors, codebooks):  # (D,), (N, D), (m, K, D / m) -> (N, m), (N,)
    ### BEGIN SOLUTION
    m, _, width = codebooks.shape
    pieces, asked = vectors.reshape(-1, m, 1, width), query.reshape(m, 1, width)
    codes = (pieces - codebooks).square().sum(dim=3).argmin(dim=2)  # (N, m)
    tables = (asked - codebooks).square().sum(dim=2)  # (m, K)
    return codes, tables[torch.arange(m), codes].sum(dim=1)
    ### END SOLUTION


# %%
codes_and_distances = check("17.3", codes_and_distances)
codes, distances = codes_and_distances(query, four, books)
print(codes.tolist(), [round(d, 2) for d in distances.tolist()])

# %% [markdown]
# Codes are made when a passage comes in, tables when a query does: then m lookups in place of D multiplications. The tables themselves cost as much as K whole vectors, so they pay for long lists.
#
# ## Build it: an index of cells and codes
#
# In a cell all vectors share the centroid. What it leaves, the **residual**, is small, so the same bytes say it better. And codes need not have the last word: find more candidates than you need, and compare these few in full (**rescoring**).

# %%
predict("17.p3")

# %% [markdown]
# **Contract.** `query`, `vectors`, `centroids` and `codebooks` are as in 17.2 and 17.3; nothing is normalized. `nprobe`, `rescore` and `k` are 1 or more.
#
# 1. **Before a query.** Each vector stands in the cell of its nearest centroid (17.1), and has the codes of its residual, vector minus centroid (17.3).
# 2. **Cells.** Open the `nprobe` nearest (17.2); some may be empty.
# 3. **Codes.** In each, take its centroid off the query; tables of that give the distances by codes. Keep the `rescore` nearest, of all opened cells together.
# 4. **Full vectors.** Return the `k` of these with the smallest squared distance from query to vector: a list of ints, the nearest first.
#
# Of equally near ones the smaller number comes first, in each step. Where there are fewer than asked for, take all: with `rescore` below `k` no more than `rescore` come back.


# %%
# Exercise 17.7 · an index of cells and codes · hard · 20 min
def search_ivfpq(query, vectors, centroids, codebooks, nprobe, rescore, k):
    # (D,), (N, D), (C, D), (m, K, D / m), int, int, int -> list of int
    ### BEGIN SOLUTION
    assignment, _ = kmeans_round(vectors, centroids)
    near = (centroids - query).square().sum(dim=1)
    found = []
    for cell in near.argsort(stable=True)[:nprobe]:
        rows = (assignment == cell).nonzero()[:, 0]
        if len(rows):  # a cell may be empty
            residuals = vectors[rows] - centroids[cell]
            _, distances = codes_and_distances(query - centroids[cell], residuals, codebooks)
            found += zip(distances.tolist(), rows.tolist())
    candidates = [n for _, n in sorted(found)[:rescore]]
    exact = (vectors[candidates] - query).square().sum(dim=1).tolist()
    return [n for _, n in sorted(zip(exact, candidates))[:k]]
    ### END SOLUTION


# %%
search_ivfpq = check("17.7", search_ivfpq)

# %%
from workbook.index.product_quantization import train_codebooks

books = train_codebooks(passages - centroids[assignment], m=32, nbits=4)  # 32 pieces of 8 numbers, 16 entries each


def rescored(rescore):
    return lambda q: search_ivfpq(q, passages, centroids, books, 16, rescore, 10)


recall = {rescore: shared(rescored(rescore)) for rescore in (10, 50)}
print("by codes alone, less than seven of ten:", recall[10] < 0.7)
print("50 rescored, more than three quarters:", recall[50] > 0.75)

# %% tags=["nbval-ignore-output"]
print({f"{rescore} rescored": round(float(share), 2) for rescore, share in recall.items()})

# %% [markdown]
# The codes take 16 bytes, the vector 1,024. They need not put the right ones first; what they leave out of the 50 is lost, one in seven here. (The codebooks were learned from these 800 passages.)
#
# ## See it: how many cells must be opened?
#
# Only a plane can be drawn. So the map has points in a plane, and the curves beside it have your passages, random vectors of as many numbers, and the plane. Write a query of your own; it becomes a line, too.

# %%
mine = "How do I sort a list in place?"
generator = torch.Generator().manual_seed(1)
spread = torch.rand(800, 2, generator=generator)
noise = torch.nn.functional.normalize(torch.randn(900, 256, generator=generator), dim=1)
curves = {
    "plane": vector_search.recall_by_nprobe(torch.rand(100, 2, generator=generator), spread),
    "text": vector_search.recall_by_nprobe(queries, passages),
    "random": vector_search.recall_by_nprobe(noise[:100], noise[100:]),
}

# %% tags=["nbval-ignore-output"]
own = {"your query": vector_search.recall_by_nprobe(torch.tensor(base.encode([mine])), passages)}
drawn = vector_search.cells_in_the_plane(spread[:400], [0.52, 0.47])
steps = [1, 2, 3, 4, 6, 8, 12, 16]
explore(lambda nprobe: vector_search.cells_on_a_map(drawn, curves | own, nprobe), nprobe=steps)

# %%
needed = {name: next(c.scanned[i] for i in range(16) if c.found[i] >= 0.9) for name, c in curves.items()}
print("for nine of ten the plane reads least:", needed["plane"] == min(needed.values()))
print("and random vectors most:", needed["random"] == max(needed.values()))

# %% [markdown]
# On random vectors cells help least: more than half must be read. Judge an index by your own.
#
# ## Train it
#
# Centroids are learned. How many vectors does that take? 3,000 passages, 64 cells, learned from 4 vectors for each cell or from 40, two seeds:

# %%
from workbook.index import FlatIndex, IVFIndex
from workbook.index.clustering import nearest_lists

more = data.load("pydocs").split("dev").sample(200, 3_000)
x, asked = (torch.tensor(base.encode(list(texts.values()))) for texts in (more.corpus, more.queries))
flat = FlatIndex(256, "l2")
flat.add(x)
truth = flat.search(asked, 10)[1]


# %%
def learned_from(rows, seed=0):
    index = IVFIndex(256, 64, "l2", seed=seed)
    index.train(x[rows])
    index.add(x)
    return index


def tried(index, nprobe):  # the share of the ten that it finds, and of the vectors that it reads
    index.nprobe = nprobe
    found = [len(set(a) & set(b)) / 10 for a, b in zip(index.search(asked, 10)[1].tolist(), truth.tolist())]
    read = index.start.diff()[nearest_lists(asked, index.centroids, "l2", nprobe)].sum(dim=1) / len(x)
    return np.mean(found), read.mean().item()


# %%
orders = [torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
few, many = ([learned_from(order[:n], seed) for seed, order in enumerate(orders)] for n in (256, 2_560))
at_8 = [[tried(index, 8) for index in indexes] for indexes in (few, many)]
print("8 cells, few vectors: finds more, both seeds:", all(a[0] > b[0] for a, b in zip(*at_8)))
print("and reads at least twice as much, both seeds:", all(a[1] > 2 * b[1] for a, b in zip(*at_8)))

# %% tags=["nbval-ignore-output"]
arms = {}
for name, indexes in {"4 vectors for each cell": few, "40 for each cell": many}.items():
    settings = []
    for nprobe in (1, 2, 4, 8, 16, 32):
        found, read = np.array([tried(index, nprobe) for index in indexes]).T  # of both seeds
        settings.append(search_costs.Setting(nprobe, read.mean(), found.mean(), found.min(), found.max()))
    arms[name] = search_costs.Tried("nprobe", 1_032, settings)
show(search_costs.frontier(arms, title="3,000 passages, 64 cells"))

# %% [markdown]
# At equal `nprobe` the badly learned cells look better. They are uneven: a few hold much of everything, queries fall into these, and reading more finds more. At equal *reading* the well-learned cells are ahead. So compare indexes by what they read, or by time, never by `nprobe`.
#
# ## Break it
#
# **Learned from others.** The same cells, learned from the passages of one package and used for all:

# %%
package = torch.tensor([name.startswith("sympy.") for name in more.corpus]).nonzero()[:, 0]
foreign = learned_from(package)
sizes = {"learned from all": many[0], "learned from sympy": foreign}
show(search_costs.lists_by_size({name: index.start.diff().tolist() for name, index in sizes.items()}))

# %%
two, eight = tried(foreign, 2), tried(many[0], 8)
print(f"learned from sympy, 2 cells: finds {two[0]:.2f}, reads {two[1]:.2f}")
print(f"learned from all, 8 cells: finds {eight[0]:.2f}, reads {eight[1]:.2f}")

# %% [markdown]
# No error: what does not fit falls into a few cells together, and each probe reads five times as much. Look at the lists' lengths when your texts change.
#
# **Bits multiplied as numbers.** sentence-transformers packs eight signs into a byte. Somebody takes these bytes for int8 and multiplies:

# %%
from workbook.index.quantize import hamming_search, quantize_embeddings

bits, asked_bits = (quantize_embeddings(vectors.numpy(), "binary") for vectors in (x, asked))
as_numbers = (torch.tensor(asked_bits).float() @ torch.tensor(bits).float().T).topk(10).indices.tolist()
by_bits = hamming_search(asked_bits, bits, 10)[1].tolist()
kept = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth.tolist())]) for ids in (as_numbers, by_bits)]
print("less than one of ten:", kept[0] < 0.1, "· counting bits that differ, more than four:", kept[1] > 0.4)

# %% [markdown]
# The first bit of a byte then counts 128 times as much as the last. Even true int8 codes are not numbers to multiply, since each dimension has a minimum and a step of its own:

# %%
from workbook.index.quantize import dequantize_embeddings, quantization_ranges

ranges = quantization_ranges(x.numpy())
codes, asked_codes = (quantize_embeddings(vectors.numpy(), "int8", ranges) for vectors in (x, asked))
products = torch.tensor(asked_codes).float() @ torch.tensor(codes).float().T
meant = asked @ torch.tensor(dequantize_embeddings(codes, "int8", ranges)).T
ways = [each.topk(10).indices.tolist() for each in (products, meant)]
kept = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth.tolist())]) for ids in ways]
print("codes times codes, less than eight of ten:", kept[0] < 0.8)
print("what they stand for, more than nine:", kept[1] > 0.9)

# %% [markdown]
# Turn the passages' codes back, or take one range for all dimensions.
#
# ## In the libraries
#
# faiss gets your centroids and codebooks, sentence-transformers your calibration set. Distances that differ by a rounding error may change places, so a few queries in a hundred may differ.

# %%
import faiss

faiss.omp_set_num_threads(1)
quantizer = faiss.IndexFlatL2(256)
quantizer.add(centroids.numpy())
ivf = faiss.IndexIVFFlat(quantizer, 256, 16)
ivf.is_trained, ivf.nprobe = True, 4
ivf.add(passages.numpy())
theirs = ivf.search(queries.numpy(), 10)[1].tolist()
print("IVF finds the same:", np.mean([in_cells(4)(q) == ten for q, ten in zip(queries, theirs)]) > 0.95)

# %%
ivfpq = faiss.IndexIVFPQ(quantizer, 256, 16, 32, 4)
faiss.copy_array_to_vector(books.numpy().ravel(), ivfpq.pq.centroids)
ivfpq.is_trained, ivfpq.nprobe = True, 4
index = faiss.IndexRefineFlat(ivfpq)
index.k_factor = 5  # candidates for each result
index.add(passages.numpy())
theirs = index.search(queries.numpy(), 10)[1].tolist()
ours = [search_ivfpq(q, passages, centroids, books, 4, 50, 10) for q in queries]
print("cells, codes and rescoring find the same:", np.mean([a == b for a, b in zip(ours, theirs)]) > 0.95)

# %%
from sentence_transformers.util.quantization import quantize_embeddings

theirs = quantize_embeddings(passages.numpy(), "int8", calibration_embeddings=passages[:400].numpy())
print("int8 gives the same codes:", np.array_equal(int8_round_trip(passages[:400], passages)[0].numpy(), theirs))

# %% [markdown]
# faiss says `nlist` for C and `nbits` for log₂ K. `workbook.index` has these indexes with faiss' calls.

# %% [markdown]
# ## Further: a walk through a graph
#
# **{minutes} min.** **HNSW** has no cells. Every vector has links to some neighbours, and a search walks along them towards the query. Levels with ever fewer vectors lie above, to find where to begin; the walk on the lowest is what finds. A new vector walks as a query does, keeping `ef_construction`, and links to at most M of what it found, 2 M on the lowest level, in different directions.
#
# **Contract.** `query` is (D,), `vectors` (N, D), of any length; nothing is normalized. `neighbours` is a list of N lists: the numbers of the vectors to which links lead from each, in any order, perhaps none; a link need not lead back. `entry` is the vector at which the walk begins; `ef` and `k` are 1 or more. Nearer means a smaller squared distance to the query; of equal ones the smaller number is nearer, throughout. The walk has met `entry`. Of all that it has met it keeps the nearest, as many as the larger of `ef` and `k`. As long as it keeps a vector behind which it has not looked, it takes the nearest of these, looks behind it, and so meets its neighbours. Return a tuple: the numbers of the `k` nearest that it has met, a list of ints, the nearest first (all, if it has met fewer), and how many vectors it has met, each counted once, the entry included.
#
# Two heaps do it: of those that wait to be looked behind with the nearest on top, and of those that are kept with the farthest on top.


# %%
# Exercise 17.5 · a walk through a graph · hard · 15 min
def walk(query, neighbours, vectors, entry, ef, k):
    # (D,), N lists of int, (N, D), int, int, int -> (list of int, int)
    ### BEGIN SOLUTION
    import heapq

    def far(n):
        return (vectors[n] - query).square().sum().item()

    first = far(entry)
    met, waiting, kept = {entry}, [(first, entry)], [(-first, -entry)]
    while waiting:
        distance, here = heapq.heappop(waiting)
        if (-distance, -here) < kept[0]:  # farther than the farthest that is kept
            break
        for n in set(neighbours[here]) - met:
            met.add(n)
            distance = far(n)
            if len(kept) < max(ef, k) or (-distance, -n) > kept[0]:
                heapq.heappush(waiting, (distance, n))
                heapq.heappush(kept, (-distance, -n))
                if len(kept) > max(ef, k):
                    heapq.heappop(kept)
    return [-n for _, n in sorted(kept, reverse=True)[:k]], len(met)
    ### END SOLUTION


# %%
walk = check("17.5", walk)

# %% [markdown]
# A graph that faiss has built, with its lowest level only, and your walk on it:

# %%
graph = faiss.IndexHNSWFlat(256, 8)
graph.add(passages.numpy())
graph.hnsw.max_level, graph.hnsw.efSearch = 0, 16
begin, links = (faiss.vector_to_array(part) for part in (graph.hnsw.offsets, graph.hnsw.neighbors))
width = graph.hnsw.nb_neighbors(0)
neighbours = [[n for n in links[i : i + width].tolist() if n >= 0] for i in begin[:-1].tolist()]
theirs = graph.search(queries.numpy(), 10)[1].tolist()
walks = {ef: [walk(q, neighbours, passages, graph.hnsw.entry_point, ef, 10) for q in queries] for ef in (1, 10, 16, 64)}
print("faiss finds the same:", np.mean([ten == other for (ten, _), other in zip(walks[16], theirs)]) > 0.95)

# %%
recall = {ef: np.mean([len(set(a) & set(b)) / 10 for (a, _), b in zip(each, exact)]) for ef, each in walks.items()}
met = {ef: np.mean([number for _, number in each]) for ef, each in walks.items()}
print("ef below k changes nothing, it keeps k:", walks[1] == walks[10])
print("more kept, more found, more met:", recall[10] < recall[16] < recall[64] and met[10] < met[16] < met[64])

# %% tags=["nbval-ignore-output"]
for ef in (10, 16, 64):
    print(f"ef {ef:>2}: {recall[ef]:.2f} of the exact ten, {met[ef]:.0f} of 800 passages met")

# %% [markdown]
# Of 800 passages a wide walk meets half; of 20,000 a fiftieth (below). A library that keeps `ef` alone returns fewer than k. One that can be drawn, in a plane, with `ef` 1; each **hop** is a vector behind which it looked:

# %%
from workbook.index import HNSWIndex

spread = torch.rand(400, 2, generator=torch.Generator().manual_seed(2))
small = HNSWIndex(2, M=8, metric="l2")
small.add(spread)
links = vector_search.links_of(small)
corner = (spread - torch.tensor([0.1, 0.15])).square().sum(dim=1).argmin().item()
path = vector_search.walk_to([0.6, 0.8], spread, links, corner, 1)
explore(lambda hop: vector_search.a_walk(spread, links, path, [0.6, 0.8], hop), hop=list(range(1, 9)))

# %% [markdown]
# **Vectors of any length.** By inner product a long vector is near to everybody, and a vector need not be nearest to itself:

# %%
lengths = torch.randn(len(x), 1, generator=torch.Generator().manual_seed(0)).exp()
long = HNSWIndex(256, M=16, ef_construction=64, ef_search=64)
long.add(x * lengths)
itself = [long.search(x[i : i + 1] * lengths[i], 1)[1].item() == i for i in range(100)]
print("of a hundred vectors not ten find themselves:", sum(itself) < 10)

# %% [markdown]
# An exact search says the same, so it is not the graph's fault: "similar to this one" returns the longest. (The lengths are made up.) Scale to length 1 before adding, unless length means something.

# %% [markdown]
# ## Further: filters and deletions
#
# **{minutes} min.** "Only documents of this customer." An index of cells skips what is not allowed while it reads a list. A graph must walk through it and only does not return it, so few allowed ones make the walk long. A store that does neither searches for ten and throws away afterwards. Drawn by lot, which a customer's documents are not, 8 of 64 cells:


# %%
def filtered(share):
    allowed = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))[: int(share * len(x))]
    right = flat.search(asked, 10, allowed=allowed)[1].tolist()
    many[0].nprobe = 8
    inside = many[0].search(asked, 10, allowed=allowed)[1].tolist()
    after = [set(ten) & set(allowed.tolist()) for ten in truth.tolist()]  # a search for ten, filtered
    return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(inside, right)]), np.mean([len(ids) for ids in after])


widths = {share: filtered(share) for share in (1.0, 0.5, 0.1, 0.01)}
print("the narrower, the less is found in 8 cells:", widths[1.0][0] > widths[0.5][0] > widths[0.1][0] > widths[0.01][0])
print("ten searched, one of ten allowed: less than two are left:", widths[0.1][1] < 2)

# %% tags=["nbval-ignore-output"]
for share, (found, left) in widths.items():
    print(f"{share:.0%} allowed: 8 cells find {found:.2f} of the ten; of ten exact hits {left:.1f} are left")

# %% [markdown]
# The ten nearest *allowed* passages lie farther away, in more cells. A narrow filter wants more cells, and a very narrow one no index: 30 allowed vectors are read exactly in no time.
#
# **Deletions.** Flat and IVF take vectors out and lay out anew what stays, under its old ids: a copy of the index. In a graph, walks lead across a deleted one. So stores mark it, walk through it and do not return it, until somebody builds anew; ours refuses:

# %%
print(many[0].remove_ids(list(range(100))), "removed,", many[0].ntotal, "stay")
try:
    long.remove_ids([0])
except NotImplementedError as refused:
    print(refused)

# %% [markdown]
# ## Further: what it costs, up to a billion
#
# **{minutes} min.** The record of claim 47: 20,000 and 26,855 passages, all four indexes, what they find by what they read.

# %%
from workbook.claims import read_record

recorded = read_record(47).measurements["collections"]
stored = {"IVF": 1_032, "PQ": 32, "IVF-PQ": 40, "HNSW": 1_152}  # bytes in memory; codes are rescored from the disk
knobs = {"IVF": "nprobe", "PQ": "rescored", "IVF-PQ": "nprobe", "HNSW": "ef"}


def lines(collection):
    tried = {"flat": search_costs.Tried("", 1_024, [search_costs.Setting(0, 1, 1, 1, 1)])}
    for name, size in stored.items():
        row = recorded[collection][name]
        each = [search_costs.Setting(k, r, *f) for k, r, f in zip(row["knobs"], row["read"], row["found"])]
        tried[name] = search_costs.Tried(knobs[name], size, each)
    return tried


explore(lambda texts: search_costs.frontier(lines(texts), title=texts), texts=["planted", "pydocs", "random"])

# %% [markdown]
# At .95 of the exact ten HNSW reads 2 % of the bytes, codes with rescoring 4 to 5 %, whole vectors in cells 14 and 20 %. Equal recall is not equal quality: at .95 and .96 in `pydocs` codes lose .002 [−.002, .006] nDCG@10, cells .014 [.004, .026]. Codes miss what is nearly as near; cells lose whole neighbourhoods. On random vectors the HNSW setting that finds .96 in `pydocs` finds .26. Fewer bytes are not always less time: a walk reads here and there.
#
# **Dimensions or bits?** Claim 73's record, with vectors that were trained to be cut (chapter 13) and with plain ones. Dotted lines join equal bytes:


# %%
def by_bits_and_dims(case):
    grid = {}
    for name, row in read_record(73).measurements["cases"][case]["ndcg@10"].items():
        if "×" in name:
            dims, bits = map(int, name.split(" × "))
            grid.setdefault(bits, {})[dims] = tuple(row)
    return grid


cases = list(read_record(73).measurements["cases"])
explore(lambda case: search_costs.equal_bytes(by_bits_and_dims(case), title=case), case=cases)

# %% [markdown]
# More dimensions, fewer bits: at 32 bytes, 256 numbers of one bit are .05 to .29 ahead of 32 numbers of a byte, while the query stays float. 64 numbers of 4 bits are level with them where vectors were trained to be cut, on `planted`; elsewhere they are .04 to .10 behind. More than four bits buy next to nothing.
#
# **Up to 8.8 million, measured, and a billion, computed.** Two cores, static encoder, 256 numbers:

# %%
show(search_costs.cost_curve(search_costs.read_scale()))

# %% [markdown]
# Recall is not equal along these lines: of the exact ten IVF-PQ finds .995, .883, .868 and .870 from left to right, HNSW .995, .878 and .943, up to a million. Counted instead of timed, at equal recall (claim 49, 1,000 to 16,000 passages): what a query reads grows as $N^{0.53}$ in IVF with 4 √N cells, as $N^{0.09}$ in HNSW; what building compares as $N^{1.50}$ and $N^{1.18}$. The 1.50 is arithmetic, 44 N √N; with a fixed number of cells building is linear, and then reading must become so. HNSW pays in memory; its .09 is one generated collection, so do not extend it.
#
# What a billion vectors of 256 numbers cost in memory each month, at 0.0816 dollars an hour for 8 GiB (AWS m7g.large on demand, Virginia, a price list of June 2026; machines made for memory cost less for each GiB). One copy, no machine for queries, nothing to spare. An id takes 8 bytes, each of 32 links 4:

# %%
month = 0.0816 / 8 * 730  # dollars for a GiB and a month of 730 hours
ways = {"flat": 1_024, "HNSW": 1_024 + 4 * 32, "HNSW of int8": 256 + 4 * 32, "int8": 256, "IVF-PQ": 32 + 8}
for kept_as, size in ways.items():
    gib = size * 10**9 / 2**30
    print(f"{kept_as:<13} {gib:6,.0f} GiB, {gib * month:6,.0f} dollars")

# %% [markdown]
# Keep the whole vectors on a disk, and read from it those that are rescored. How many that must be grows with N: measure it. At this size one also cuts the index into shards, finds cells by a graph over their centroids, or keeps the graph itself on a disk (DiskANN).

# %% [markdown]
# ## Further: questions people ask
#
# **{minutes} min.**
#
# **Recall of IVF, HNSW or PQ is terrible on random vectors. What is wrong?** The vectors. Random ones have no neighbourhoods: in many dimensions all are about equally far, so cells, links and codes have little to go by. Judge an index by your own vectors and queries, against flat search.
#
# **How do I set nlist, nprobe, ef, and how much do I train on?** `nlist` between √N and 4 √N: with √N, comparing all centroids costs what reading one cell does, and several are opened. For hundreds of millions faiss' wiki (*Read next*) asks for more, and a graph over the centroids. faiss wants 39 to 256 training vectors for each centroid, and they must be like those that will be searched. Then raise `nprobe` or `ef` until your queries find enough, and look at the time. `nprobe` is 1 until you set it; look at it again after loading.
#
# **I ask for 10 and get fewer.** A filter took some away, or the opened cells hold fewer, or `efSearch` is below k and the walk returns no more than it keeps; faiss and this package keep the larger of the two.
#
# **int8: how much quality, and is it deterministic?** Of float32's quality in MTEB retrieval, int8 kept 97 % for mxbai-large, 94.7 % for e5-base-v2, 90.8 % for MiniLM-L6; one bit with rescoring 96.5, 74.8 and 93.8 % (Hugging Face's post on embedding quantization). Ours, claim 48, three encoders, the same MiniLM among them, two collections: int8 99.7 to 100.1 %, one bit 84 to 93 %, rescored by the float query with the bits 92 to 98 %, by whole vectors 98 to 101 %. So it depends on model and texts, and on how codes are compared. Equal vectors and ranges give equal codes. But a vector differs in its last digits from batch to batch, and a number beside a mark can then fall on its other side. So compare ranks, not codes.
#
# **Matryoshka and quantization together: normalize when?** Cut, normalize, then take ranges or codebooks from the *cut* vectors. At equal bytes give up bits before dimensions (claim 73).

# %% [markdown]
# ## Claims settled here
#

# %%
from workbook.claims import settle

settle(47, budget="record")
# %%
settle(48, budget="record")
# %%
settle(49, budget="record")
# %%
settle(73, budget="record")
# %% [markdown]
# ## Quiz

# %%
quiz("17")

# %% [markdown]
# ## Recap
#
# - Cells read less, codes store less. Both lose; `nprobe` and `rescore` buy it back.
# - One cell of 16 misses most neighbours of these texts. The plane says otherwise.
# - Tables take the query as it is: it costs no bytes.
# - Codes of residuals need the residual of the query, anew in each cell.
# - Ranges and centroids come from many vectors like those to come, never from one query.
#
# **New terms:** k-means · inverted file (IVF) · `nprobe` · calibration set · product quantization (PQ) · codebook · asymmetric distance · residual · rescoring · HNSW · `ef`.
#
# **Open task.** Take 10,000 vectors and 100 queries of your own. Which index finds 95 of 100 exact neighbours, in how many bytes and milliseconds beside flat search?
#
# **Read next:** Jégou et al. 2011 (product quantization); Malkov and Yashunin 2016 (HNSW); faiss' wiki, "Guidelines to choose an index".
#
# **Next chapter:** 18 · My domain is different. Now what?
