"""What two processes of torchrun do; tests/train/test_distributed.py compares it with one process. Not a test itself."""

import json
import os
import sys
from pathlib import Path
from unittest import mock

import torch
from torch import distributed
from torch.distributed import nn

from tests.adapt.test_adapt import RUN, mixed
from tests.train.test_fit import PAIRS, transformer
from workbook.adapt import adapt, evaluate_encoder
from workbook.losses import info_nce
from workbook.train import fit, fit_vectors
from workbook.train.distributed import average_gradients, gather_with_gradient, rank, share


def loss_and_gradient(rows, gather=gather_with_gradient, factor=1.0):
    """Of the pairs with these numbers: every process encodes its share, and has the whole gradient in the end."""
    encoder = transformer().double()
    texts = [PAIRS[row] for row in share(rows)]
    query, positive = (gather(encoder(*encoder.tokenize(list(side)))) for side in zip(*texts, strict=True))
    loss = info_nce(query, positive, temperature=0.1)
    (loss * factor).backward()
    average_gradients(encoder.parameters())
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.5)
    gradient = torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None])
    optimizer.step()
    weights = torch.cat([p.detach().flatten() for p in encoder.parameters()])
    return {"loss": loss.item(), "gradient": gradient.tolist(), "weights": weights.tolist()}


def without_gradient(x):
    """The known mistake: the rows of other processes come without a history."""
    others = gather_with_gradient(x.detach())
    before = sum(int(n) for n in gather_with_gradient(torch.tensor([len(x)]))[: rank()])
    return torch.cat([others[:before], x, others[before + len(x) :]])


def training(folder, **options):
    encoder = transformer(dropout=options.pop("dropout", 0.0))
    history = fit(encoder, PAIRS[:30], steps=3, batch_size=13, lr=0.01, checkpoint=folder, save_every=2, **options)
    weights = torch.cat([p.detach().flatten() for p in encoder.parameters()])
    return {"losses": [record["loss"] for record in history], "weights": weights.tolist()}


def distillation(folder):
    encoder = transformer().double()
    texts = [query for query, _ in PAIRS[:30]]
    vectors = torch.randn(30, encoder.full_size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    history = fit_vectors(
        encoder, texts, vectors, steps=3, batch_size=13, lr=0.01, checkpoint=folder, similarities=0.5, temperature=0.2
    )
    weights = torch.cat([p.detach().flatten() for p in encoder.parameters()])
    return {"losses": [record["loss"] for record in history], "weights": weights.tolist()}


def adaptation(folder, dies_at=None, **options):
    """One that is stopped in every process while it looks at a set for the n-th time, if told so, and goes on."""
    encoder, *data = mixed()
    encoder.double()
    looks = 0

    def look(*arguments):
        nonlocal looks
        looks += 1
        if looks == dies_at:
            raise KeyboardInterrupt
        return evaluate_encoder(*arguments)

    with (
        mock.patch.object(sys.modules[adapt.__module__], "evaluate_encoder", look),
        mock.patch("workbook.support.files.os.replace", wraps=os.replace) as written,
    ):
        try:
            done = adapt(encoder, *data, **RUN | options, checkpoint=folder)
        except KeyboardInterrupt:
            return adaptation(folder, **options)
    return {
        "losses": [record["loss"] for record in done.history],
        "curve": done.curve,
        "best step": done.best_step,
        "weights": torch.cat([p.detach().flatten() for p in encoder.parameters()]).tolist(),
        "files written": written.call_count,
    }


def refused(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return "nothing was refused"


def everything(folder):
    rows = list(range(12))
    return {
        "even": loss_and_gradient(rows),
        "uneven": loss_and_gradient(rows[:7]),
        "mistake": loss_and_gradient(rows, without_gradient),
        "mended": loss_and_gradient(rows, without_gradient, factor=2.0),
        "fit": training(folder / "plain"),
        "fit in pieces": training(folder / "pieces", mini_batch_size=3),
        "fit_vectors": distillation(folder / "vectors"),
        "adapt": adaptation(folder / "adapt"),
        "adapt that stops early": adaptation(folder / "early", steps=60, patience=2),
        "adapt that goes on": adaptation(folder / "again", dies_at=3),
    }


def main(folder):
    distributed.init_process_group("gloo")
    found = everything(folder)
    found["torch's own"] = loss_and_gradient(list(range(12)), lambda x: torch.cat(nn.functional.all_gather(x)))
    found["too few"] = refused(lambda: share([0]))
    found["shapes"] = refused(lambda: gather_with_gradient(torch.zeros(2, 3 + rank())))
    found["dtypes"] = refused(
        lambda: gather_with_gradient(torch.zeros(2, 3, dtype=[torch.float32, torch.float64][rank()]))
    )
    found["no rows here"] = gather_with_gradient(torch.full((rank() * 2, 3), 7.0)).tolist()
    frozen, half = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    if rank() == 1:
        half.grad = torch.ones(2)
    average_gradients([frozen, half])
    found["averaged"] = [frozen.grad is None, half.grad.tolist()]
    (folder / f"rank-{rank()}.json").write_text(json.dumps(found))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
