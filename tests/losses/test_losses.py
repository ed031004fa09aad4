"""The losses by hand, at the edges, and what must not change them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.losses import (
    batch_hard_triplet_loss,
    contrastive_loss,
    cosent,
    cosine_similarity_loss,
    distill_kl,
    gist_loss,
    info_nce,
    info_nce_gradient,
    lambda_loss,
    listwise_loss,
    margin_mse,
    matryoshka_loss,
    nt_xent,
    pairwise_loss,
    pointwise_loss,
    similarity_kl,
    triplet_loss,
)
from workbook.similarity import cos_sim, normalize

ALL_FOUR = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


def pair(seed, B=5, D=6):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(B, D, generator=generator, dtype=torch.float64) for _ in range(2))


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- InfoNCE ------------------------------------------------------------------------------------


def test_info_nce_by_hand():
    query, positive = torch.eye(2), torch.eye(2)  # own cosine 1, other cosine 0
    assert torch.isclose(info_nce(query, positive, temperature=1.0), torch.tensor(math.log(1 + math.exp(-1))))


def test_a_negative_that_equals_the_positive_costs_log_two():
    query = torch.tensor([[1.0, 0.0]])
    assert torch.isclose(info_nce(query, query, query[:, None, :], temperature=0.05), torch.tensor(math.log(2)))


def test_a_batch_of_one_has_nothing_to_tell_apart():
    query, positive = torch.randn(1, 4), torch.randn(1, 4)
    assert info_nce(query, positive).abs() < 1e-6
    assert nt_xent(query, positive).abs() < 1e-6


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(0.02, 2))
def test_length_and_order_do_not_matter(seed, scale, temperature):
    query, positive = pair(seed)
    loss = info_nce(query, positive, temperature=temperature)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(loss, info_nce(query * scale, positive, temperature=temperature))
    assert torch.allclose(loss, info_nce(query[order], positive[order], temperature=temperature))
    both = ("query_to_doc", "doc_to_query")
    assert torch.allclose(
        info_nce(query, positive, directions=both, partition_mode="per_direction"),
        info_nce(positive, query, directions=both, partition_mode="per_direction"),
    )


@pytest.mark.parametrize("temperature", [1e-4, 1e4])
def test_extreme_temperatures_stay_finite(temperature):
    query, positive = pair(0)
    query.requires_grad_()
    info_nce(query, positive, temperature=temperature).backward()
    assert query.grad.isfinite().all()


def test_negatives_do_change_the_loss():
    query, positive = pair(1)
    negatives = torch.randn(5, 2, 6, dtype=torch.float64)
    assert info_nce(query, positive, negatives) > info_nce(query, positive)


@given(st.integers(0, 1000), st.floats(0.05, 2))
def test_the_gradient_by_hand_is_autograds(seed, temperature):
    query, positive = (normalize(x) for x in pair(seed))
    q = query.clone().requires_grad_()
    (q @ positive.T / temperature).log_softmax(dim=1).diagonal().neg().mean().backward()
    assert torch.allclose(q.grad, info_nce_gradient(query, positive, temperature), atol=1e-12)


def test_triplet_loss_by_hand_and_its_silence_beyond_the_margin():
    query, near, far = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    assert torch.isclose(triplet_loss(query, near, far, margin=5.0), torch.tensor(2.0), atol=1e-4)
    query.requires_grad_()
    triplet_loss(query, near, far, margin=1.0).backward()
    assert torch.equal(query.grad, torch.zeros(1, 2))


def test_batch_hard_by_hand():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # two classes: 0, 1 and 7 against 3
    labels = torch.tensor([4, 4, 2, 4])
    # The farthest fellow and the nearest stranger: 7 and 3; 6 and 2; itself and 2; 7 and 4.
    expected = (7 - 3 + 1) + (6 - 2 + 1) + max(0, 0 - 2 + 1) + (7 - 4 + 1)
    assert torch.isclose(batch_hard_triplet_loss(x, labels, margin=1.0), torch.tensor(expected / 4))


@given(st.integers(0, 1000), st.integers(1, 4))
def test_batch_hard_by_loops(seed, classes):
    x = numbers(7, 3, seed=seed).requires_grad_()
    labels = torch.randint(classes, (7,), generator=torch.Generator().manual_seed(seed))
    terms = []
    for i in range(7):
        fellows = [(x[i] - x[j]).norm() for j in range(7) if j != i and labels[j] == labels[i]]
        strangers = [(x[i] - x[j]).norm() for j in range(7) if labels[j] != labels[i]]
        far, near = (max(fellows, default=x.new_zeros(())), min(strangers, default=x.new_tensor(math.inf)))
        terms.append((far - near + 0.5).clamp(min=0))
    found, expected = batch_hard_triplet_loss(x, labels, margin=0.5), torch.stack(terms).mean()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    ours = torch.autograd.grad(found, x)[0]
    assert ours.isfinite().all()
    if expected.requires_grad and classes > 1 and len(labels.unique()) > 1:
        torch.testing.assert_close(ours, torch.autograd.grad(expected, x)[0], atol=1e-12, rtol=0)


# --- duplicates ---------------------------------------------------------------------------------


def test_a_copy_of_the_positive_is_a_false_negative_until_its_id_says_so():
    query = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert torch.isclose(info_nce(query, query), torch.tensor(math.log(2)))  # cannot be told apart, and is asked to
    assert info_nce(query, query, ids=torch.tensor([7, 7])).abs() < 1e-6
    assert torch.isclose(info_nce(query, query, ids=torch.tensor([7, 8])), torch.tensor(math.log(2)))


@pytest.mark.parametrize("directions", [("query_to_doc",), ("query_to_doc", "doc_to_query"), ALL_FOUR])
def test_masked_by_id_every_sum_is_that_over_the_other_passages(directions):
    """By loops: for pair i, what belongs to the same passage does not stand in the sum, the pair itself does."""
    (query, positive), negatives = pair(3), numbers(5, 2, 6)
    ids, negative_ids = torch.tensor([4, 9, 4, 1, 9]), torch.tensor([[4, 0], [1, 2], [3, 9], [5, 4], [6, 7]])
    losses = []
    for i in range(5):

        def s(a, b):
            return torch.cosine_similarity(a, b, dim=0) / 0.1

        others = [j for j in range(5) if ids[j] != ids[i]]
        hard = [(j, m) for j in range(5) for m in range(2) if negative_ids[j, m] != ids[i]]
        terms = [s(query[i], positive[j]) for j in [i, *others]] + [s(query[i], negatives[j, m]) for j, m in hard]
        if "doc_to_query" in directions:
            terms += [s(positive[i], query[j]) for j in [i, *others]]
        if "query_to_query" in directions:
            terms += [s(query[i], query[j]) for j in others]
            terms += [s(positive[i], positive[j]) for j in others]
            terms += [s(positive[i], negatives[j, m]) for j, m in hard if j != i]
        losses.append(torch.stack(terms).logsumexp(dim=0) - s(query[i], positive[i]))
    found = info_nce(query, positive, negatives, 0.1, directions, ids=ids, negative_ids=negative_ids)
    torch.testing.assert_close(found, torch.stack(losses).mean(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("directions", [("query_to_doc",), ALL_FOUR])
def test_different_ids_change_nothing_and_equal_ids_leave_the_pair_alone(directions):
    (query, positive), negatives = pair(4), numbers(5, 2, 6)
    plain = info_nce(query, positive, negatives, directions=directions)
    assert info_nce(query, positive, negatives, directions=directions, ids=torch.arange(5)) == plain
    same = torch.zeros(5, dtype=torch.long)
    assert info_nce(query, positive, directions=("query_to_doc",), ids=same).abs() < 1e-12
    loss = info_nce(
        query.requires_grad_(), positive, negatives, directions=directions, ids=same, negative_ids=torch.zeros(5, 2)
    )
    loss.backward()
    assert query.grad.isfinite().all()


# --- hardness -----------------------------------------------------------------------------------


def test_hardness_by_hand_and_its_gradient_treats_the_weight_as_a_constant():
    (query, positive), negatives = pair(5, B=3), numbers(3, 2, 6)
    docs = torch.cat([positive, negatives[:, 0], negatives[:, 1]])
    s = cos_sim(query, docs)
    pairs = torch.eye(3, dtype=torch.bool)
    weighted = {
        "in_batch_negatives": ~pairs.repeat(1, 3),
        "hard_negatives": torch.cat([torch.zeros(3, 3), pairs, pairs], dim=1).bool(),
        "all_negatives": ~torch.cat([pairs, torch.zeros(3, 6)], dim=1).bool(),
    }
    for mode, where in weighted.items():
        constant = 5.0 * s * where

        def by_hand(query, constant=constant):
            logits = cos_sim(query, docs) / 0.5 + constant
            return (logits.logsumexp(dim=1) - logits.diagonal()).mean()

        leaf = query.clone().requires_grad_()
        assert torch.autograd.gradcheck(by_hand, leaf)
        expected = torch.autograd.grad(by_hand(leaf), leaf)[0]
        loss = info_nce(leaf, positive, negatives, 0.5, hardness_mode=mode, hardness_strength=5.0)
        torch.testing.assert_close(loss, by_hand(leaf), atol=1e-12, rtol=0)
        torch.testing.assert_close(torch.autograd.grad(loss, leaf)[0], expected, atol=1e-12, rtol=0)


def test_without_negatives_of_its_own_nothing_is_harder():
    query, positive = pair(6)
    plain = info_nce(query, positive)
    assert info_nce(query, positive, hardness_mode="hard_negatives", hardness_strength=5.0) == plain
    assert info_nce(query, positive, hardness_mode="all_negatives", hardness_strength=0.0) == plain


# --- guided -------------------------------------------------------------------------------------


def test_the_guide_takes_out_what_it_finds_nearer_than_the_positive():
    query, positive = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    guide_query = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    guide_positive = torch.tensor([[0.6, 0.8], [1.0, 0.0]])  # passage 1 is nearer to query 0 than its own passage
    options = {"temperature": 1.0, "contrast_anchors": False, "contrast_positives": False}
    # Query 0 keeps its positive alone: 0. Query 1 keeps passage 0, as near to it as its own: log 2.
    found = gist_loss(query, positive, guide_query, guide_positive, **options)
    assert torch.isclose(found, torch.tensor(math.log(2) / 2))
    # At a margin of 0.5 passage 0 must stay below 1.0 - 0.5 in the guide's eyes; it does not.
    assert gist_loss(query, positive, guide_query, guide_positive, margin=0.5, **options).abs() < 1e-6


def test_a_guide_that_objects_to_nothing_leaves_info_nce():
    (query, positive), negatives = pair(7), numbers(5, 2, 6)
    guide, far = torch.eye(5, dtype=torch.float64), -torch.ones(5, 2, 5, dtype=torch.float64)
    found = gist_loss(query, positive, guide, guide, negatives, far, contrast_anchors=False, contrast_positives=False)
    torch.testing.assert_close(found, info_nce(query, positive, negatives), atol=1e-12, rtol=0)


def test_an_exact_copy_ties_and_a_small_margin_takes_it_out():
    query = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    options = {"contrast_anchors": False, "contrast_positives": False}
    kept = gist_loss(query, query, query, query, **options)
    assert torch.isclose(kept, torch.tensor(math.log(2), dtype=torch.float64))
    for margin_strategy in ("absolute", "relative"):
        assert (
            gist_loss(query, query, query, query, margin=0.01, margin_strategy=margin_strategy, **options).abs() < 1e-12
        )


def test_a_query_is_never_its_own_negative():
    """Where query and positive are one text to the guide, sentence-transformers' loss counts the query against itself."""
    query, positive = pair(8)
    guide = numbers(5, 4, seed=1)
    found = gist_loss(query, positive, guide, guide, contrast_positives=False)
    everything = [
        torch.cat([cos_sim(query, positive)[i], cos_sim(query, query)[i][torch.arange(5) != i]]) for i in range(5)
    ]
    expected = torch.stack([(row / 0.05).logsumexp(dim=0) - row[i] / 0.05 for i, row in enumerate(everything)]).mean()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


