"""What is said about an answer that no known mistake explains: each mechanism, on functions small enough to see through."""

import ast
import linecache
import math
from dataclasses import replace

import pytest
import torch

from tests.helpers import sample
from workbook.exercises import EXERCISES, draws
from workbook.exercises.edits import edits
from workbook.exercises.engine import examine
from workbook.exercises.seen import letters_of
from workbook.similarity import cos_sim

POOL = replace(
    sample.EXERCISE, mistakes=(), properties=(), draw=lambda rng: draws.texts(rng, empty=False), situations=draws.TEXTS[1:]
)  # fmt: skip


def written(code, **names):
    """A function from its text, with the source at hand as in a notebook."""
    file = f"<written {hash(code)}>"
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    found = {"torch": torch, **names}
    exec(compile(code, file, "exec"), found)
    return found[ast.parse(code).body[-1].name]


def said(exercise, code):
    return "\n".join(examine(exercise, written(code)).said)


def said_of(id, code):
    return "\n".join(examine(EXERCISES[id], written(code, cos_sim=cos_sim)).said)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("2 * right", "2 times what is expected"),
        ("right * hidden.shape[1]", "T times what is expected"),
        ("right / len(hidden)", "divided by B"),
        ("right + 3", "what is expected plus 3"),
        ("-right", "the sign is turned"),
        ("right.abs()", "the absolute value"),
        ("right.mean(dim=0, keepdim=True).expand_as(right)", "batch-mates"),
        ("right.flip(1)", "each row is reversed"),
        ("right * mask.sum(1, keepdim=True)", "the number of its tokens; it is not divided by it"),
        ("right * mask.sum(1, keepdim=True) / mask.sum(1).max()", "all texts are divided by the longest one's count"),
        ("torch.where((mask[:, 0] == 0)[:, None], right + 1, right)", "only where a text is padded on the left"),
        ("(hidden[:, :1] * 0).sum(1) + right.detach()[:1]", "batch-mates"),
    ],
)
def test_relations(result, words):
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    right = (hidden * weight).sum(dim=1) / weight.sum(dim=1)\n"
        f"    return {result}\n"
    )
    assert words in said(POOL, code)


def test_the_first_k_of_a_ranking_are_counted_only_where_there_is_one_ranking_and_one_number():
    rankings = [["A", "B"]], {"A": 1}, ["B", "A"], 1, 2
    assert not any("first k" in name for name in letters_of(EXERCISES["19.5"], rankings))
    one = ["B", "A"], {"A": 1}, 1
    assert any("first k" in name for name in letters_of(EXERCISES["03.1"], one))


def test_an_argument_that_never_counts():
    assert "`mask` never changes your result" in said(POOL, "def pool(hidden, mask):\n    return hidden.mean(dim=1)\n")


@pytest.mark.parametrize(
    ("id", "code", "words"),
    [
        (
            "02.1",
            "def mean_pool(hidden, mask):\n"
            "    kept = mask[0].bool()\n"
            "    return hidden[:, kept].sum(dim=1) / max(int(kept.sum()), 1)\n",
            "every row of `mask` were its first row",
        ),
        (
            "00.2",
            "def cosine(a, b):\n"
            "    a, b = a - a.mean(), b - b.mean()\n"
            "    return (a @ b) / (a.norm() * b.norm()).clamp(min=1e-12)\n",
            "as if the mean of each vector of `a` and `b` were subtracted first: centered",
        ),
        (
            "03.3",
            "def ndcg_at_k(ranked, judged, k):\n"
            "    gains = [min(judged.get(p, 0), 1) for p in ranked[:k]]\n"
            "    best = sorted((min(g, 1) for g in judged.values()), reverse=True)[:k]\n"
            "    dcg, ideal = (sum(g / math.log2(r + 2) for r, g in enumerate(found)) for found in (gains, best))\n"
            "    return dcg / ideal if ideal else 0.0\n",
            "every grade above 0 in `judged` counted 1: binary",
        ),
        ("02.6", "def cos_sim(a, b):\n    return torch.cosine_similarity(a[:, None], b[None], dim=-1).softmax(-1)\n", "gone through a softmax in each row"),
        ("02.5", "def normalize(x):\n    return torch.nn.functional.normalize(x)\n", "calls it raises IndexError: Dimension out of range"),
        (
            "01.6",
            "def multiply_adds(tokens, hidden_size, num_layers):\n"
            "    T, D, L = tokens, hidden_size, num_layers ** 3\n"
            "    return {'projections': 4 * T * D * D * L, 'attention': 2 * T * T * D * L, 'feed_forward': 8 * T * D * D * L}\n",
            "the square of num_layers times what is expected",
        ),
    ],
)  # fmt: skip
def test_right_results_for_other_arguments_and_right_results_that_were_changed(id, code, words):
    exercise = replace(EXERCISES[id], mistakes=())
    assert words in "\n".join(examine(exercise, written(code, math=math)).said)


