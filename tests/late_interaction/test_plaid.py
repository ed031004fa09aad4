"""PLAID: with every door open it is exact; with the usual ones it finds nearly everything; what it holds is small."""

import pytest
import torch
from torch.nn.functional import normalize

from tests.late_interaction.test_maxsim import Largest
from workbook.late_interaction import maxsim
from workbook.late_interaction.plaid import PlaidIndex, plaid_search
from workbook.late_interaction.residual_codec import ResidualCodec

D, S, WORDS = 32, 8, 400
MEANING = normalize(torch.randn(WORDS, D, generator=torch.Generator().manual_seed(99)), dim=1)


def texts(seed, N, shortest=3, longest=30):
    """Passages of words; a word's vector changes a little from place to place."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (N,), generator=generator)
    words = torch.randint(WORDS, (int(lengths.sum()),), generator=generator)
    noise = torch.randn(len(words), D, generator=generator)
    return normalize(MEANING[words] + 0.08 * noise, dim=1), lengths


def questions(seed, passages, lengths, Q):
    """Each asks for the words of one passage, blurred."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(lengths), (Q,), generator=generator)
    rows = passages.split(lengths.tolist())
    picked = [rows[n][torch.randint(len(rows[n]), (S,), generator=generator)] for n in chosen.tolist()]
    asked = torch.stack(picked)
    return normalize(asked + 0.1 * torch.randn(asked.shape, generator=generator), dim=2), chosen


def built(N=600, nbits=2, num_centroids=256, seed=0):
    passages, lengths = texts(seed, N)
    index = PlaidIndex(ResidualCodec.train(passages, num_centroids, nbits, seed=seed))
    index.add(passages, lengths)
    return index, passages, lengths


WIDE = {"nprobe": 256, "centroid_score_threshold": -2.0, "ndocs": 2400}


def test_with_every_door_open_it_is_maxsim_on_decompressed_vectors():
    index, passages, lengths = built()
    queries, _ = questions(1, passages, lengths, Q=5)
    scores, ids = index.search(queries, k=600, **WIDE)
    exact = maxsim(queries, index.codec.decompress(index.codes, index.residuals), lengths)
    expected, order = exact.sort(dim=1, descending=True, stable=True)
    assert torch.allclose(scores, expected, atol=1e-5)
    assert torch.allclose(exact.gather(1, ids), exact.gather(1, order), atol=1e-5)
    assert all(len(set(row)) == 600 for row in ids.tolist())


def recall(ids, exact):
    return sum(len(set(a) & set(b)) for a, b in zip(ids.tolist(), exact.tolist(), strict=True)) / exact.numel()


def test_with_the_usual_doors_it_finds_nearly_what_exact_search_finds():
    index, passages, lengths = built(nbits=4)
    queries, chosen = questions(2, passages, lengths, Q=40)
    _, ids = index.search(queries, k=10)
    scores = maxsim(queries, passages, lengths)
    assert (scores.argmax(dim=1) == chosen).float().mean() > 0.95
    assert (ids[:, 0] == chosen).float().mean() > 0.95
    assert recall(ids, scores.topk(10, dim=1).indices) > 0.85


def test_more_doors_and_more_bits_find_more():
    found = {}
    for nbits in (1, 4):
        index, passages, lengths = built(nbits=nbits)
        queries, _ = questions(2, passages, lengths, Q=40)
        exact = maxsim(queries, passages, lengths).topk(10, dim=1).indices
        for ndocs in (40, 256, 2400):
            _, ids = index.search(queries, k=10, nprobe=4, ndocs=ndocs, centroid_score_threshold=0.2)
            found[nbits, ndocs] = recall(ids, exact)
    assert found[4, 40] < found[4, 256] < found[4, 2400]
    assert found[1, 2400] < found[4, 2400]
    assert found[4, 2400] > 0.9