# --- distillation -------------------------------------------------------------------------------


def test_margin_mse_by_hand():
    query, positive = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0]])  # score 3
    negatives = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # scores 1 and 2: margins 2 and 1
    assert torch.isclose(margin_mse(query, positive, negatives, torch.tensor([[9.0, 6.0, 8.0]])), torch.tensor(0.5))
    assert (
        margin_mse(query, positive, negatives, torch.tensor([[13.0, 11.0, 12.0]])) == 0
    )  # another zero, the same margins


def test_distill_kl_by_hand():
    query, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    negatives = torch.tensor([[[0.0, 1.0]]])  # scores 0 and 0: a half each
    labels = torch.tensor([[math.log(3), 0.0]])  # three quarters and a quarter
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert torch.isclose(distill_kl(query, positive, negatives, labels), torch.tensor(expected))


@given(st.integers(0, 1000), st.floats(0.5, 20), st.floats(-50, 50))
def test_a_student_that_agrees_has_nothing_to_learn(seed, temperature, shift):
    (query, positive), negatives = pair(seed), numbers(5, 3, 6, seed=seed)
    agreed = torch.einsum("bd,bmd->bm", query, torch.cat([positive[:, None], negatives], dim=1)) + shift
    assert margin_mse(query, positive, negatives, agreed) < 1e-20
    assert distill_kl(query, positive, negatives, agreed, temperature).abs() < 1e-9
    other = agreed + numbers(5, 4, seed=seed)
    assert margin_mse(query, positive, negatives, other) > 0
    assert distill_kl(query, positive, negatives, other, temperature) > 0


