"""train: an encoder from the pairs of a split, with checkpoints, in one process or in those of torchrun.

WORK/training/   the encoder before the first step, the best so far and the newest checkpoint; removed in the end
WORK/model/      the encoder (`workbook.encoder.saving`), history.json and the manifest

While it trains it is measured on queries that it does not learn from (`workbook.pipeline.validation`), ten times, and
before the first step. It ends with the weights that were best.

Letters: P pairs.
"""

import functools
import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, load, train_tokenizer
from workbook.pipeline.data_stage import read_texts
from workbook.pipeline.encoders import find_encoder, folder_fingerprint, read_encoder
from workbook.pipeline.pairs import count_pairs, read_mined, read_pairs
from workbook.pipeline.stage import Job, at_least, finished, stage
from workbook.pipeline.validation import choose_validation, reached
from workbook.pipeline.workers import device_of, join, one_thread
from workbook.support.files import write_json
from workbook.train import Looks, fit, rank, wait_for_all

KINDS = ("static", "transformer")
STEPS, EPOCHS = 500, 10  # by default at most so many, whichever is less
MANY_PAIRS = 10_000  # from where a static encoder learns more in large steps than it forgets
MANY_EPOCHS = 30  # from where a warning says so
LOOKS, PATIENCE = 10, 5  # looks at the validation, and how many without a new best end the training


def train(
    work: str | Path,
    split: str = "train",
    encoder: str = "static",
    dimensions: int = 256,
    layers: int = 4,
    vocab_size: int = 30_000,
    max_length: int = 128,
    steps: int | None = None,
    batch_size: int = 256,
    lr: float | None = None,
    sample: int = 50_000,
    negatives: str | Path | None = None,
    seed: int = 0,
    save_every: int = 100,
    validate: bool = True,
    device: str = "cpu",
    anew: bool = False,
    show: bool | None = None,
) -> dict[str, Any]:
    """Train an encoder on (query, positive passage) pairs.

    As many pairs are drawn as the steps can use, and only those are read. Under torchrun every process encodes
    its share of each batch, and the negatives are those of all (`workbook.train.distributed`).

    Args:
        work: the work folder, with data.
        split: whose judgements are the pairs.
        encoder: "static", "transformer", or one to go on from: a folder, such as OTHER_WORK/model, or a name, such as
            "all-MiniLM-L6-v2" (`workbook.pipeline.encoders`).
        dimensions: D of a new encoder.
        layers: of a new transformer.
        vocab_size: of a new encoder's WordPiece vocabulary.
        max_length: texts are cut to this many tokens.
        steps: how many at most; 500 by default, but no more than 10 epochs. With 0 the encoder stays as it is.
        batch_size: as in `workbook.train.fit`.
        lr: as there. By default 0.05 for a new static encoder and 10,000 pairs or more, 0.003 for fewer or one to go on
            from; 3e-4 for a new transformer, and 5e-5 for one to go on from.
        sample: passages that the vocabulary and the idf are learned from.
        negatives: a folder that `mine` has finished, such as OTHER_WORK/negatives/train: pairs with hard negatives,
            which are mixed with the others (`workbook.pipeline.pairs.read_pairs`).
        seed: decides pairs, weights and batches.
        save_every: steps between checkpoints.
        validate: measure on held-out queries, stop when it no longer helps, and keep the best weights; those before
            the first step count, too. Otherwise all steps are taken and the last weights kept.
        device: "cpu", "cuda" or "mps"; under torchrun "cpu". Only processors give the same bytes everywhere.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest: "reached" says how good the encoder is, and whether BM25 is better; "validation" has the looks.
    Warns:
        UserWarning: the steps are more than 30 epochs.
    Raises:
        FileNotFoundError: data is not finished, or there is no such encoder.
        KeyError: there is no such split.
        ValueError: a number is out of range, there is no such device, the split has no pair, the negatives are of other data, or the folder
            holds a model of other settings.
    """
    work = Path(work)
    at_least(0, steps=steps)
    at_least(
        1, dimensions=dimensions, layers=layers, vocab_size=vocab_size, max_length=max_length, batch_size=batch_size,
        sample=sample, save_every=save_every,
    )  # fmt: skip
    facts = finished(work, "data", "data")
    first = None if encoder in KINDS else read_encoder(encoder)
    P = 0 if steps == 0 else count_pairs(work, split)  # an encoder that is taken as it is needs none
    if not P and steps != 0:
        raise ValueError(f"the split {split!r} of {work} has no judgement above 0 to learn from; choose another one")
    if steps is None:
        steps = min(STEPS, math.ceil(EPOCHS * P / batch_size))
    if lr is None:
        lr = _learning_rate(encoder if first is None else first, P)
    settings = {
        "split": split, "encoder": Path(encoder).name, "dimensions": dimensions, "layers": layers,
        "vocab_size": vocab_size, "max_length": max_length, "steps": steps, "batch_size": batch_size, "lr": lr,
        "sample": sample, "seed": seed, "validate": validate, "device": device,
    }  # fmt: skip
    device_of(device)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be a number above 0, got {lr}")
    inputs = {"data": facts["fingerprint"]}
    if first is not None:
        inputs["encoder"] = _fingerprint_of(work, find_encoder(encoder))
    if negatives is not None:
        inputs["negatives"] = read_mined(Path(negatives), facts["fingerprint"], split)["fingerprint"]
    if (epochs := steps * min(batch_size, P) / max(P, 1)) > MANY_EPOCHS:
        warnings.warn(
            f"{steps:,} steps of {batch_size} are {epochs:.0f} epochs of {P:,} pairs, each of them seen so often; "
            f"{math.ceil(EPOCHS * P / batch_size)} steps are {EPOCHS}",
            stacklevel=2,
        )
    number, world = join()
    if world > 1 and device != "cpu":
        raise ValueError(f"under torchrun this training is for processors, got device {device!r}; leave torchrun out")
    if number > 0:  # the first process keeps the books
        wait_for_all()
        if not (work / "model" / "manifest.json").is_file():
            _fit(work, settings, negatives, save_every, False)
        wait_for_all()
        return finished(work, "model", "train")
    with stage(work, "model", settings, inputs, anew, aside="training") as run:
        if not run.finished:
            _prepare(run, settings, first)
        wait_for_all()
        if not run.finished:
            _save(run, *_fit(work, settings, negatives, save_every, show))
        shutil.rmtree(work / "training", ignore_errors=True)
        wait_for_all()
        return run.manifest


