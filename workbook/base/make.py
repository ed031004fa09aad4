"""From nothing to `datasets/base`: gather, teach, pre-train, distil, contrast; each stage resumes where it was stopped.

    python -m workbook base            # hours on two cores; --work says where the stages keep what they have done

`start` has never seen a pair: it guessed hidden words, and learned the vectors that a larger encoder gives to single
texts. `base` is the same after contrastive training on pairs. Chapters 10, 11 and 15 explain the stages.

Taught in 10, 11 and 15.
"""

import copy
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from workbook.adapt import average_weights
from workbook.base.texts import Pair, readings
from workbook.base.vocabulary import choose_pieces, word_vectors
from workbook.encoder import TextEncoder, TransformerEncoder, evaluating
from workbook.encoder.tokenizer import tokenizer_of
from workbook.losses import info_nce
from workbook.mining import mine_hard_negatives, training_tuples
from workbook.pretraining import MaskedLanguageModel, pretrain
from workbook.support.files import write_atomically, write_npy
from workbook.support.frontend import track
from workbook.support.types import Corpus, Qrels, Queries
from workbook.train import fit, fit_vectors, principal_directions

Made = TypeVar("Made")
SHARD = 4_096  # texts that the teacher reads between two files


@dataclass(frozen=True)
class Plan:
    """What is made, and from how much.

    Attributes:
        layers, hidden_size, heads, max_length: of the student.
        pieces: V of its vocabulary.
        windows: source -> windows of its passages that are read, at most.
        groups: of key words, and half as many again of words drawn at random.
        language_steps, vector_steps, pair_steps: of the three stages.
        batch_size: texts of a step; a quarter as many windows in the first stage, and pairs in the last, whose texts are longer.
        language_lr, vector_lr, pair_lr: highest learning rates of the three stages.
        similarities, similarity_temperature: how much the likenesses between texts count in the second stage, beside
            the vectors themselves, and how near texts must be to count.
        pairs_of_a_source: of which the last stage draws its batches, at most.
        temperature: of the contrastive loss.
        pair_share: weights of `base` = this share of those after the contrastive stage, the rest of those before.
        seed: of everything that is drawn.
    """

    layers: int = 2
    hidden_size: int = 256
    heads: int = 4
    max_length: int = 192
    pieces: int = 8_000
    windows: dict[str, int] = field(
        default_factory=lambda: {"pydocs": 30_000, "pydocs-code": 10_000, "packages": 13_000, "planted": 13_000, "wordnet": 60_000}
    )  # fmt: skip
    groups: int = 60_000
    language_steps: int = 400
    vector_steps: int = 12_000
    pair_steps: int = 3_000
    batch_size: int = 256
    language_lr: float = 5e-4
    vector_lr: float = 1.5e-3
    pair_lr: float = 3e-4
    similarities: float = 1.0
    similarity_temperature: float = 0.1
    pairs_of_a_source: int = 16_000
    temperature: float = 0.05
    pair_share: float = 1.0
    seed: int = 0


