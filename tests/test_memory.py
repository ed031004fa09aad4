"""Memory beside input and result does not grow with the corpus: what numpy, Python and torch allocate is counted."""

import sys
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.test_cross_encoder import untrained as cross_encoder
from tests.test_sparse import untrained as sparse_encoder
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.index import FlatIndex, HNSWIndex, IVFIndex, IVFPQIndex, PQIndex
from workbook.index.inverted import InvertedIndex
from workbook.index.rescore import funnel_search, rescore
from workbook.late_interaction.residual_codec import ResidualCodec
from workbook.pretraining.pairs import inverse_cloze_pairs, span_pairs, title_body_pairs
from workbook.similarity import dense_search
from workbook.training_data import decontaminate
from workbook.training_data.near_duplicates import MinHashIndex

D = 32


class Peak(TorchDispatchMode):
    """The most bytes that were alive at once: those of Python and numpy, and of tensors made meanwhile."""

    def __init__(self):
        super().__init__()
        self.alive = self.most = 0
        self.users: dict[int, int] = {}  # address of a storage -> tensors that see it
        self.others: set[int] = set()  # addresses of what was not made here: arguments

    def __enter__(self):
        tracemalloc.start()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.bytes = self.most + tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for tensor in args:
            if isinstance(tensor, torch.Tensor):
                address = tensor.untyped_storage().data_ptr()
                if not self.users.get(address) and address not in self.others:
                    self.others.add(address)
                    weakref.finalize(tensor, self.others.discard, address)
        made = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.lift_fresh.default:
            return made  # a numpy array under another name: if it is new, numpy's count has it
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            address, size = storage.data_ptr(), storage.nbytes()
            if address in self.others:
                continue
            if self.users.setdefault(address, 0) == 0:
                self.alive += size
                self.most = max(self.most, self.alive)
            self.users[address] += 1
            weakref.finalize(tensor, self.gone, address, size)
        return made

    def gone(self, address, size):
        self.users[address] -= 1
        if self.users[address] == 0:
            self.alive -= size


def peak(call):
    with Peak() as counted:
        result = call()
    return counted.bytes, result


def growth(needed, few, many):
    """Bytes for each one more. The first call is not counted: it imports what the others use."""
    needed(few)
    return (needed(many) - needed(few)) / (many - few)


def vectors(N, seed=0):
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


def size(index):
    return sum(getattr(index, name).nbytes for name in index.TENSORS)


@pytest.mark.slow  # the first dispatch mode of a process imports half of torch
def test_the_count_can_be_wrong_by_little():
    """A known amount: two megabytes at once, of which one goes before the third comes, and a numpy array of one."""

    def known():
        a = torch.zeros(2**18)
        b = a + 1
        view = b[:10]
        del a
        c = torch.ones(2**18)
        return len(view) + len(c) + len(np.zeros(2**17))

    peak(known)  # it imports what the others use
    assert peak(known)[0] == pytest.approx(3 * 2**20, rel=0.05)


INDEXES = {
    "flat": lambda: FlatIndex(D, "l2"),
    "ivf": lambda: IVFIndex(D, 8, "l2"),
    "pq": lambda: PQIndex(D, 8, 4, "l2"),
    "ivfpq": lambda: IVFPQIndex(D, 8, 8, 4, "l2"),
}
FEW, MANY = 8_192, 32_768  # twice and eight times the 4,096 vectors that are read at a time


@pytest.mark.slow
@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_an_index_needs_as_much_for_many_vectors_as_for_few(name, dtype):
    def needed(N):
        index, x = INDEXES[name](), vectors(N).astype(dtype)
        return peak(lambda: index.train(x))[0]

    per_vector = growth(needed, FEW, MANY)
    assert per_vector < 20, f"{per_vector:.0f} bytes for each vector more"  # which of them are in the sample


