"""MaxSim by hand, at the edges, and with the padding that must never win."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from workbook.late_interaction.maxsim import (
    EMPTY_SCORE,
    colbert_loss,
    maxsim,
    maxsim_one,
    maxsim_padded,
    maxsim_search,
    passage_chunks,
    segment_max,
    token_alignments,
    token_rows,
)


def ragged(seed, lengths, Q=2, S=3, D=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)  # noqa: E731
    return make(Q, S, D), make(sum(lengths), D), torch.tensor(lengths)


def by_hand(query, passages, lengths, query_mask=None):
    """The definition, in four loops."""
    scores = torch.zeros(len(query), len(lengths), dtype=query.dtype)
    for q, rows in enumerate(query):
        for n, passage in enumerate(passages.split(lengths.tolist())):
            for s, row in enumerate(rows):
                if query_mask is None or query_mask[q, s]:
                    scores[q, n] += max((float(row @ token) for token in passage), default=float("-inf"))
            if not len(passage):
                scores[q, n] = EMPTY_SCORE
    return scores


def padded(passages, lengths, fill=0.0):
    rows = passages.split(lengths.tolist())
    full = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=fill)
    return full, torch.arange(full.shape[1]) < lengths[:, None]


class Largest(TorchDispatchMode):
    """The size of the largest tensor that any operation makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        # A view holds no memory of its own.
        if isinstance(out, torch.Tensor) and not any(isinstance(a, torch.Tensor) and out._is_view() for a in args):
            self.numel = max(self.numel, out.numel())
        return out


# --- the score ----------------------------------------------------------------------------------


def test_maxsim_by_hand():
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    passages = torch.tensor([[0.6, 0.8], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    # passage 0: max(.6, 1) + max(.8, 0) = 1.8; passage 1: max(-1, 0) + max(0, -1) = 0
    assert torch.allclose(maxsim(query, passages, torch.tensor([2, 2])), torch.tensor([1.8, 0.0]))


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 7), min_size=1, max_size=9),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 20),
    st.booleans(),
)
def test_ragged_padded_and_the_definition_agree(seed, lengths, Q, S, chunk_size, masked):
    query, passages, lengths = ragged(seed, lengths, Q, S)
    mask = torch.rand(Q, S, generator=torch.Generator().manual_seed(seed)) < 0.6 if masked else None
    expected = by_hand(query, passages, lengths, mask)
    assert torch.allclose(maxsim(query, passages, lengths, mask, chunk_size), expected, atol=1e-12)
    full, is_token = padded(passages, lengths, fill=99.0)  # padding that would win if it were looked at
    assert torch.allclose(maxsim_padded(query, full, is_token, mask), expected, atol=1e-12)


def test_padding_never_beats_a_negative_similarity():
    query, passages, lengths = torch.ones(1, 1, 2), -torch.ones(3, 2), torch.tensor([1, 2])
    full, is_token = padded(passages, lengths)
    assert maxsim(query, passages, lengths).tolist() == [[-2.0, -2.0]]
    assert maxsim_padded(query, full, is_token).tolist() == [[-2.0, -2.0]]
    assert maxsim_padded(query, full).tolist() == [[0.0, -2.0]]  # the mask forgotten: the zero row wins


def test_a_masked_query_token_adds_nothing_even_where_it_would_subtract():
    query, passages, lengths = torch.ones(1, 2, 2), -torch.ones(2, 2), torch.tensor([1, 1])
    assert maxsim(query, passages, lengths).tolist() == [[-4.0, -4.0]]
    mask = torch.tensor([[1, 0]])
    assert maxsim(query, passages, lengths, mask).tolist() == [[-2.0, -2.0]]
    assert maxsim(query[0], passages, lengths, mask[0]).tolist() == [-2.0, -2.0]
    assert maxsim(query, passages, lengths, torch.zeros(1, 2)).tolist() == [[0.0, 0.0]]


def test_a_row_of_zeros_in_a_query_adds_nothing_so_it_may_stand_for_padding():
    query, passages, lengths = ragged(3, [4, 2], Q=1, S=3)
    with_zeros = torch.cat([query, torch.zeros(1, 5, 4, dtype=query.dtype)], dim=1)
    assert torch.allclose(maxsim(query, passages, lengths), maxsim(with_zeros, passages, lengths), atol=1e-12)


def test_nothing_to_score_has_the_right_shape():
    query, passages, lengths = ragged(0, [2, 3])
    assert maxsim(query[:0], passages, lengths).shape == (0, 2)
    assert maxsim(query, passages[:0], lengths[:0]).shape == (2, 0)
    assert maxsim(query[:, :0], passages, lengths).tolist() == [[0, 0], [0, 0]]
    assert maxsim(query, passages[:0], torch.tensor([0])).tolist() == [[EMPTY_SCORE], [EMPTY_SCORE]]
    assert maxsim_padded(query, torch.zeros(2, 0, 4, dtype=torch.float64)).tolist() == [[EMPTY_SCORE] * 2] * 2