def test_no_gradient_reaches_the_teacher_and_integer_scores_will_do():
    (query, positive), negatives = pair(9), numbers(5, 1, 6)
    labels = torch.randn(5, 2, requires_grad=True)
    for loss in (margin_mse, distill_kl):
        loss(query.requires_grad_(), positive, negatives, labels).backward()
        assert loss(query, positive, negatives, torch.tensor([[2, 1]] * 5)).isfinite()
    assert labels.grad is None


def test_similarity_kl_by_hand():
    student = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]])  # the second and the third point the same way
    teacher = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]])  # all are at right angles: a half each
    near, far = math.e / (1 + math.e), 1 / (1 + math.e)
    expected = 2 / 3 * (0.5 * math.log(0.5 / near) + 0.5 * math.log(0.5 / far))
    assert torch.isclose(similarity_kl(student, teacher, temperature=1.0), torch.tensor(expected))


@given(st.integers(0, 1000), st.floats(0.05, 2), st.integers(3, 7))
def test_similarity_kl_is_distillation_in_which_each_text_asks_for_the_others(seed, temperature, B):
    student, teacher = numbers(B, 4, seed=seed), numbers(B, 6, seed=seed + 1)
    others = [[j for j in range(B) if j != i] for i in range(B)]
    s = normalize(student)
    labels = torch.stack([cos_sim(teacher, teacher)[i, row] for i, row in enumerate(others)])
    passages = torch.stack([s[row] for row in others])  # (B, B - 1, D)
    expected = distill_kl(s, passages[:, 0], passages[:, 1:], labels, temperature) / temperature**2
    assert float(similarity_kl(student, teacher, temperature)) == pytest.approx(float(expected), abs=1e-6)