def test_candidates_are_the_passages_in_the_best_lists_by_hand():
    index, _, lengths = built(N=40, num_centroids=16)
    centroid_scores = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    index.build()
    best = {int(c) for row in centroid_scores for c in row.argsort(descending=True)[:2]}
    codes = index.codes.split(lengths.tolist())
    expected = [n for n, passage in enumerate(codes) if best & set(passage.tolist())]
    assert index.candidates(centroid_scores, nprobe=2).tolist() == expected


@pytest.mark.parametrize("pruned", [False, True])
def test_scores_by_centroids_by_hand(pruned, monkeypatch):
    monkeypatch.setattr("workbook.late_interaction.plaid.TOKENS_AT_A_TIME", 50)
    index, _, lengths = built(N=40, num_centroids=16)
    index.build()
    centroid_scores = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    keep = torch.tensor([False, True] * 8) if pruned else torch.ones(16, dtype=torch.bool)
    passages = torch.tensor([39, 3, 17, 0])
    expected = []
    for n in passages.tolist():
        codes = [c for c in index.codes.split(lengths.tolist())[n].tolist() if keep[c]]
        expected.append(sum(max((float(s[c]) for c in codes), default=float("-inf")) for s in centroid_scores))
    found = index.by_centroids(centroid_scores, passages, keep if pruned else None)
    assert torch.allclose(found, torch.tensor(expected), atol=1e-6)


def test_pruning_leaves_out_what_no_query_token_is_close_to():
    """Passage 0 answers both query tokens a little, the others one of them well and the other not at all."""
    a_little, well = torch.zeros(8), torch.zeros(8)
    a_little[:3] = torch.tensor([0.55, 0.55, (1 - 2 * 0.55**2) ** 0.5])
    well[[0, 3]] = torch.tensor([0.7, (1 - 0.7**2) ** 0.5])
    index = PlaidIndex(ResidualCodec(torch.stack([a_little, well]), torch.tensor([0.0]), torch.tensor([-0.01, 0.01])))
    index.add(torch.stack([a_little, *[well] * 4]), torch.ones(5, dtype=torch.long))
    query = torch.eye(8)[None, :2]
    options = {"k": 1, "nprobe": 2, "ndocs": 4}
    assert index.search(query, centroid_score_threshold=0.5, **options)[1].tolist() == [[0]]  # 1.1 beats 0.7
    assert index.search(query, centroid_score_threshold=0.6, **options)[1].item() > 0


def test_passages_added_in_pieces_are_the_same_index():
    passages, lengths = texts(0, 60)
    codec = ResidualCodec.train(passages, 32)
    whole, pieces = PlaidIndex(codec), PlaidIndex(codec)
    whole.add(passages, lengths)
    cut = int(lengths[:25].sum())
    pieces.add(passages[:cut], lengths[:25])
    queries, _ = questions(0, passages, lengths, Q=3)
    assert pieces.search(queries, k=2)[1].max() < 25
    pieces.add(passages[cut:], lengths[25:])
    for name in ("codes", "residuals", "lengths"):
        assert torch.equal(getattr(whole.build(), name), getattr(pieces.build(), name))
    for a, b in zip(whole.search(queries, k=5), pieces.search(queries, k=5), strict=True):
        assert torch.equal(a, b)


def test_where_fewer_are_found_the_rest_is_minus_one():
    index, passages, lengths = built(N=3, num_centroids=4)
    queries, _ = questions(0, passages, lengths, Q=1)
    scores, ids = index.search(queries, k=5, nprobe=4)
    assert sorted(ids[0].tolist()) == [-1, -1, 0, 1, 2]
    assert scores[0, 3:].tolist() == [float("-inf")] * 2
    empty = PlaidIndex(index.codec)
    assert empty.search(queries, k=2)[1].tolist() == [[-1, -1]]
    assert index.search(queries[:0], k=2)[1].shape == (0, 2)