def test_more_query_tokens_than_are_scored_together():
    query, passages, lengths = ragged(1, [3, 5, 1], Q=5, S=100)
    assert torch.allclose(maxsim(query, passages, lengths), by_hand(query, passages, lengths), atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("gradient", [False, True])
def test_half_precision_is_scored_in_float32(dtype, gradient):
    query, passages, lengths = ragged(2, [3, 5, 5], D=64, dtype=torch.float32)
    query, passages = 30 * query.to(dtype), 30 * passages.to(dtype)
    full, is_token = padded(passages, lengths)
    expected = maxsim(query.float(), passages.float(), lengths)
    passages.requires_grad_(gradient)
    for scores in (maxsim(query, passages, lengths), maxsim_padded(query, full, is_token)):
        assert scores.dtype == torch.float32
        torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-2)  # scores of 100,000
    # In bfloat16 257 is 256, and the two passages would tie.
    query, passages = torch.ones(1, 2, dtype=dtype), torch.tensor([[256, 1], [256, 0]], dtype=dtype)
    assert maxsim(query, passages, torch.tensor([1, 1])).tolist() == [257, 256]
    assert maxsim_padded(query[None], passages[:, None]).tolist() == [[257, 256]]
    assert [maxsim_one(query, passage[None]).item() for passage in passages] == [257, 256]
    assert token_alignments(query, passages)[1].tolist() == [257]
    assert segment_max(passages.T, torch.tensor([2])).tolist() == [[256], [1]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_passages_may_be_stored_in_another_precision(dtype):
    query, passages, lengths = ragged(2, [3, 5], dtype=torch.float32)
    stored = passages.to(dtype)
    scores = maxsim(query, stored, lengths)
    assert scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(scores, maxsim(query.to(scores.dtype), stored.to(scores.dtype), lengths))


def test_nan_is_not_hidden():
    query, passages, lengths = ragged(0, [2, 3])
    passages[0, 0] = float("nan")
    assert maxsim(query, passages, lengths).isnan().tolist() == [[True, False]] * 2


@given(st.integers(0, 1000), st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any))
def test_with_a_gradient_the_scores_are_the_same_and_the_gradient_is_the_padded_forms(seed, lengths):
    query, passages, lengths = ragged(seed, lengths)
    plain = maxsim(query, passages, lengths, chunk_size=4)
    inputs = [query.requires_grad_(), passages.requires_grad_()]
    weight = torch.randn(plain.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    scores = maxsim(query, passages, lengths, chunk_size=4)
    assert torch.equal(scores, plain)
    full, is_token = padded(passages, lengths)
    ours = torch.autograd.grad((scores * weight).sum(), inputs)
    theirs = torch.autograd.grad((maxsim_padded(query, full, is_token) * weight).sum(), inputs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


@pytest.mark.slow  # the first dispatch mode of a process imports half of torch
def test_memory_does_not_grow_with_the_corpus():
    peaks = []
    for copies in (1, 30):
        query, passages, lengths = ragged(0, [7, 50, 3, 20] * copies, Q=4, S=8, D=16, dtype=torch.float32)
        with Largest() as largest:
            maxsim(query, passages, lengths, chunk_size=64)
        peaks.append(largest.numel)
    assert peaks[0] == peaks[1] == 4 * 8 * 60  # 32 query tokens against 7 + 50 + 3 passage tokens


# --- its parts ----------------------------------------------------------------------------------


def test_segment_max_by_hand():
    values = torch.tensor([[1.0, 5.0, 2.0, -3.0, -4.0], [0.0, 0.0, 7.0, 1.0, 2.0]])
    lengths = torch.tensor([0, 3, 0, 2, 0])
    inf = float("inf")
    expected = [[-inf, 5, -inf, -3, -inf], [-inf, 7, -inf, 2, -inf]]
    assert segment_max(values, lengths).tolist() == expected
    assert segment_max(values.requires_grad_(), lengths).tolist() == expected


def test_chunks_hold_whole_passages_and_all_of_them():
    found = list(passage_chunks(torch.tensor([3, 3, 0, 10, 1, 1]), 6))
    assert found == [(0, 3, 0, 6), (3, 4, 6, 16), (4, 6, 16, 18)]
    assert list(passage_chunks(torch.tensor([], dtype=torch.long), 6)) == []


def test_token_rows_by_hand():
    assert token_rows(torch.tensor([2, 3, 0, 1]), torch.tensor([3, 0, 2, 0])).tolist() == [5, 0, 1, 0, 1]
    assert token_rows(torch.tensor([2, 3]), torch.tensor([], dtype=torch.long)).tolist() == []


def test_alignments_say_who_matched_and_sum_to_the_score():
    query, passages, lengths = ragged(4, [6], Q=1, S=5)
    matched, similarity = token_alignments(query[0], passages)
    assert torch.allclose(similarity.sum(), maxsim(query[0], passages, lengths)[0])
    assert torch.allclose((query[0] * passages[matched]).sum(dim=1), similarity)
    eye = torch.eye(4)
    assert token_alignments(eye[[2, 0]], eye)[0].tolist() == [2, 0]


# --- loss and search ----------------------------------------------------------------------------


def test_the_loss_by_hand():
    query, passages = torch.eye(2)[:, None], torch.eye(2)[:, None]  # own score 1, other score 0
    expected = torch.log(1 + torch.exp(torch.tensor(-1 / 0.5)))
    assert torch.isclose(colbert_loss(query, passages, torch.ones(2, 1), 0.5), expected)
    equal = torch.cat([passages[:1], passages[:1]])
    assert torch.isclose(colbert_loss(query[:1], equal, torch.ones(2, 1)), torch.tensor(2.0).log())


class OneHot:
    """An encoder without weights: one vector per character."""

    def encode_query(self, texts):
        return torch.stack(
            [torch.nn.functional.one_hot(torch.tensor([ord(c) % 32 for c in t]), 32) for t in texts]
        ).float()

    def encode_document(self, texts):
        characters = torch.tensor([ord(c) % 32 for t in texts for c in t], dtype=torch.long)
        return torch.nn.functional.one_hot(characters, 32).float(), torch.tensor([len(t) for t in texts])


@pytest.mark.parametrize("chunk_size", [1, 2, 100])
def test_search_ranks_by_score_then_by_the_order_of_the_corpus(chunk_size):
    corpus = {"one": "xyz", "two": "cabs", "three": "bag", "four": "abc"}
    run = maxsim_search(OneHot(), corpus, {"q": "abc", "r": "xyz"}, k=3, chunk_size=chunk_size)
    assert list(run["q"].items()) == [("two", 3.0), ("four", 3.0), ("three", 2.0)]
    assert list(run["r"].items()) == [("one", 3.0), ("two", 0.0), ("three", 0.0)]
    assert len(maxsim_search(OneHot(), corpus, {"q": "abc"}, k=99)["q"]) == 4
    assert maxsim_search(OneHot(), {}, {"q": "abc"}) == {"q": {}}


def test_search_takes_the_vectors_of_the_corpus_if_they_are_there():
    corpus, queries = {"one": "xyz", "two": "cabs", "three": "bag", "four": "abc"}, {"q": "abc", "r": "xyz"}
    known = OneHot().encode_document(list(corpus.values()))
    assert maxsim_search(OneHot(), corpus, queries, 3, 2, known) == maxsim_search(OneHot(), corpus, queries, 3)
    with pytest.raises(ValueError, match="the vectors of 1 passages, got those of 4"):
        maxsim_search(OneHot(), {"one": "xyz"}, queries, corpus_embeddings=known)


# --- what does not belong together --------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda q, p, n: maxsim(q, p[:, :3], n), "the same D"),
        (lambda q, p, n: maxsim(q[0, 0], p, n), "expected queries"),
        (lambda q, p, n: maxsim(q, p, n[:1]), "do they belong to other passages"),
        (lambda q, p, n: maxsim(q, p, n.float()), "integers"),
        (lambda q, p, n: maxsim(q, p, torch.tensor([7, -2])), "lengths must be"),
        (lambda q, p, n: maxsim(q, p, n, torch.ones(2, 4)), "query_mask must be"),
        (lambda q, p, n: maxsim(q, p, n, chunk_size=0), "chunk_size"),
        (lambda q, p, n: maxsim_padded(q, p), "ragged passages go to maxsim"),
        (lambda q, p, n: maxsim_padded(q, p[None], torch.ones(1, 4)), "mask"),
        (lambda q, p, n: token_alignments(q, p), "one query and one passage"),
        (lambda q, p, n: token_alignments(q[0], p[:0]), "T ≥ 1"),
        (lambda q, p, n: colbert_loss(q, p[None], torch.ones(1, 5)), "a passage for each query"),
        (lambda q, p, n: colbert_loss(q[:1], p[None], torch.ones(1, 5), temperature=0), "positive temperature"),
        (lambda q, p, n: maxsim_search(OneHot(), {}, {}, k=0), "k must be at least 1"),
    ],
)
def test_errors_say_what_to_do(call, says):
    with pytest.raises(ValueError, match=says):
        call(*ragged(0, [2, 3]))