def test_similarity_kl_asks_for_angles_alone():
    student = numbers(6, 4)
    turned = torch.linalg.qr(numbers(9, 9, seed=1)).Q[:4]  # (4, 9), orthonormal rows
    assert similarity_kl(student, student @ turned * torch.arange(1, 7)[:, None]).abs() < 1e-9
    teacher = numbers(6, 9, seed=2).requires_grad_()
    similarity_kl(student.requires_grad_(), teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("shapes", [((4, 4), (3, 4)), ((2, 4), (2, 4)), ((3,), (3, 4)), ((3, 4), (3, 2, 4))])
def test_similarity_kl_refuses_vectors_of_other_texts(shapes):
    with pytest.raises(ValueError, match="expected vectors of the same 3 or more texts"):
        similarity_kl(*(torch.ones(shape) for shape in shapes))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_similarity_kl_refuses_a_temperature_that_is_none(temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        similarity_kl(numbers(3, 4), numbers(3, 4), temperature)


NONE = -math.inf


def test_a_passage_that_the_teacher_excludes_has_no_probability():
    query, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    negatives = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]], requires_grad=True)  # scores 0, 0 and 0: a third each
    loss = distill_kl(query, positive, negatives, torch.tensor([[math.log(3), 0.0, NONE]]))
    expected = 0.75 * math.log(0.75 * 3) + 0.25 * math.log(0.25 * 3)
    assert torch.isclose(loss, torch.tensor(expected))
    loss.backward()
    assert torch.allclose(
        negatives.grad[0, :, 0], torch.tensor([1 / 3 - 1 / 4, 1 / 3])
    )  # the student's minus the teacher's


@given(st.integers(0, 1000), st.floats(0.5, 20), st.integers(0, 3))
def test_minus_infinity_is_what_ever_lower_scores_come_to(seed, temperature, place):
    (query, positive), negatives, labels = pair(seed), numbers(5, 3, 6), numbers(5, 4, seed=seed)
    outcomes = []
    for lowest in (NONE, -1e6):
        labels[:, place] = lowest
        leaf = query.clone().requires_grad_()
        loss = distill_kl(leaf, positive, negatives, labels, temperature)
        outcomes.append((loss, torch.autograd.grad(loss, leaf)[0]))
        scores = numbers(5, 4).requires_grad_()
        loss = listwise_loss(scores, labels)
        outcomes[-1] += (
            loss,
            torch.autograd.grad(loss, scores)[0],
            pairwise_loss(scores, labels),
            lambda_loss(scores, labels),
        )
    torch.testing.assert_close(*outcomes, atol=1e-9, rtol=0)


def with_label(value, row=1):
    """(2, 3) labels, one of which, or all of one row, has this value."""
    labels = torch.tensor([[0.5, 0.25, 0.0], [0.0, 1.0, 0.5]])
    labels[row, ... if value == NONE else 2] = value
    return labels


@pytest.mark.parametrize("value", [math.nan, math.inf, NONE])
@pytest.mark.parametrize(
    ("loss", "refuses"),
    [
        (lambda labels: margin_mse(P, P, N3, labels), (math.nan, math.inf, NONE)),
        (lambda labels: distill_kl(P, P, N3, labels), (math.nan, math.inf, NONE)),
        (lambda labels: listwise_loss(L, labels), (math.nan, math.inf, NONE)),
        (lambda labels: lambda_loss(L, labels), (math.nan, math.inf)),
        (lambda labels: pairwise_loss(L, labels), (math.nan,)),
        (lambda labels: pointwise_loss(L[0], labels[1]), (math.nan, math.inf, NONE)),
        (lambda labels: cosent(ones(3, 3), ones(3, 3), labels[1]), (math.nan,)),
        (lambda labels: cosine_similarity_loss(ones(3, 3), ones(3, 3), labels[1]), (math.nan, math.inf, NONE)),
        (lambda labels: contrastive_loss(ones(3, 3), ones(3, 3), labels[1]), (math.nan, math.inf, NONE)),
    ],
    ids=["margin_mse", "distill_kl", "listwise", "lambda", "pairwise", "pointwise", "cosent", "cosine", "contrastive"],
)
def test_labels_that_a_loss_cannot_follow_are_refused_and_others_give_a_number(loss, refuses, value):
    if value in refuses or (math.isnan(value) and math.nan in refuses):
        with pytest.raises(
            ValueError, match=r"labels must lie in \[.*labels\[.*\] is (nan|inf|-inf); |query 1 has none"
        ):
            loss(with_label(value))
    else:
        assert loss(with_label(value)).isfinite()