def _learning_rate(encoder: str | TextEncoder, P: int) -> float:
    """The default: a step of AdamW moves a weight by about so much, and few pairs must not undo what is there."""
    if isinstance(encoder, str):
        return 3e-4 if encoder == "transformer" else 0.05 if P >= MANY_PAIRS else 0.003
    return 0.003 if isinstance(encoder.backbone, StaticEncoder) else 5e-5


def _fingerprint_of(work: Path, folder: Path) -> str:
    """The fingerprint of a saved encoder, which must not lie where the new one is written."""
    if folder.resolve().is_relative_to((work / "model").resolve()):
        raise ValueError(
            f"{folder} is where the new encoder will be; begin a new work folder with "
            f"`python -m workbook data NEW {work}`, and train there"
        )
    return folder_fingerprint(folder)


def new_encoder(work: str | Path, settings: dict[str, Any]) -> TextEncoder:
    """An untrained encoder, with a vocabulary from a sample of the passages, evenly spaced."""
    corpus = read_texts(work, "corpus")
    N, wanted = len(corpus), min(settings["sample"], len(corpus))
    block = min(1_000, max(1, wanted))  # neighbours are read together
    texts: list[str] = []
    for number in range(wanted // block):
        start = number * N // (wanted // block)
        texts += corpus.texts(start, min(start + block, N))
    tokenizer = train_tokenizer(texts, settings["vocab_size"])
    V, D = tokenizer.get_vocab_size(), settings["dimensions"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings["seed"])
        if settings["encoder"] == "static":
            static = StaticEncoder(V, D)
            made = TextEncoder(tokenizer, static, max_length=settings["max_length"])
            static.scale_by_idf(made.token_ids(texts))
            return made
        heads = next(heads for heads in (D // 64, D // 32, 4, 2, 1) if heads and D % heads == 0)
        backbone = TransformerEncoder(
            vocab_size=V, hidden_size=D, num_layers=settings["layers"], num_heads=heads, intermediate_size=4 * D,
            max_length=settings["max_length"],
        )  # fmt: skip
        return TextEncoder(tokenizer, backbone, max_length=settings["max_length"])


def _prepare(run: Job, settings: dict[str, Any], first: TextEncoder | None) -> None:
    """Put the encoder before its first step on disk, for all processes and for a run after a kill."""
    start = run.work / "training" / "start"
    for left in (run.work / "training").glob(".start.*"):
        shutil.rmtree(left, ignore_errors=True)
    if not (start / "workbook.json").is_file():
        (first or new_encoder(run.work, settings)).save(start)


def _fit(
    work: Path, settings: dict[str, Any], negatives: str | Path | None, save_every: int, show: bool | None
) -> tuple[TextEncoder, dict[str, Any]]:
    """The trained encoder, and what the manifest tells of it."""
    trained, steps, batch_size = load(work / "training" / "start"), settings["steps"], settings["batch_size"]
    trained.to(device_of(settings["device"]))
    if not steps:
        return trained, {"history": []}
    validation = choose_validation(work, settings["split"], trained) if settings["validate"] else None
    pairs = read_pairs(work, settings["split"], steps * batch_size, settings["seed"], negatives, validation)
    options = {
        "steps": steps, "batch_size": batch_size, "lr": settings["lr"], "seed": settings["seed"],
        "checkpoint": work / "training" / "checkpoint", "save_every": save_every, "show": show,
    }  # fmt: skip
    with one_thread():
        if validation is None:
            history, told = fit(trained, pairs, **options), {}
        else:
            # A look is on disk before the checkpoint of its step: after a kill the looks may be ahead of the training,
            # never behind it, and what is trained once more comes out the same.
            measure = functools.partial(validation.measure, trained)
            looks = Looks(trained, measure, math.inf, None, PATIENCE, work / "training" / "looks")
            history = looks.watch(functools.partial(fit, trained, pairs, **options), max(1, steps // LOOKS))
            told = reached(validation, looks.curve, looks.best_step()) if rank() == 0 else {}
    epochs = round(len(history) * min(batch_size, len(pairs)) / len(pairs), 2)
    return trained, {"history": history, "pairs": len(pairs), "epochs": epochs, **told}


def _save(run: Job, trained: TextEncoder, told: dict[str, Any]) -> None:
    """Write the model into the stage's folder; a kill in between leaves a folder that is unfinished."""
    made = run.work / "training" / "made"
    for left in (made, *(run.work / "training").glob(".made.*")):
        shutil.rmtree(left, ignore_errors=True)
    trained.save(made)
    for path in sorted(made.rglob("*")):
        if path.is_file():
            target = run.folder / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    history = told.pop("history")
    write_json(run.folder / "history.json", history)
    run.finish({"last_loss": history[-1]["loss"] if history else None, "steps_done": len(history), **told})