@pytest.mark.slow
@pytest.mark.parametrize("name", INDEXES)
def test_adding_to_an_index_needs_what_the_index_holds_and_a_few_numbers_for_each_vector(name):
    def beside(N):
        index, x = INDEXES[name](), vectors(N)
        index.train(x[:4_096])
        needed, _ = peak(lambda: index.add(x))
        return needed - size(index)

    per_vector = growth(beside, FEW, MANY)
    assert per_vector < D * 4 / 2 + 20, f"{per_vector:.0f} bytes for each vector more, which itself has {4 * D}"


@pytest.mark.slow
def test_a_graph_needs_its_links_and_a_few_numbers_for_each_vector():
    def beside(N):
        index = HNSWIndex(D, M=4, ef_construction=8)
        needed, _ = peak(lambda: index.add(vectors(N)))
        return needed - size(index)

    per_vector = growth(beside, 300, 1_000)
    # Python's lists of the walk, and the copies of links and starts that each call makes.
    assert per_vector < 4 * D + 400, f"{per_vector:.0f} bytes for each vector more"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_funnel_reads_a_corpus_in_parts(dtype):
    queries = vectors(3, seed=1)

    def needed(N):
        corpus = vectors(N).astype(dtype)
        return peak(lambda: funnel_search(queries, corpus, 5, (8, D)))[0]

    per_passage = growth(needed, FEW, MANY)
    assert per_passage < 4, f"{per_passage:.1f} bytes for each passage more, whose prefix has 32"


@pytest.mark.slow
def test_rescoring_holds_the_vectors_of_one_query():
    candidates, corpus = 100, vectors(500)

    def needed(Q):
        ids = np.arange(Q * candidates).reshape(Q, candidates) % len(corpus)
        return peak(lambda: rescore(vectors(Q), ids, lambda found: corpus[found], 5))[0]

    per_query = growth(needed, 100, 400)
    vectors_of_one = candidates * D * 4
    assert per_query < vectors_of_one / 4, (
        f"{per_query:.0f} bytes for each query more, whose candidates have {vectors_of_one}"
    )


@pytest.mark.slow
def test_a_residual_codec_needs_what_it_returns(monkeypatch):
    monkeypatch.setattr("workbook.late_interaction.residual_codec.AT_A_TIME", 64 * D)
    codec = ResidualCodec.train(torch.nn.functional.normalize(torch.from_numpy(vectors(1_000))), num_centroids=16)

    def beside(L):
        x = torch.nn.functional.normalize(torch.from_numpy(vectors(L)))
        needed, returned = peak(lambda: codec.compress(x))
        return needed - sum(part.nbytes for part in returned)

    # With 8,000 it came out as 6, 9 or 16 bytes: too few to share what else the process allocates.
    per_vector = growth(beside, 2_000, 32_000)
    assert per_vector < D / 2, f"{per_vector:.1f} bytes for each vector more, which itself has {4 * D}"


PAIRS_FROM_TEXTS = {
    "inverse cloze": lambda texts: inverse_cloze_pairs(list(texts)),
    "spans": lambda texts: span_pairs(list(texts)),
    "title and body": lambda texts: title_body_pairs((text[:20], text[20:]) for text in texts),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS_FROM_TEXTS)
def test_pairs_from_texts_need_what_they_return_and_two_words_for_each(name):
    def beside(N):
        texts = [f"Passage {i} says something. " + "These are words about it. " * 20 for i in range(N)]
        needed, pairs = peak(lambda: PAIRS_FROM_TEXTS[name](texts))
        assert len(pairs) == N
        return needed - sum(sys.getsizeof(x) for pair in pairs for x in (pair, *pair))

    per_text = growth(beside, 300, 1_200)
    assert per_text < 60, f"{per_text:.0f} bytes for each text more, which itself has 500"  # places in two lists


class Words:
    """An encoder whose vectors are drawn from a text's number."""

    def encode_query(self, texts):
        return self.encode_document(texts)

    def encode_document(self, texts):
        return np.stack([np.full(256, int(text) % 97, dtype=np.float32) for text in texts])