def make_start(teacher: TextEncoder, sources: dict[str, list[Pair]], plan: Plan, work: Path) -> TextEncoder:
    """Language modelling, then the teacher's vectors: no pair is seen.

    Args:
        teacher: a larger encoder with a WordPiece vocabulary.
        sources: pairs by source; here only their single texts count.
        plan: sizes and steps.
        work: a folder for what is done; a run that was stopped goes on from it.
    Returns:
        the student.
    """
    read = read_once(teacher, sources, plan, work)
    texts = [text for kind in read.values() for text in kind]
    vectors = teacher_vectors(teacher, texts, work / "vectors")  # (N, E)
    directions = principal_directions(vectors[:: max(1, len(texts) // 60_000)], plan.hidden_size)  # (E, D)
    student = new_student(teacher, read, directions, plan)
    whole = [text for source in sources for text in read[source]]
    with quick_attention():
        pretrain(
            MaskedLanguageModel(student), whole, plan.language_steps, plan.batch_size // 4, torch.bfloat16,
            lr=plan.language_lr, seed=plan.seed, checkpoint=work / "language",
        )  # fmt: skip
    with quick_attention():
        fit_vectors(
            student, texts, F.normalize(vectors.float() @ directions, dim=1), plan.vector_steps, plan.batch_size,
            torch.bfloat16, plan.similarities, plan.similarity_temperature, lr=plan.vector_lr, seed=plan.seed, warmup=0.05,
            checkpoint=work / "distilled",
        )  # fmt: skip
    return student.eval()


def make_base(start: TextEncoder, sources: dict[str, list[Pair]], plan: Plan, work: Path) -> TextEncoder:
    """Contrastive training on pairs, each batch from one source, with one hard negative each that `start` itself has found.

    Args:
        start: what `make_start` gave; it is left as it is.
        sources: pairs by source.
        plan, work: as in `make_start`.
    Returns:
        the trained encoder; with a `pair_share` below 1 the mean of the weights before and after (Wortsman et al. 2022).
    """

    def mined() -> list[tuple[str, ...]]:
        rng = random.Random(plan.seed)
        drawn = {name: rng.sample(of, min(len(of), plan.pairs_of_a_source)) for name, of in sources.items()}
        return [(name, *row) for name, of in drawn.items() for row in with_negatives(start, of, plan.seed)]

    names, *columns = zip(*once(work / "tuples.json", mined), strict=True)
    encoder = copy.deepcopy(start)
    with quick_attention():
        fit(
            encoder, list(zip(*columns, strict=True)), info_nce, plan.pair_steps, plan.batch_size // 4, plan.pair_lr,
            plan.seed, plan.temperature, torch.bfloat16, no_duplicates=True, groups=names, checkpoint=work / "contrasted",
        )  # fmt: skip
    encoder.load_state_dict(average_weights(start.state_dict(), encoder.state_dict(), plan.pair_share))
    return encoder.eval()


def with_negatives(encoder: TextEncoder, of_source: list[Pair], seed: int) -> list[tuple[str, ...]]:
    """(query, positive, negative): a passage of the same source that lies among the first 30, and not too near.

    "Too near" is a score of more than 95 % of the positive's: such a passage may well be an answer too.
    """
    queries, corpus, qrels = by_text(of_source)
    mined = mine_hard_negatives(
        queries, corpus, qrels, encoder, range_max=30, relative_margin=0.05, num_negatives=1, sampling_strategy="random",
        too_few="pad", seed=seed,
    )  # fmt: skip
    return training_tuples(mined, queries, corpus)


def by_text(pairs: Sequence[Pair]) -> tuple[Queries, Corpus, Qrels]:
    """Pairs as queries, corpus and qrels, in which every text is its own id."""
    queries, corpus = ({text: text for text in dict.fromkeys(column)} for column in zip(*pairs, strict=True))
    qrels: dict[str, dict[str, int]] = {query: {} for query in queries}
    for query, passage in pairs:
        qrels[query][passage] = 1
    return queries, corpus, qrels


def read_once(teacher: TextEncoder, sources: dict[str, list[Pair]], plan: Plan, work: Path) -> dict[str, list[str]]:
    """The texts that are read, by kind; drawn once and kept in the work folder, so that a resumed run reads the same."""
    rng = random.Random(plan.seed)
    return once(work / "texts.json", lambda: readings(sources, words_of(teacher), plan.windows, plan.groups, rng))


def words_of(teacher: TextEncoder) -> list[str]:
    """The teacher's pieces that are whole words of more than two letters, the most frequent first."""
    number_of = teacher.tokenizer.get_vocab()
    return [w for w in sorted(number_of, key=number_of.__getitem__) if w.isalpha() and w.isascii() and len(w) > 2]


def once(path: Path, make: Callable[[], Made]) -> Made:
    """What a file keeps as JSON, or else what `make` gives, which is then kept."""
    if not path.exists():
        write_atomically(path, json.dumps(make(), ensure_ascii=False))
    kept: Made = json.loads(path.read_text("utf-8"))
    return kept


def teacher_vectors(teacher: TextEncoder, texts: list[str], folder: Path) -> Tensor:
    """The teacher's vector of each text, (N, E) float16; a shard that is there is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in track(range(0, len(texts), SHARD), label="the teacher reads"):
        path = folder / f"{start:08d}.npy"
        if not path.exists():
            with evaluating(teacher), torch.autocast("cpu", torch.bfloat16):
                write_npy(path, teacher.encode(texts[start : start + SHARD], batch_size=64).astype(np.float16))
        parts.append(torch.from_numpy(np.load(path, allow_pickle=False)))
    return torch.cat(parts)


def new_student(teacher: TextEncoder, read: dict[str, list[str]], directions: Tensor, plan: Plan) -> TextEncoder:
    """Fresh layers, over word vectors that the teacher gives: its vector of each piece, read alone."""
    documents = [text for kind, texts in read.items() if kind not in ("keywords", "words") for text in texts]
    pieces = choose_pieces(teacher, documents, plan.pieces)
    torch.manual_seed(plan.seed)
    backbone = TransformerEncoder(
        len(pieces), plan.hidden_size, plan.layers, plan.heads, max_length=plan.max_length
    ).start_from_words(word_vectors(teacher, pieces) @ directions)
    return TextEncoder(tokenizer_of(pieces), backbone, max_length=plan.max_length)


def quick_attention() -> Any:
    """Attention as plain products: on processors, for short texts in bfloat16, nearly twice as fast as the fused one."""
    return sdpa_kernel([SDPBackend.MATH])


def save_half(encoder: TextEncoder, folder: Path) -> TextEncoder:
    """Save in float16, and give the encoder as it will be read back."""
    copy.deepcopy(encoder).half().save(folder)
    return TextEncoder.load(folder)
