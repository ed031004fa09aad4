"""The plain forms of chapter 21 give what the package and the libraries give."""

import asyncio
import random

import numpy as np
import pytest
import torch

from workbook.exercises import chapter_21 as chapter
from workbook.serving.batching import Batcher
from workbook.serving.drift import agreement
from workbook.serving.protocol import Refused, read_embeddings, write_embeddings
from workbook.serving.queue import nearest_rank, one_by_one, random_arrivals, together

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("percent", [1, 50, 75, 95, 99, 100])
def test_nearest_rank_is_numpys_inverted_distribution(seed, percent):
    latencies = one_by_one(random_arrivals(0.08, 40, seed), 10.0)
    assert nearest_rank(latencies, percent) == np.percentile(latencies, percent, method="inverted_cdf")


def test_the_exercises_are_the_packages_own():
    arrivals = random_arrivals(0.08, 40, 0)
    assert chapter.queue_latencies(arrivals, 10.0, [50])[0] == one_by_one(arrivals, 10.0)
    assert chapter.batched_latencies(arrivals, 3.0, 4, 8.0, 1.0) == together(arrivals, 3.0, 4, 8.0, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("window", "largest"), [(0.0, 8), (5.0, 4), (3.0, 2)])
def test_one_clock_and_another_give_the_same_batches(seed, window, largest):
    arrivals = random_arrivals(0.3, 60, seed)
    args = arrivals, window, largest, 8.0, 2.0
    np.testing.assert_allclose(chapter._as_events(*args), together(*args))


def test_the_real_batcher_makes_the_computed_batches():
    """All that wait, together: 9 items that are there at once, at most 4 in a batch."""
    sizes = []

    async def ask_all():
        async with Batcher(lambda items: (sizes.append(len(items)), items)[1], window=0.0, largest=4) as batcher:
            await asyncio.gather(*(batcher.ask(i) for i in range(9)))

    asyncio.run(ask_all())
    computed = together([0.0] * 9, 0.0, 4, 8.0, 1.0)
    assert sizes == [computed.count(latency) for latency in dict.fromkeys(computed)] == [4, 4, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_scale_for_all_is_onnxruntimes_dynamic_quantization(seed):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed)) + seed
    W = torch.randint(-127, 128, (6, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.int8)
    nodes = [
        onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["codes", "scale", "zero"]),
        onnx.helper.make_node("MatMulInteger", ["codes", "W", "zero"], ["sums"]),
    ]
    tensor, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    graph = onnx.helper.make_graph(
        nodes, "one layer",
        [tensor("x", types.FLOAT, [4, 6]), tensor("W", types.INT8, [6, 3])],
        [tensor("codes", types.UINT8, [4, 6]), tensor("scale", types.FLOAT, []), tensor("sums", types.INT32, [4, 3])],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    codes, scale, sums = session.run(None, {"x": x.numpy(), "W": W.numpy()})
    scales = torch.tensor([1.0, 0.5, 0.01])
    ours, product = chapter.int8_product(x, W, scales, False)
    assert np.array_equal(ours.numpy(), codes)
    np.testing.assert_allclose(product.numpy(), sums * scale * scales.numpy(), rtol=1e-5)


def test_a_scale_for_each_row_is_the_same_as_each_row_alone():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [50], [0.1], [3], [0]])
    W = torch.randint(-127, 128, (4, 3), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
    together_, _ = chapter.int8_product(x, W, torch.ones(3), True)
    alone = [chapter.int8_product(row[None], W, torch.ones(3), False)[0] for row in x]
    assert torch.equal(together_, torch.cat(alone))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25])
def test_no_more_quiet_days_than_the_rate_allows_lie_below_the_threshold(rate):
    generator = torch.Generator().manual_seed(0)
    stored = torch.randn(6, 8, generator=generator)
    quiet = stored + 0.2 * torch.randn(20, 6, 8, generator=generator)
    _, threshold, _ = chapter.drift_alarm(stored, quiet, quiet[0], rate)
    assert sum(agreement(stored, day) < threshold for day in quiet) <= rate * 20


def test_no_input_of_three_numbers_loses_a_neighbour():
    """With one passage there is no choice; a text, a mate and two passages have four numbers at least."""
    exercise, rng = chapter.SMALLEST, random.Random(0)
    for _ in range(100):
        args = [rng.uniform(-3, 3)], [[rng.uniform(-3000, 3000)]], [[rng.uniform(-3, 3)]]
        assert exercise.measure(*args) < exercise.smallest
        assert exercise.right(*args) == exercise.wrong(*args)


@pytest.mark.parametrize("seed", range(20))
def test_what_comes_back_is_what_the_codes_of_the_int8_exercise_stand_for(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3, 2)).round(2)
    x, one = torch.tensor(rows, dtype=torch.float32), torch.eye(2, dtype=torch.int8)
    _, back = chapter.int8_product(x, one, torch.ones(2), False)
    np.testing.assert_allclose(chapter._back(rows), back.numpy(), atol=1e-6)


REQUESTS = [
    {"input": "a"},
    {"input": ["a", "c", "a"], "dimensions": 2},
    {"input": ["d e", "b"], "dimensions": 1, "encoding_format": "base64"},
    {"input": []},
    {"input": ["a", ""]},
    {"input": [1, 2]},
    {"input": "a", "dimensions": 4},
    {"input": "a", "encoding_format": "int8"},
    {"model": "other", "input": []},
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_handler_answers_as_the_server_does(request_):
    request_ = {"model": "m", **request_}
    encode = chapter.Encode()
    ours = chapter.answer_embeddings(request_, "m", 3, encode, {})
    if "error" in ours:
        with pytest.raises(Refused) as refused:
            read_embeddings(request_, "m", 3)
        assert chapter._readable(ours) == chapter._readable(refused.value.body())
        return
    asked = read_embeddings(request_, "m", 3)
    vectors = [np.array(vector, dtype=np.float32) for vector in chapter.Encode()(asked.texts)]
    theirs = write_embeddings(asked, vectors, "m", sum(len(text.split()) for text in asked.texts))
    ours, theirs = chapter._readable(ours), chapter._readable(theirs)
    for mine, other in zip(ours.pop("data"), theirs.pop("data"), strict=True):
        numbers = [x["embedding"]["base64 of"] if isinstance(x["embedding"], dict) else x["embedding"] for x in (mine, other)]  # fmt: skip
        np.testing.assert_allclose(*numbers, atol=1e-6)
        assert mine["index"] == other["index"]
    assert ours == theirs