@pytest.mark.slow
def test_a_dense_search_lets_the_vectors_go():
    def needed(N):
        corpus = {str(i): str(i) for i in range(N)}
        return peak(lambda: dense_search(Words(), corpus, {"q": "1"}, k=3, chunk_size=500))[0]

    per_passage = growth(needed, 2_000, 8_000)
    assert per_passage < 100, f"{per_passage:.0f} bytes for each passage more"  # a vector has 1,024


@pytest.mark.slow
def test_a_dense_search_in_chunks_is_that_of_the_whole():
    corpus = {f"p{i}": str(i * 7) for i in range(300)}
    whole = dense_search(Words(), corpus, {"q": "3", "r": "50"}, k=40)
    for chunk_size in (1, 7, 299, 300):
        chunked = dense_search(Words(), corpus, {"q": "3", "r": "50"}, k=40, chunk_size=chunk_size)
        assert {query: list(run.items()) for query, run in chunked.items()} == {
            q: list(r.items()) for q, r in whole.items()
        }


@pytest.mark.slow
def test_a_cross_encoder_keeps_a_score_for_each_pair_and_no_more(monkeypatch):
    monkeypatch.setattr("workbook.cross_encoder.PAIRS_AT_A_TIME", 200)
    model = cross_encoder()

    def needed(N):
        pairs = [("red green", "blue black white brown " * 8)] * N
        return peak(lambda: model.predict(pairs))[0]

    per_pair = growth(needed, 400, 1_600)
    assert per_pair < 100, f"{per_pair:.0f} bytes for each pair more"


@pytest.mark.slow
def test_an_encoder_keeps_a_vector_for_each_text_and_no_more(monkeypatch):
    monkeypatch.setattr("workbook.encoder.text_encoder.SORTED_TOGETHER", 200)
    texts = [" ".join(f"w{i}" for i in range(60))]
    model = TextEncoder(train_tokenizer(texts, 100), StaticEncoder(100, 4), max_length=60)

    def needed(N):
        return peak(lambda: model.encode(texts * N))[0]

    per_text = growth(needed, 400, 1_600)
    assert per_text < 60, f"{per_text:.0f} bytes for each text more"  # a vector has 16, its token ids about 480


@pytest.mark.slow
def test_a_sparse_encoder_and_its_index_need_what_they_return(monkeypatch):
    monkeypatch.setattr("workbook.sparse.TEXTS_AT_A_TIME", 200)
    model = sparse_encoder()

    texts = ["red green blue black white brown " * 4]

    def encoding(N):
        needed, found = peak(lambda: model.encode(texts * N, top_k=4))
        return needed - 2 * (found.indptr.nbytes + found.ids.nbytes + found.weights.nbytes)  # the parts, then joined

    def indexing(N):
        found = model.encode(texts * N, top_k=4)
        needed, built = peak(lambda: InvertedIndex.from_vectors(found, chunk_size=500))
        return needed - built.passages.nbytes - built.weights.nbytes

    per_text = growth(encoding, 400, 1_600)
    assert per_text < 150, f"{per_text:.0f} bytes for each text more"
    per_text = growth(indexing, 400, 1_600)
    assert per_text < 40, f"{per_text:.0f} bytes for each text more"


@pytest.mark.slow
def test_decontamination_remembers_the_evaluation_and_not_the_corpus():
    evaluation = {str(i): f"question {i} of the exam" for i in range(50)}

    def needed(N):
        pairs = [(f"query {i}", f"passage {i} " + "some words about something " * 20) for i in range(N)]
        return peak(lambda: decontaminate(pairs, evaluation))[0]

    per_pair = growth(needed, 300, 1_200)
    assert per_pair < 250, f"{per_pair:.0f} bytes for each pair more"  # its texts have 500 characters and more


@pytest.mark.slow
def test_near_duplicates_remember_shingles_of_each_text():
    """This one grows, as it must: the texts kept are what the next one is compared with. It is bounded for each."""

    def needed(length):
        index = MinHashIndex()
        text = " ".join(str(i) for i in range(length))
        return peak(lambda: [index.add(str(i), f"{i} {text}") for i in range(50)])[0]

    assert needed(40_000) < 1.2 * needed(4_000)  # only the first 1,500 characters are looked at
