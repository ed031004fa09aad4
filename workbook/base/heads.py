"""Two heads for the base, each a file of a megabyte at most: a cross-encoder, and a ColBERT projection.

A head is what training has changed. Low-rank updates (LoRA, chapter 18) beside the matrices of the base's blocks, and
the few tensors that the base does not have. So both read with the base's words and layers, and the base stays as it is.

Taught in 14 and 15.
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from workbook.adapt import add_lora, extract_lora, load_adapter, merge, save_adapter
from workbook.base.make import by_text, quick_attention
from workbook.base.reader import Reader, ReadingList, fit_reader
from workbook.base.texts import PASSAGES, WORLDS, Pair
from workbook.bm25 import BM25
from workbook.cross_encoder import CERTAIN, CrossEncoder
from workbook.data.planted import planted
from workbook.encoder import TextEncoder, TransformerEncoder, evaluating
from workbook.encoder.shipped import FOLDER, load
from workbook.late_interaction import ColbertEncoder, fit_colbert
from workbook.mining import mine_hard_negatives, training_tuples
from workbook.support.files import write_safetensors
from workbook.support.types import Corpus, Qrels, Queries
from workbook.train.vectors import principal_directions

Head = TypeVar("Head", Reader, ColbertEncoder)
LINEAR = ("query", "key", "value", "output", "expand", "contract")  # of each block
COLBERT_SIZE = 64  # D of a token
OWN = {  # in the names of the tensors that a head brings itself, beside the updates
    Reader: ("shares", "door", "match", "weigh.", "rarity", "bias", "norm"),
    ColbertEncoder: ("projection", "norm"),
}
BM25_SHARE, TEMPERATURE = 0.02, 0.05  # of the labels of documentation
TENSORS = "head.safetensors"


@dataclass(frozen=True)
class HeadPlan:
    """How a head is trained.

    Attributes:
        r: rank of the updates.
        steps, batch_size, lr: of the training; batch_size counts queries.
        num_negatives: passages that stand beside a query's own.
        range_max: the last of the base's ranks from which they are drawn.
        lists_of_a_source: queries that are read, at most, for each of the sources.
        worlds: of `planted`, whose training queries are read.
        seed: of everything that is drawn.
    """

    r: int = 32
    steps: int = 1_500
    batch_size: int = 16
    lr: float = 1e-3
    num_negatives: int = 7
    range_max: int = 60
    lists_of_a_source: int = 6_000
    worlds: int = 4
    seed: int = 0


CROSS_ENCODER = HeadPlan(r=48, batch_size=8, lr=8e-4, num_negatives=8, range_max=30, lists_of_a_source=9_000)
COLBERT = HeadPlan(steps=400, batch_size=32, lr=5e-4, num_negatives=1, range_max=30)


def lists(base: TextEncoder, sources: Mapping[str, Sequence[Pair]], plan: HeadPlan) -> list[tuple[str, ...]]:
    """(query, positive, negative, …): the negatives are what the base itself finds, so that a head learns its mistakes.

    Passages are searched in heaps of a few thousand, as many as the chapters search. In `planted` every answer is known,
    so no negative there is one. In documentation an answer that nobody has marked may be among them.

    Args:
        base: the retriever whose candidates a head will read.
        sources: pairs by source; those of `planted` are made again here, with the whole truth.
        plan: how many.
    """
    rng = random.Random(plan.seed)
    worlds = [row for seed in WORLDS for row in mined(base, *_known_answers(seed), plan)]
    rows = rng.sample(worlds, min(len(worlds), plan.lists_of_a_source))
    for name, of_source in sources.items():
        if name != "planted":
            rows += [row for heap in _heaps(of_source, plan, rng) for row in mined(base, *by_text(heap), plan)]
    return rows


def reading_lists(base: TextEncoder, sources: Mapping[str, Sequence[Pair]], plan: HeadPlan) -> list[ReadingList]:
    """What a reader learns from: of `planted` the truth, of documentation how keyword search corrects the base.

    The base was trained on the pairs of the documentation and knows most titles' passages by heart: a list with such a
    passage in it teaches nothing. So it is left out, and the labels of the others are the base's cosines and BM25's
    scores together, which find more than either (chapter 16).

    Args:
        base, sources, plan: as in `lists`; of the sources only pydocs is read, beside the worlds of `planted`.
    """
    rng = random.Random(plan.seed)
    worlds = [row for seed in WORLDS[: plan.worlds] for row in mined(base, *_known_answers(seed), plan)]
    truth = (CERTAIN, *[0.0] * (plan.num_negatives - 1))
    rows = [ReadingList(query, passages[: plan.num_negatives], truth) for query, *passages in worlds]
    for heap in _heaps(sources["pydocs"], plan, rng):
        queries, corpus, qrels = by_text(heap)
        found = [(query, others) for query, _, *others in mined(base, queries, corpus, qrels, plan)]
        keywords = BM25().index(corpus).search({query: query for query, _ in found}, k=len(corpus))
        pairs = [(query, passage) for query, others in found for passage in others]
        cosines = iter(Reader(base).cosines(pairs).tolist())
        for query, others in found:
            together = [next(cosines) + BM25_SHARE * keywords[query].get(passage, 0.0) for passage in others]
            rows.append(ReadingList(query, others, [x / TEMPERATURE for x in together]))
    return rows


def make_cross_encoder(
    base: TextEncoder, rows: Sequence[ReadingList], plan: HeadPlan, work: Path, wall: int = 0
) -> Reader:
    """A reader that begins as the base, trained in full; of each matrix the nearest update of rank r is kept.

    Args:
        base: the encoder that is adapted; it is left as it is.
        rows: as `reading_lists` gives them.
        plan: rank, steps and learning rate.
        work: a folder for checkpoints.
        wall: layers in which nothing looks across, as in `Reader`.
    """
    texts = dict.fromkeys(passage for _, passages, _ in rows for passage in passages)
    model = Reader(base, wall).count_words(texts)
    with quick_attention():
        fit_reader(model, [ReadingList(*row) for row in rows], plan.steps, plan.batch_size, plan.lr, plan.seed, work)
    extract_lora(model, Reader(base), plan.r, LINEAR)
    return model.eval()


def make_colbert(base: TextEncoder, rows: Sequence[tuple[str, ...]], plan: HeadPlan, work: Path) -> ColbertEncoder:
    """One short vector for each token, from the base's own; arguments as in `make_cross_encoder`."""
    model = _with_updates(colbert_of(base), plan)
    with quick_attention():
        fit_colbert(
            model, [tuple(row) for row in rows], plan.steps, plan.batch_size, plan.lr, plan.seed, dtype=torch.bfloat16,
            checkpoint=work,
        )  # fmt: skip
    return model.eval()


