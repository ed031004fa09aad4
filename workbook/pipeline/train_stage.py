"""train: an encoder from the pairs of a split, with checkpoints, in one process or in those of torchrun.

WORK/training/   the encoder before the first step, and the newest checkpoint; removed in the end
WORK/model/      the encoder (`workbook.encoder.saving`), history.json and the manifest
"""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, load, train_tokenizer
from workbook.encoder.saving import OURS
from workbook.pipeline.data_stage import read_texts
from workbook.pipeline.manifests import read_json
from workbook.pipeline.pairs import read_mined, read_pairs, refuse_without_pairs
from workbook.pipeline.stage import Stage, at_least, finished, stage
from workbook.pipeline.workers import device_of, join, one_thread
from workbook.support.files import sha256_of, write_json
from workbook.train import fit

KINDS = ("static", "transformer")


def train(
    work: str | Path,
    split: str = "train",
    encoder: str = "static",
    dimensions: int = 256,
    layers: int = 4,
    vocab_size: int = 30_000,
    max_length: int = 128,
    steps: int = 500,
    batch_size: int = 256,
    lr: float | None = None,
    sample: int = 50_000,
    negatives: str | Path | None = None,
    seed: int = 0,
    save_every: int = 100,
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
        encoder: "static", "transformer", or the folder of a saved encoder to go on from, such as OTHER_WORK/model.
        dimensions: D of a new encoder.
        layers: of a new transformer.
        vocab_size: of a new encoder's WordPiece vocabulary.
        max_length: texts are cut to this many tokens.
        steps, batch_size, lr: as in `workbook.train.fit`; the default lr is 0.05 for a static encoder, else 3e-4.
            With 0 steps the encoder stays as it is.
        sample: passages that the vocabulary and the idf are learned from.
        negatives: a folder that `mine` has finished, such as OTHER_WORK/negatives/train: the pairs are its, each
            with its hard negatives.
        seed: decides pairs, weights and batches.
        save_every: steps between checkpoints.
        device: "cpu", "cuda" or "mps"; under torchrun "cpu". Only processors give the same bytes everywhere.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest.
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
    lr = (0.05 if _is_static(encoder) else 3e-4) if lr is None else lr
    settings = {
        "split": split, "encoder": Path(encoder).name, "dimensions": dimensions, "layers": layers,
        "vocab_size": vocab_size, "max_length": max_length, "steps": steps, "batch_size": batch_size, "lr": lr,
        "sample": sample, "seed": seed, "device": device,
    }  # fmt: skip
    device_of(device)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be a number above 0, got {lr}")
    inputs = {"data": facts["fingerprint"]}
    if encoder not in KINDS:
        inputs["encoder"] = _start_from(work, encoder)
    if negatives is not None:
        inputs["negatives"] = read_mined(Path(negatives), facts["fingerprint"], split)["fingerprint"]
    elif steps:
        refuse_without_pairs(work, split)
    rank, world = join()
    if world > 1 and device != "cpu":
        raise ValueError(f"under torchrun this training is for processors, got device {device!r}; leave torchrun out")
    if rank > 0:  # the first process keeps the books
        torch.distributed.barrier()
        if not (work / "model" / "manifest.json").is_file():
            _fit(work, settings, negatives, save_every, False)
        torch.distributed.barrier()
        return finished(work, "model", "train")
    with stage(work, "model", settings, inputs, anew, aside="training") as run:
        if not run.finished:
            _prepare(run, settings, encoder)
        _wait(world)
        if not run.finished:
            _save(run, *_fit(work, settings, negatives, save_every, show))
        shutil.rmtree(work / "training", ignore_errors=True)
        _wait(world)
        return run.manifest


def _is_static(encoder: str) -> bool:
    if encoder in KINDS or not (Path(encoder) / OURS).is_file():
        return encoder == "static"
    return read_json(Path(encoder) / OURS)["backbone"].get("kind") == "static"


def _start_from(work: Path, encoder: str) -> str:
    """The fingerprint of a saved encoder, which must not lie where the new one is written."""
    folder = Path(encoder)
    if not (folder / OURS).is_file():
        raise FileNotFoundError(
            f"encoder must be {', '.join(KINDS)} or the folder of a saved encoder, got {encoder!r}, which holds no {OURS}"
        )
    if folder.resolve().is_relative_to((work / "model").resolve()):
        raise ValueError(
            f"{folder} is where the new encoder will be; begin a new work folder with "
            f"`python -m workbook data NEW {work}`, and train there"
        )
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


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
    state = torch.get_rng_state()
    torch.manual_seed(settings["seed"])
    try:
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
    finally:
        torch.set_rng_state(state)


def _prepare(run: Stage, settings: dict[str, Any], encoder: str) -> None:
    """Put the encoder before its first step on disk, for all processes and for a run after a kill."""
    start = run.work / "training" / "start"
    for left in (run.work / "training").glob(".start.*"):
        shutil.rmtree(left, ignore_errors=True)
    if not (start / "workbook.json").is_file():
        first = new_encoder(run.work, settings) if encoder in KINDS else load(encoder)
        first.save(start)


def _fit(
    work: Path, settings: dict[str, Any], negatives: str | Path | None, save_every: int, show: bool | None
) -> tuple[TextEncoder, list[dict[str, float]]]:
    trained = load(work / "training" / "start").to(device_of(settings["device"]))
    if not settings["steps"]:
        return trained, []
    pairs = read_pairs(work, settings["split"], settings["steps"] * settings["batch_size"], settings["seed"], negatives)
    with one_thread():
        history = fit(
            trained, pairs, steps=settings["steps"], batch_size=settings["batch_size"], lr=settings["lr"],
            seed=settings["seed"], checkpoint=work / "training" / "checkpoint", save_every=save_every, show=show,
        )  # fmt: skip
    return trained, history


def _save(run: Stage, trained: TextEncoder, history: list[dict[str, float]]) -> None:
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
    write_json(run.folder / "history.json", history)
    run.finish({"last_loss": history[-1]["loss"] if history else None, "steps_done": len(history)})


def _wait(world: int) -> None:
    if world > 1:
        torch.distributed.barrier()
