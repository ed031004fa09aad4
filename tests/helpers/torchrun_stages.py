"""What each process of torchrun does in tests/pipeline/test_torchrun.py. Not a test itself."""

import sys
from pathlib import Path

import torch

from tests.helpers.small import SHARD_ROWS
from workbook import pipeline

torch.set_num_threads(1)
work = Path(sys.argv[1])
pipeline.train(work, dimensions=32, vocab_size=500, steps=24, batch_size=16, save_every=4, max_length=16)
pipeline.encode(work, shard_rows=SHARD_ROWS)