def save_head(model: nn.Module, folder: Path) -> None:
    """Write what a head has beyond the base, in float16: the updates in peft's layout, and its own tensors."""
    halved = copy.deepcopy(model).half()
    save_adapter(halved, folder)
    write_safetensors(folder / TENSORS, _own(halved))


def load_cross_encoder(folder: Path = FOLDER / "cross_encoder", base: TextEncoder | None = None) -> Reader:
    """The cross-encoder that comes with the workbook, in evaluation mode.

    Args:
        folder: what `save_head` wrote.
        base: the encoder that it was trained on; the one that comes with the workbook by default.
    Raises:
        FileNotFoundError: there is no such head; `python -m workbook base` makes it.
        ValueError: a file is damaged, or the head belongs to another encoder.
    """
    return _with_head(Reader(base or load("base")), folder)


def load_colbert(folder: Path = FOLDER / "colbert", base: TextEncoder | None = None) -> ColbertEncoder:
    """The ColBERT encoder that comes with the workbook, in evaluation mode; as `load_cross_encoder`."""
    return _with_head(colbert_of(base or load("base")), folder)


def cross_encoder_of(base: TextEncoder) -> CrossEncoder:
    """A cross-encoder on a copy of the base's words and layers, before any training."""
    torch.manual_seed(0)
    backbone = copy.deepcopy(base.backbone)
    assert isinstance(backbone, TransformerEncoder)
    model = CrossEncoder(base.tokenizer, backbone, max_length=base.max_length)
    segment = model.backbone.embeddings.segment.weight
    with torch.no_grad():
        segment[1] = segment[0]  # the base has read first texts only; the difference is learned
    return model