def test_labels_of_places_that_hold_no_passage_may_be_anything():
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    for loss in (pairwise_loss, listwise_loss, lambda_loss):
        expected = loss(L * torch.arange(3.0), with_label(0.0, row=0), mask)
        for value in (math.nan, math.inf):
            assert loss(L * torch.arange(3.0), with_label(value, row=0), mask) == expected


# --- graded pairs -------------------------------------------------------------------------------


def test_cosent_by_hand():
    a, b = torch.eye(2), torch.tensor([[0.0, 1.0], [0.0, 1.0]])  # cosines 0 and 1
    assert torch.isclose(cosent(a, b, torch.tensor([1.0, 0.0]), 1.0), torch.tensor(math.log(1 + math.e)))
    assert torch.isclose(cosent(a, b, torch.tensor([0.0, 1.0]), 1.0), torch.tensor(math.log(1 + 1 / math.e)))
    assert cosent(a, b, torch.tensor([3.0, 3.0])) == 0


def test_contrastive_and_cosine_similarity_by_hand():
    a = torch.eye(2).repeat(2, 1)
    b = torch.tensor([[0.0, 3.0], [0.0, 2.0], [0.6, 0.8], [0.0, 1.0]])  # cosines 0, 1, 0.6, 1
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    expected = (1 + 0 + (0.5 - 0.4) ** 2 + 0.5**2) / 2 / 4
    assert torch.isclose(contrastive_loss(a, b, labels), torch.tensor(expected))
    assert torch.isclose(contrastive_loss(a, b, labels, margin=0.3), torch.tensor((1 + 0.3**2) / 2 / 4))
    assert torch.isclose(cosine_similarity_loss(a, b, labels), torch.tensor((1 + 0 + 0.6**2 + 1) / 4))


@given(st.integers(0, 1000))
def test_only_the_order_of_the_labels_counts(seed):
    a, b = pair(seed)
    labels = numbers(5, seed=seed)
    expected = cosent(a, b, labels)
    torch.testing.assert_close(cosent(a * 3, b, labels.exp() * 5), expected)
    torch.testing.assert_close(cosent(b.flip(0), a.flip(0), labels.flip(0)), expected)


def test_equal_labels_still_carry_a_gradient_of_zero():
    a, b = pair(1)
    cosent(a.requires_grad_(), b, torch.ones(5)).backward()
    assert (a.grad == 0).all()


# --- Matryoshka ---------------------------------------------------------------------------------


def test_matryoshka_is_the_sum_over_truncated_vectors():
    (query, positive), negatives = pair(2), numbers(5, 2, 6)
    loss = matryoshka_loss(info_nce, [6, 3, 1], [1.0, 0.5, 2.0])
    expected = sum(
        weight * info_nce(query[:, :d], positive[:, :d], negatives[..., :d], temperature=0.3)
        for d, weight in ((6, 1.0), (3, 0.5), (1, 2.0))
    )
    torch.testing.assert_close(loss(query, positive, negatives, temperature=0.3), expected, atol=1e-12, rtol=0)


def test_truncated_vectors_are_normalized_and_what_is_named_is_not_cut():
    (query, positive), negatives, labels = pair(2), numbers(5, 5, 6), numbers(5, 6)  # labels as wide as a vector
    cut = [normalize(x[..., :4]) for x in (query, positive, negatives)]
    found = matryoshka_loss(margin_mse, [4])(query, positive, negatives, labels=labels)
    torch.testing.assert_close(found, margin_mse(*cut, labels), atol=1e-12, rtol=0)


def test_a_dimension_beyond_the_smallest_size_learns_from_the_larger_only():
    query, positive = pair(3)
    query.requires_grad_()
    matryoshka_loss(info_nce, [2])(query, positive).backward()
    assert (query.grad[:, 2:] == 0).all()
    assert (query.grad[:, :2] != 0).all()


# --- cross-encoder ------------------------------------------------------------------------------


def test_pointwise_by_hand():
    found = pointwise_loss(torch.tensor([0.0, math.log(3)]), torch.tensor([1, 0]))  # σ: a half, three quarters
    assert torch.isclose(found, torch.tensor((math.log(2) + math.log(4)) / 2))


def test_pairwise_by_hand():
    logits, labels = torch.tensor([[1.0, 0.0, 5.0]]), torch.tensor([[2.0, 1.0, 2.0]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-5))) / 2
    assert torch.isclose(pairwise_loss(logits, labels), torch.tensor(expected))
    assert pairwise_loss(logits, torch.ones(1, 3)) == 0