def test_nothing_is_said_of_other_arguments_where_the_results_tell_nothing():
    """NaN is what 0 divided by 0 gives for many arguments, and a constant for all."""
    for result in ("hidden.sum(dim=1) * float('nan')", "hidden.sum(dim=1) * 0"):
        assert "as if every row" not in said(POOL, f"def pool(hidden, mask):\n    return {result}\n")


def test_the_line_in_which_one_change_makes_it_right():
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    count = weight.sum(dim=0)\n"
        "    return (hidden * weight).sum(dim=1) / count\n"
    )
    assert "in line 3" in said(replace(POOL, draw=lambda rng: (draws.numbers(rng, 3, 3, 2), draws.mask(rng, 3, 3, False))), code)  # fmt: skip


def test_a_named_value_that_is_right_says_where_to_look():
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    return (hidden.sin() * weight).sum(dim=1) / (weight.sum(dim=1) + 0.3)\n"
    )
    assert "`weight` (line 2) has the right value" in said(POOL, code)


def test_a_right_part_is_not_blamed_because_a_larger_one_can_stand_in_its_place():
    """Masking a second time mends it wherever it is put, and the cosines are not to blame."""
    code = (
        "def without_twins(query, positive, ids, temperature):\n"
        "    logits = cos_sim(query, positive) / temperature\n"
        "    twins = ((ids[:, None] == ids).float().triu(1)).bool()\n"
        "    return torch.nn.functional.cross_entropy(\n"
        "        logits.masked_fill(twins, float('-inf')), torch.arange(len(query)))\n"
    )
    told = said_of("05.1", code)
    assert "triu(1)` in line 3 your function is right" in told
    assert "cos_sim(query, positive) / temperature` in line 2" not in told


def test_a_default_value_that_all_calls_share():
    code = "def pool(hidden, mask, seen=[]):\n    seen.append(1)\n    return hidden[:, 0] * len(seen)\n"
    assert "made once and shared by all calls" in said(POOL, code)


def test_the_failing_call_is_small_enough_to_print():
    code = "def pool(hidden, mask):\n    w = mask[:, :, None].float()\n    p = (hidden * w).sum(1) / w.sum(1)\n    return p + (mask[:, 0] == 0)[:, None]\n"
    exercise = replace(POOL, cases=(sample.EXERCISE.cases[0],))
    finding = examine(exercise, written(code))
    assert "random calls differ" in finding.headline
    assert any("hidden = [[[" in line for line in finding.example)


def test_a_name_is_given_only_where_the_random_calls_agree():
    """Two cases cannot tell these apart; the random calls can."""
    exercise = replace(sample.EXERCISE, cases=sample.EXERCISE.cases[:1], draw=POOL.draw)
    almost = written(
        "def pool(hidden, mask):\n    return hidden.mean(dim=1) if hidden.shape[1] < 3 else hidden[:, 0]\n"
    )
    assert examine(exercise, almost).mistake is None
    assert examine(exercise, sample.plain_mean).mistake is sample.EXERCISE.mistakes[0]


def _holds_itself():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "result", [_holds_itself(), torch.empty(1, 1, device="meta"), {"a": _holds_itself()}, object(), lambda: 1, float("nan")]
)  # fmt: skip
def test_nothing_that_is_returned_makes_the_check_raise(result):
    assert examine(POOL, lambda hidden, mask: result).kind != "right"


def test_a_librarys_not_implemented_is_no_stub():
    def answer(hidden, mask):
        return torch.nn.functional.log_softmax(torch.arange(3), dim=0)

    assert examine(POOL, answer).kind == "raised"
    assert examine(POOL, sample.stub).kind == "not started"


@pytest.mark.parametrize("numbers", [(0.0375, 0.9625), [0.0375, 0.9625]])
def test_tuple_list_and_array_count_alike_where_numbers_are_wanted(numbers):
    import numpy as np

    exercise = EXERCISES["03.6"]

    def answer(values, d):
        return type(numbers)(exercise.reference(values, d))

    assert examine(exercise, answer).kind == "right"
    assert examine(exercise, lambda values, d: np.array(exercise.reference(values, d))).kind == "right"