def test_rows_of_zeros_in_a_query_change_nothing():
    index, passages, lengths = built(N=100, num_centroids=32)
    queries = questions(0, passages, lengths, Q=2)[0][:, :1]  # one token looks into one list
    filled = torch.cat([queries, torch.zeros(2, 4, D)], dim=1)
    scores, ids = index.search(queries, k=60, nprobe=1)
    assert (ids[:, -1] == -1).all()
    for a, b in zip((scores, ids), index.search(filled, k=60, nprobe=1), strict=True):
        assert torch.equal(a, b)


def test_a_passage_takes_few_bytes():
    index, passages, _ = built(N=600)
    per_token = 4 + D * 2 // 8  # code and residual
    assert index.nbytes <= len(passages) * (per_token + 4) + 600 * 8  # lists hold at most one number a token
    assert index.nbytes >= len(passages) * per_token
    assert index.nbytes < passages.numel() * 4 / 6


@pytest.mark.slow  # the first dispatch mode of a process imports half of torch
def test_memory_of_adding_and_of_a_search_does_not_grow_with_the_passage_count(monkeypatch):
    monkeypatch.setattr("workbook.late_interaction.plaid.TOKENS_AT_A_TIME", 256)
    monkeypatch.setattr("workbook.late_interaction.residual_codec.AT_A_TIME", 64 * 64)
    passages, lengths = texts(0, 50)
    codec = ResidualCodec.train(passages, 64)
    queries, _ = questions(0, passages, lengths, Q=2)
    peaks = []
    for copies in (8, 32):
        index = PlaidIndex(codec)
        with Largest() as adding:
            for _ in range(copies):
                index.add(passages, lengths)
        index.build()
        with Largest() as searching:
            index.search(queries, k=2, nprobe=64, ndocs=8)
        peaks.append((adding.numel, searching.numel, len(index.codes)))
    (add_small, search_small, _), (add_large, search_large, tokens) = peaks
    assert add_small == add_large
    assert search_large <= max(search_small, tokens)  # one number a token, never S or D of them


class Words:
    """An encoder without weights: a word's vector is its meaning."""

    def encode_query(self, asked):
        return torch.stack([MEANING[[int(w) for w in text.split()]] for text in asked])

    def encode_document(self, passages):
        words = [[int(w) for w in text.split()] for text in passages]
        lengths = torch.tensor([len(w) for w in words], dtype=torch.long)
        return MEANING[[i for w in words for i in w]], lengths


def test_search_from_texts():
    corpus = {f"p{i}": f"{i} {i + 1} {i + 2}" for i in range(90)}
    queries = {"q": "50 51 52", "r": "3 4 5"}
    run = plaid_search(Words(), corpus, queries, k=3, chunk_size=7, num_centroids=64)
    assert next(iter(run["q"])) == "p50"
    assert next(iter(run["r"])) == "p3"
    assert all(len(found) == 3 for found in run.values())
    assert list(run["q"].values()) == sorted(run["q"].values(), reverse=True)
    assert run["q"] == plaid_search(Words(), corpus, queries, k=3, chunk_size=1000, num_centroids=64)["q"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda i, q: i.search(q[0]), "one query as"),
        (lambda i, q: i.search(q[..., :8]), "D = 32"),
        (lambda i, q: i.search(q, k=0), "at least 1"),
        (lambda i, q: i.search(q, nprobe=0), "at least 1"),
        (lambda i, q: i.search(q, k=10, ndocs=39), "at least 4 k"),
        (lambda i, q: i.add(q[0], torch.tensor([3])), "sum to L"),
        (lambda i, q: i.add(q[0][:, :8], torch.tensor([8])), "D = 32"),
    ],
)
def test_errors_say_what_to_do(call, says):
    index, passages, lengths = built(N=10, num_centroids=4)
    with pytest.raises(ValueError, match=says):
        call(index, questions(0, passages, lengths, Q=1)[0])