def test_listwise_with_large_labels_is_the_softmax_cross_entropy():
    logits = numbers(4, 10)
    right = torch.tensor([3, 0, 9, 5])
    labels = torch.nn.functional.one_hot(right, 10)
    torch.testing.assert_close(
        listwise_loss(logits, labels * 100), torch.nn.functional.cross_entropy(logits, right), atol=1e-12, rtol=0
    )
    share = labels.double().softmax(dim=1).amax(dim=1)  # what the docstring says: 23 per cent of ten
    assert torch.allclose(share, torch.tensor(math.e / (math.e + 9), dtype=torch.float64))
    assert round(share[0].item(), 2) == 0.23


def test_lambda_by_hand():
    """Two passages, the better one ranked second: a swap gains (3 - 1) / ideal · (1 - 1 / log2 3)."""
    logits, labels = torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.tensor([[2.0, 1.0]])
    ideal = 3 + 1 / math.log2(3)
    expected = 2 / ideal * (1 - 1 / math.log2(3)) * math.log(1 + math.e)
    assert lambda_loss(logits, labels).item() == pytest.approx(expected, abs=1e-12)
    assert lambda_loss(logits, torch.zeros(1, 2)) == 0


@pytest.mark.parametrize("loss", [pairwise_loss, listwise_loss, lambda_loss])
@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_what_only_fills_the_row_changes_nothing(loss, seed):
    logits, labels = numbers(3, 4, seed=seed), numbers(3, 4, seed=seed + 1).round()
    for filling in (0.0, -1e9, float("inf"), float("nan")):
        wide = torch.full((3, 6), filling, dtype=torch.float64)
        mask = torch.zeros(3, 6)
        columns = torch.randperm(6, generator=torch.Generator().manual_seed(seed))[:4]
        wide[:, columns], mask[:, columns] = logits, 1
        wide_labels = torch.full((3, 6), 99.0, dtype=torch.float64)
        wide_labels[:, columns] = labels
        wide.requires_grad_()
        found = loss(wide, wide_labels, mask)
        torch.testing.assert_close(found, loss(logits, labels), atol=1e-12, rtol=0)
        found.backward()
        assert (wide.grad[mask == 0] == 0).all()
        assert wide.grad.isfinite().all()


@pytest.mark.parametrize("loss", [pairwise_loss, listwise_loss, lambda_loss])
@given(seed=st.integers(0, 1000))
def test_neither_the_order_of_passages_nor_a_shift_of_the_scores_matters(loss, seed):
    logits, labels = numbers(3, 5, seed=seed), numbers(3, 5, seed=seed + 1).round()
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss(logits[:, order] + 7, labels[:, order]), loss(logits, labels))


@pytest.mark.parametrize("loss", [pointwise_loss, pairwise_loss, listwise_loss, lambda_loss])
def test_extreme_logits_keep_a_finite_gradient(loss):
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    labels = torch.tensor([[0.0, 1.0, 1.0]])
    logits, labels = (logits[0], labels[0]) if loss is pointwise_loss else (logits, labels)
    logits.requires_grad_()
    found = loss(logits, labels)
    found.backward()
    assert found.isfinite()
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).any()  # as wrong as can be, and still told where to go


# --- all of them --------------------------------------------------------------------------------

B, M, D = 3, 2, 3
EMBEDDING_LOSSES = {
    "info_nce": (lambda *x: info_nce(*x, temperature=0.5, directions=ALL_FOUR), 3),
    "info_nce by id": (
        lambda *x: info_nce(
            *x, temperature=0.5, directions=ALL_FOUR, ids=torch.tensor([1, 2, 1]), negative_ids=torch.eye(3)[:, :2]
        ),
        3,
    ),
    "gist": (
        lambda q, p, n: gist_loss(q, p, numbers(B, 4), numbers(B, 4, seed=1), n, numbers(B, M, 4, seed=2), 0.5),
        3,
    ),
    "margin_mse": (lambda *x: margin_mse(*x, labels=numbers(B, 1 + M)), 3),
    "distill_kl": (lambda *x: distill_kl(*x, labels=numbers(B, 1 + M), temperature=2.0), 3),
    "similarity_kl": (lambda x: similarity_kl(x, numbers(B, 5, seed=4), temperature=0.5), 1),
    "matryoshka": (matryoshka_loss(lambda *x: info_nce(*x, temperature=0.5), [1, 3], [0.3, 1.0]), 3),
    "contrastive": (lambda *x: contrastive_loss(*x, labels=torch.tensor([1.0, 0.0, 0.3])), 2),
    "cosine_similarity": (lambda *x: cosine_similarity_loss(*x, labels=torch.tensor([1.0, -0.5, 0.3])), 2),
    "batch_hard": (lambda x, _: batch_hard_triplet_loss(x, torch.tensor([1, 0, 1])), 2),
    "nt_xent": (lambda *x: nt_xent(*x, temperature=0.5), 2),
    "cosent": (lambda *x: cosent(*x, labels=torch.tensor([1.0, 3.0, 1.0]), temperature=0.5), 2),
}