def test_right_answers_get_a_remark_on_what_they_cost():
    code = (
        "def pool(hidden, mask):\n"
        "    rows = []\n"
        "    for text, row in zip(hidden, mask):\n"
        "        rows.append(text[row.bool()].mean(dim=0))\n"
        "    return torch.stack(rows)\n"
    )
    finding = examine(POOL, written(code))
    assert finding.kind == "right"
    assert any("loops in Python" in sentence for sentence in finding.said)


def test_edits_leave_the_function_as_it_was():
    source = "def f(a, k):\n    b = a[:k]\n    return sum(x + 1 for x in b if x > 0) / len(b)\n"
    first = [(edit.before, edit.after) for edit in edits(source)]
    assert len(first) > 20
    assert first == [(edit.before, edit.after) for edit in edits(source)]
    assert ("x > 0", "x >= 0") in first
    assert any(edit.words() == "`[:k]` were left out" for edit in edits(source))


def test_code_that_touches_files_is_not_changed():
    assert list(edits("def f(a):\n    open('x').read()\n    return a + 1\n")) == []


def test_an_answer_that_only_raises_is_like_no_changed_solution():
    assert "as if" not in said(POOL, "def pool(hidden, mask):\n    raise ValueError('no')\n")


def test_a_length_is_not_spoken_of_where_it_changes_nothing():
    """The share is taken of cosines, so length cannot matter; it is wrong because one half is not the highest."""
    code = (
        "def beside_chance(query, positive, temperature):\n"
        "    logits = cos_sim(query, positive) / temperature\n"
        "    own = torch.arange(len(query))\n"
        "    loss = torch.nn.functional.cross_entropy(logits, own).item() - torch.log(torch.tensor(len(query))).item()\n"
        "    return loss, (logits.softmax(dim=1).diagonal() > 0.5).float().mean().item()\n"
    )
    assert examine(EXERCISES["05.3"], written(code, cos_sim=cos_sim)).kind != "right"
    assert "have length 1" not in said_of("05.3", code)


def test_an_example_shows_the_arguments_as_they_were_before_the_call():
    code = (
        "def gradcache_step(encoder, queries, passages, loss, mini_batch_size):\n"
        "    value = loss(encoder(queries), encoder(passages))\n"
        "    value.backward()\n"
        "    with torch.no_grad():\n"
        "        encoder.weight -= encoder.weight.grad\n"
        "    encoder.weight.grad = None\n"
        "    return value.item()\n"
    )
    finding = examine(EXERCISES["05.6"], written(code))
    assert "the encoder with the matrix [[1.0, 0.0], [0.0, 1.0]]" in "\n".join(finding.example)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_list_whose_tensors_are_exchanged_is_changed(keeps):
    """Also where the new tensor holds the same numbers as the copy that it replaces."""
    copies = "list(all_query), list(all_positive)" if keeps else "all_query, all_positive"
    code = (
        "def loss_of_one_process(query, positive, all_query, all_positive, rank, temperature):\n"
        f"    q, d = {copies}\n"
        "    q[rank], d[rank] = query, positive\n"
        "    logits = cos_sim(torch.cat(q), torch.cat(d)) / temperature\n"
        "    return len(q) * torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))\n"
    )
    assert (examine(EXERCISES["05.5"], written(code, cos_sim=cos_sim)).kind == "right") is keeps


@pytest.mark.parametrize(
    ("line", "computes"),
    [
        ("parts = [x for i, x in enumerate(all_query) if i != rank]", False),
        ("parts = [x * 2 for x in all_query]", True),
        ("for x in all_query:\n        parts.append(x)", False),
        ("for x in all_query:\n        parts.append(torch.relu(x))", True),
    ],
)
def test_a_loop_that_only_picks_entries_gets_no_remark(line, computes):
    from workbook.exercises.remarks import remarks

    code = f"def f(query, positive, all_query, all_positive, rank, temperature):\n    parts = []\n    {line}\n    return parts\n"
    assert any("loops in Python" in remark for remark in remarks(EXERCISES["05.5"], written(code))) is computes


def test_right_values_in_another_form_are_not_blamed_on_a_change_that_changes_nothing():
    told = said_of(
        "15.4",
        "def reliability(probabilities, labels, bins):\n"
        "    place = torch.bucketize(probabilities, torch.linspace(0, 1, bins + 1)[1:-1])\n"
        "    rows = [(probabilities[place == b].mean().item(), labels[place == b].mean().item(), (place == b).sum().item())\n"
        "            for b in place.unique()]\n"
        "    said, share, count = map(list, zip(*rows))\n"
        "    return said, share, count, sum(n * abs(s - p) for p, s, n in rows) / len(labels)\n",
    )
    assert "as if" not in told
