"""Serving: a queue and its percentiles, batches under load, a cache, a server, an alarm, a change of model.

    queue       what waiting costs, computed: one by one, or together
    batching    a batcher for asyncio
    cache       vectors by model, prompt and text
    load        a load test: requests that leave at their moments, whatever the answers do
    drift       canary texts, and a threshold from quiet days
    protocol    OpenAI's /v1/embeddings, and /v1/rerank
    app         a starlette server of these
    versions    an index with a fingerprint; dual write and cut-over

Taught in 21.
"""

from workbook.serving.batching import Batcher
from workbook.serving.cache import Cache
from workbook.serving.drift import agreement, alarm_threshold, largest_gap
from workbook.serving.queue import nearest_rank, one_by_one, random_arrivals, together
from workbook.serving.versions import FingerprintedIndex, Migration, OtherModel, Store, fingerprint

__all__ = [
    "Batcher", "Cache", "FingerprintedIndex", "Migration", "OtherModel", "Store", "agreement", "alarm_threshold",
    "fingerprint", "largest_gap", "nearest_rank", "one_by_one", "random_arrivals", "together",
]  # fmt: skip