@pytest.mark.parametrize("name", EMBEDDING_LOSSES)
def test_gradcheck_of_losses_on_embeddings(name):
    loss, sides = EMBEDDING_LOSSES[name]
    inputs = [numbers(B, D, seed=1), numbers(B, D, seed=2), numbers(B, M, D, seed=3)][:sides]
    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs])


@pytest.mark.parametrize("loss", [pointwise_loss, pairwise_loss, listwise_loss, lambda_loss])
def test_gradcheck_of_losses_on_logits(loss):
    shape = (4,) if loss is pointwise_loss else (2, 4)
    labels = numbers(*shape, seed=1).sigmoid()
    assert torch.autograd.gradcheck(lambda logits: loss(logits, labels), numbers(*shape).requires_grad_())


def every_loss(q, p, n):
    """Each loss on q (3, 4), p (3, 4), n (3, 2, 4)."""
    return [
        triplet_loss(q, p, n[:, 0]),
        batch_hard_triplet_loss(q, torch.tensor([1, 0, 1])),
        contrastive_loss(q, p, torch.tensor([1, 0, 1])),
        cosine_similarity_loss(q, p, torch.tensor([1, 0, 1])),
        nt_xent(q, p),
        info_nce(q, p, n),
        info_nce(q, p, n, ids=torch.arange(3), hardness_mode="all_negatives", hardness_strength=1.0),
        gist_loss(q, p, q.float(), p.float(), n, n.float()),
        margin_mse(q, p, n, torch.ones(3, 3)),
        distill_kl(q, p, n, torch.ones(3, 3)),
        cosent(q, p, torch.arange(3)),
        matryoshka_loss(info_nce, [2, 4])(q, p, n),
        pointwise_loss(q[0], torch.ones(4)),
        pairwise_loss(q, p),
        listwise_loss(q, torch.ones(3, 4)),
        lambda_loss(q, p),
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_loss_of_halves_is_that_of_the_same_numbers_in_float32_and_float64_stays(dtype):
    inputs = [x.to(dtype) for x in (numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 2, 4))]
    full = [x.double() if dtype == torch.float64 else x.float() for x in inputs]
    torch.testing.assert_close(every_loss(*inputs), every_loss(*full))  # the dtype too
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(every_loss(*full), every_loss(*full))
    for position in range(len(every_loss(*inputs))):
        gradients = []
        for leaves in (inputs, full):
            leaves = [x.clone().requires_grad_() for x in leaves]
            found = torch.autograd.grad(every_loss(*leaves)[position], leaves, allow_unused=True)
            gradients.append([torch.zeros(()) if x is None else x.to(dtype) for x in found])
        torch.testing.assert_close(*gradients, atol=1e-2 if dtype == torch.bfloat16 else 1e-3, rtol=1e-2)


def test_scores_that_a_half_cannot_hold():
    """256 and 257 are one number in bfloat16, and 300² is infinite in float16."""
    for dtype, size in ((torch.bfloat16, 256.0), (torch.float16, 2048.0)):
        query, docs = torch.ones(1, 2, dtype=dtype), torch.tensor([[[size, 1.0], [size, 0.0]]], dtype=dtype)
        labels = torch.tensor([[1.0, 0.0]])
        assert margin_mse(query, docs[:, 0], docs[:, 1:], labels) == 0
        assert distill_kl(query, docs[:, 0], docs[:, 1:], labels).abs() < 1e-6
    x = torch.full((1, 2), 300.0, dtype=torch.float16)
    assert margin_mse(x, x, x[None] / 2, torch.tensor([[90_000.0, 0.0]])) == 0


def test_a_nan_is_not_hidden():
    query, positive = pair(0)
    query[2, 1] = float("nan")
    negatives = numbers(5, 2, 6)
    for loss in (info_nce, nt_xent):
        assert loss(query, positive).isnan()
    assert gist_loss(query, positive, positive, positive).isnan()
    assert margin_mse(query, positive, negatives, torch.zeros(5, 3)).isnan()
    assert distill_kl(query, positive, negatives, torch.zeros(5, 3)).isnan()
    assert cosent(query, positive, torch.arange(5)).isnan()
    assert pairwise_loss(query, torch.arange(30).reshape(5, 6)).isnan()
    assert listwise_loss(query, positive).isnan()
    with pytest.raises(ValueError, match="guide's embeddings must not hold NaN"):
        gist_loss(positive, positive, query, positive)


def ones(*shape):
    return torch.ones(*shape)


