"""Early stopping by two sets: look at both from time to time, and keep the best weights that are allowed.

A look measures the domain, which should gain, and a general set, which should not lose more than was agreed.
What has been seen and the weights worth keeping can lie in a folder, so that a training that is killed goes on:

    looks.json             the curve, and which weights belong to it
    best-N.safetensors     the weights after step N, the best that were allowed so far

A look is written down before the trainer's checkpoint of the same step. So after a kill the curve may be ahead of
the training, never behind; the steps in between come out the same once more, and are not looked at again.

Taught in 07 and 18.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbook.support.files import inside, write_atomically, write_json
from workbook.train.distributed import rank, wait_for_all
from workbook.train.loop import History
from workbook.train.resume import differing

NAME, START = "looks.json", "best-0.safetensors"
Curve = History  # records {"step", "domain", "general"}


def best(curve: Sequence[Mapping[str, float]], floor: float = -math.inf) -> int:
    """The step with the best domain score among those whose general score is at least `floor`.

    Args:
        curve: records {"step", "domain", "general"}; the first is the start.
        floor: of the general score.
    Returns:
        the earliest such step; that of the start where none is allowed.
    """
    allowed = [record for record in curve if record["general"] >= floor] or curve[:1]
    return int(max(allowed, key=lambda record: record["domain"])["step"])  # of equals max takes the first


def stopped_at(curve: Sequence[Mapping[str, float]], patience: int, floor: float = -math.inf) -> float:
    """The step of the first look at which `patience` looks in a row had brought no new best; infinity where there is none.

    Args:
        curve, floor: as in `best`.
        patience: a number of looks, 1 or more.
    """
    for i, record in enumerate(curve, 1):
        found = best(curve[:i], floor)
        if sum(seen["step"] > found for seen in curve[:i]) >= patience:
            return record["step"]
    return math.inf


class Looks:
    """The curve of one training, and the weights that it says to keep.

    Args:
        model: whose trainable weights are kept.
        measure: called without arguments -> {"domain": score, "general": score}.
        max_drop: what the general score may lose, counted from `reference`.
        reference: a general score; that of the first look by default.
        patience: looks in a row without a new best, after which to stop.
        folder: where to keep all this; None for memory alone. What it holds is read.
        settings: JSON, what else a resumed run must have in common with the one that was stopped.
    Raises:
        ValueError: the folder belongs to another run or another model, or is damaged.
    """

    def __init__(
        self, model: nn.Module, measure: Callable[[], Mapping[str, float]], max_drop: float, reference: float | None,
        patience: int, folder: Path | None = None, settings: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        wait_for_all()  # for what the first process may still be writing into the folder
        self.curve: Curve = []
        self.kept: dict[str, Tensor] = {}
        self._model, self._measure = model, measure
        self._max_drop, self._reference, self._patience, self._folder = max_drop, reference, patience, folder
        rule = {"max_drop": str(max_drop), "reference": reference, "patience": patience}
        self._settings = {**(settings or {}), **rule}
        if folder is not None and (folder / NAME).exists():
            self._read(folder)

    def watch(self, train: Callable[..., History], every: int) -> History:
        """Run a training, with a look at its start, now and then, and at its end; the model gets the best weights.

        Args:
            train: `workbook.train.fit` with all its arguments but one: it is called with `on_step`.
            every: steps between two looks.
        Returns:
            the history up to the stop; steps after it change nothing.
        """
        wait_for_all()  # until all have read, before one writes
        self.look(0)

        def on_step(record: dict[str, float]) -> bool:
            step = int(record["step"])
            return step >= self.stopped_at() or (step % every == 0 and self.look(step))

        history = train(on_step=on_step)
        if len(history) <= self.stopped_at():
            self.look(len(history))
        self.put_back()
        return history[: int(min(self.stopped_at(), len(history)))]

    def look(self, step: int) -> bool:
        """Measure, keep the weights if they are the best so far, and say whether to stop.

        Args:
            step: how many steps have been done. One that stands on the curve already is not measured again.
        Returns:
            True once `patience` looks in a row brought no new best.
        """
        if step not in (record["step"] for record in self.curve):
            before = self.best_step() if self.curve else -1
            self.curve.append({"step": step, **self._measure()})
            better = self.best_step() != before
            if better:
                self.kept = {name: p.detach().clone() for name, p in self._trained().items()}
            if self._folder is not None and rank() == 0:  # under torchrun one process writes
                self._write(self._folder, better)
        return self.stopped_at() <= step

    def best_step(self, until: float = math.inf) -> int:
        """The step whose weights are kept, by the looks up to a step."""
        return best([record for record in self.curve if record["step"] <= until], self._floor())

    def stopped_at(self) -> float:
        """The first step at which patience was over; infinity before."""
        return stopped_at(self.curve, self._patience, self._floor()) if self.curve else math.inf

    def restart(self) -> None:
        """Go back to the first look and its weights: the training was stopped before its first checkpoint."""
        if self.curve and self._folder is not None:
            self._read(self._folder, START)
            self.curve = self.curve[:1]
            self.put_back()

    def put_back(self) -> None:
        """Give the model the weights that were kept."""
        with torch.no_grad():
            for name, parameter in self._trained().items():
                parameter.copy_(self.kept[name])

    def _floor(self) -> float:
        return (self.curve[0]["general"] if self._reference is None else self._reference) - self._max_drop

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

    def _write(self, folder: Path, better: bool) -> None:
        from safetensors.torch import save

        file = f"best-{self.best_step()}.safetensors"
        if better:
            write_atomically(folder / file, save({name: x.cpu().contiguous() for name, x in self.kept.items()}))
        write_json(folder / NAME, {"file": file, "settings": self._settings, "curve": self.curve})
        # At the second look the trainer has no checkpoint yet, so the start may be needed once more.
        needed = {file, START} if len(self.curve) <= 2 else {file}
        for old in [*folder.glob("best-*.safetensors"), *folder.glob(".best-*.tmp"), *folder.glob(f".{NAME}.*.tmp")]:
            if old.name not in needed:
                old.unlink(missing_ok=True)

    def _read(self, folder: Path, file: str | None = None) -> None:
        from safetensors.torch import load_file

        try:
            saved = json.loads((folder / NAME).read_text("utf-8"))
            settings, curve, kept = saved["settings"], saved["curve"], load_file(inside(folder, file or saved["file"]))
        except Exception as error:
            raise ValueError(
                f"the looks in {folder} cannot be read ({error}); remove the folder to start the training anew"
            ) from error
        differ = differing(settings, self._settings)
        shapes, own = ({name: x.shape for name, x in weights.items()} for weights in (kept, self._trained()))
        if differ or shapes != own:
            raise ValueError(
                f"{folder} belongs to another run: {', '.join(differ) or 'the model'} differs; go on with what "
                "it was, or give this run a folder of its own"
            )
        self.curve, self.kept = curve, kept