def colbert_of(
    base: TextEncoder, query_length: int = 32, query_expansion: bool = True, texts: Sequence[str] = ()
) -> ColbertEncoder:
    """A ColBERT encoder on a copy of the base's words and layers, before any training.

    Args:
        base: an encoder whose token vectors are projected.
        query_length, query_expansion: as in `ColbertEncoder`.
        texts: the projection begins at the directions in which the tokens of these reach furthest; without them at
            random numbers.
    """
    torch.manual_seed(0)
    backbone = copy.deepcopy(base.backbone)
    model = ColbertEncoder(
        base.tokenizer, backbone, COLBERT_SIZE, query_length, base.max_length, query_expansion=query_expansion
    )
    if texts:
        with torch.no_grad(), evaluating(model):
            input_ids, mask = model.pad(model.document_ids(texts))
            vectors = model.documents.backbone(input_ids, mask)[mask.bool()]  # (L, hidden size)
            model.projection.weight.copy_(principal_directions(vectors, COLBERT_SIZE).T)
    return model


def _with_updates(model: Head, plan: HeadPlan) -> Head:
    """Freeze what the base has, but for the updates and the head's own tensors."""
    add_lora(model, plan.r, 2 * plan.r, LINEAR, seed=plan.seed)
    for weight in _own(model).values():
        weight.requires_grad_(True)
    return model


def _own(model: nn.Module) -> dict[str, nn.Parameter]:
    own = OWN[type(model)]
    plain = {name.replace(".base.", "."): weight for name, weight in model.named_parameters()}  # as without LoRA
    return {name: weight for name, weight in plain.items() if "lora_" not in name and any(part in name for part in own)}


def _with_head(model: Head, folder: Path) -> Head:
    tensors = load_file(folder / TENSORS)
    merge(load_adapter(model, folder))
    own = _own(model)
    if own.keys() != tensors.keys():
        raise ValueError(f"{folder} is damaged: it holds {sorted(tensors)}, expected {sorted(own)}")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(tensors[name])
    return model.eval()


def _heaps(pairs: Sequence[Pair], plan: HeadPlan, rng: random.Random) -> Iterator[list[Pair]]:
    """As many passages at a time as the chapters search."""
    drawn = rng.sample(list(pairs), min(len(pairs), plan.lists_of_a_source))
    yield from (drawn[start : start + PASSAGES] for start in range(0, len(drawn), PASSAGES))


def _known_answers(seed: int) -> tuple[Queries, Corpus, Qrels]:
    """The training queries of a world, its passages, and every answer that there is."""
    world = planted(PASSAGES, seed=seed)
    return dict(world.queries(split="train")), dict(world.passages()), world.qrels("train", complete=True)


def mined(base: TextEncoder, queries: Queries, corpus: Corpus, qrels: Qrels, plan: HeadPlan) -> list[tuple[str, ...]]:
    """(query, positive, negative, …) for each query, the negatives drawn from the ranks that the plan names."""
    mined = mine_hard_negatives(
        queries, corpus, qrels, base, range_max=plan.range_max, num_negatives=plan.num_negatives,
        sampling_strategy="random", too_few="pad", seed=plan.seed,
    )  # fmt: skip
    return training_tuples(mined, queries, corpus)


class Kind(NamedTuple):
    """A head: the lists that it learns from, how it is made and read, and its plan."""

    lists: Callable[..., Any]
    make: Callable[..., nn.Module]
    read: Callable[..., Any]
    plan: HeadPlan


HEADS = {
    "cross_encoder": Kind(reading_lists, make_cross_encoder, load_cross_encoder, CROSS_ENCODER),
    "colbert": Kind(lists, make_colbert, load_colbert, COLBERT),
}