P, N3, L = ones(2, 3), ones(2, 2, 3), ones(2, 3)  # a side of a pair, negatives, labels
IDS = torch.arange(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: info_nce(P, ones(3, 3)), r"same shape \(B, D\), got \(2, 3\) and \(3, 3\)"),
        (lambda: info_nce(ones(0, 3), ones(0, 3)), r"at least one pair, got \(0, 3\)"),
        (lambda: info_nce(P, P, temperature=0), r"temperature must be positive.*1 / scale"),
        (lambda: info_nce(P, P, temperature=float("nan")), "temperature must be positive"),
        (lambda: info_nce(P, P, P), r"negatives must be \(B, M, D\) = \(2, M, 3\)"),
        (lambda: info_nce(P, P, directions=("doc_to_doc",)), "must hold query_to_doc"),
        (lambda: info_nce(P, P, partition_mode="each"), "partition_mode must be"),
        (
            lambda: info_nce(P, P, directions=("query_to_doc", "doc_to_doc"), partition_mode="per_direction"),
            "per_direction needs",
        ),
        (lambda: info_nce(P, P, ids=ones(3)), r"ids must be \(B,\) = \(2,\).*got \(3,\)"),
        (lambda: info_nce(P, P, N3, negative_ids=ones(2, 2)), "come with ids and negatives"),
        (lambda: info_nce(P, P, ids=IDS, negative_ids=ones(2, 2)), "come with ids and negatives"),
        (lambda: info_nce(P, P, N3, ids=IDS, negative_ids=ones(2, 3)), r"negative_ids must be \(B, M\).*got \(2, 3\)"),
        (lambda: info_nce(P, P, hardness_mode="hard"), "hardness_mode must be None or one of"),
        (lambda: info_nce(P, P, hardness_strength=5), "needs a hardness_mode, got 5 and None"),
        (lambda: info_nce(P, P, hardness_mode="all_negatives", hardness_strength=-1), "must be 0 or more"),
        (lambda: triplet_loss(P, P, P, margin=0), "margin must be positive"),
        (lambda: gist_loss(P, P, ones(3, 3), ones(3, 3)), "the guide must embed the same 2 queries, got 3"),
        (lambda: gist_loss(P, P, P, P, N3), "negatives and guide_negatives go together"),
        (lambda: gist_loss(P, P, P, P, N3, ones(2, 1, 3)), "the guide must embed the same 2 negatives, got 1"),
        (lambda: gist_loss(P, P, P, P, margin_strategy="percent"), 'must be "absolute" or "relative"'),
        (lambda: gist_loss(P, P, P, P, margin=-0.1), "margin must be 0 or more"),
        (lambda: margin_mse(P, P, N3, ones(2, 2)), r"labels must be \(B, 1 \+ M\) = \(2, 3\), got \(2, 2\)"),
        (lambda: margin_mse(P, P, ones(2, 0, 3), ones(2, 1)), "at least one negative per query"),
        (lambda: margin_mse(P, P, P, L), r"negatives must be \(B, M, D\)"),
        (lambda: distill_kl(P, P, N3, L, temperature=math.inf), "positive and finite, got inf"),
        (lambda: cosent(P, P, L), r"labels must be \(B,\) = \(2,\)"),
        (lambda: contrastive_loss(P, P, L), r"labels must be \(B,\) = \(2,\)"),
        (lambda: contrastive_loss(P, P, torch.tensor([1, 2])), r"lie in \[0, 1\], labels\[1\] is 2; 1 is a pair"),
        (lambda: contrastive_loss(P, P, IDS, margin=0), "margin must be positive, got 0"),
        (lambda: cosine_similarity_loss(P, P, torch.tensor([5.0, 1.0])), r"\[-1, 1\], labels\[0\] is 5; .*by cosent"),
        (lambda: batch_hard_triplet_loss(P, L), r"labels must be \(B,\) = \(2,\), a class for each"),
        (lambda: batch_hard_triplet_loss(P, IDS, margin=-1), "margin must be positive, got -1"),
        (lambda: cosent(P, P, IDS, temperature=-1), "temperature must be positive"),
        (lambda: matryoshka_loss(info_nce, []), "at least one size"),
        (lambda: matryoshka_loss(info_nce, [2, 0]), "all 1 or more"),
        (lambda: matryoshka_loss(info_nce, [2, 3], [1.0]), "one weight for each"),
        (lambda: matryoshka_loss(info_nce, [2, 4])(P, P), "at most D = 3"),
        (lambda: matryoshka_loss(info_nce, [2])(query=P, positive=P), "give the embeddings by position"),
        (lambda: pointwise_loss(L, L), r"both be \(B,\), got \(2, 3\)"),
        (lambda: pointwise_loss(ones(2), ones(3)), r"got \(2,\) and \(3,\)"),
        (
            lambda: pointwise_loss(ones(2), torch.tensor([0.0, 3.0])),
            r"lie in \[0, 1\], labels\[1\] is 3; divide grades",
        ),
        (lambda: pairwise_loss(ones(3), ones(3)), r"both be \(Q, N\), got \(3,\)"),
        (lambda: listwise_loss(L, ones(2, 2)), r"got \(2, 3\) and \(2, 2\)"),
        (lambda: lambda_loss(ones(0, 3), ones(0, 3)), "at least one score"),
        (lambda: listwise_loss(L, L, ones(2, 2)), r"mask must be \(Q, N\) = \(2, 3\)"),
        (lambda: pairwise_loss(L, L, torch.tensor([[1, 1, 0], [0, 0, 0]])), "query 1 has none"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
