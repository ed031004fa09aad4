"""What someone types who follows the contracts of chapter 21 word by word."""

import base64
import math
import struct

import torch


def queue_latencies(arrivals, service, percents):
    latencies = []
    done = arrivals[0]
    for arrival in arrivals:
        start = max(arrival, done)
        done = start + service
        latencies.append(done - arrival)
    percentiles = []
    for percent in percents:
        rank = math.ceil(percent * len(latencies) / 100)
        percentiles.append(sorted(latencies)[rank - 1])
    return latencies, percentiles


def batched_latencies(arrivals, window, largest, fixed, each):
    latencies = []
    free = arrivals[0]
    waiting = list(arrivals)
    while waiting:
        opens = max(waiting[0], free)
        batch = []
        while waiting and len(batch) < largest and waiting[0] <= opens + window:
            batch.append(waiting.pop(0))
        closes = opens + window
        if len(batch) == largest:
            closes = max(opens, batch[-1])
        done = closes + fixed + each * len(batch)
        for arrival in batch:
            latencies.append(done - arrival)
        free = done
    return latencies


def int8_product(x, weight_codes, weight_scales, by_row):
    codes = torch.zeros(x.shape, dtype=torch.uint8)
    products = torch.zeros(len(x), weight_codes.shape[1])
    for b in range(len(x)):
        numbers = x[b] if by_row else x
        low = min(0.0, float(numbers.min()))
        high = max(0.0, float(numbers.max()))
        scale = (high - low) / 255 if high > low else 1.0
        zero = round(-low / scale)
        for d in range(x.shape[1]):
            codes[b, d] = min(255, max(0, round(float(x[b, d]) / scale) + zero))
        for e in range(weight_codes.shape[1]):
            total = sum((int(codes[b, d]) - zero) * int(weight_codes[d, e]) for d in range(x.shape[1]))
            products[b, e] = total * scale * float(weight_scales[e])
    return codes, products


def replay_cache(requests, size):
    hits, kept = [], []
    for request in requests:
        if request in kept:
            hits.append(True)
            kept.remove(request)
        else:
            hits.append(False)
            if len(kept) == size:
                del kept[0]
        kept.append(request)
    return hits, kept


def drift_alarm(stored, quiet, today, rate):
    def statistic(fresh):
        total = 0.0
        for a, b in zip(stored, fresh, strict=True):
            lengths = float(a.norm()) * float(b.norm())
            total += float(a @ b) / lengths if lengths else 0.0
        return total / len(stored)

    k = math.floor(rate * len(quiet))
    threshold = sorted(statistic(day) for day in quiet)[k]
    return statistic(today), threshold, statistic(today) < threshold


def smallest_batch():
    return [2.0], [[-5000.0]], [[0.0], [2.0]]


def answer_embeddings(request, model, D, encode, cache):
    def error(param):
        return {
            "error": {"message": f"{param} is wrong", "type": "invalid_request_error", "param": param, "code": None}
        }

    if request.get("model") != model:
        return error("model")
    texts = request.get("input")
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or texts == []:
        return error("input")
    for text in texts:
        if not isinstance(text, str) or text == "":
            return error("input")
    dimensions = D
    if "dimensions" in request:
        dimensions = request["dimensions"]
        if not isinstance(dimensions, int) or dimensions < 1 or dimensions > D:
            return error("dimensions")
    encoding_format = request.get("encoding_format", "float")
    if encoding_format not in ["float", "base64"]:
        return error("encoding_format")
    new = []
    for text in texts:
        if (model, text) not in cache and text not in new:
            new.append(text)
    if new:
        vectors = encode(new)
        for text, vector in zip(new, vectors, strict=True):
            cache[(model, text)] = vector
    data = []
    for index, text in enumerate(texts):
        cut = cache[(model, text)][:dimensions]
        length = sum(number * number for number in cut) ** 0.5
        if length > 0:
            cut = [number / length for number in cut]
        embedding = cut
        if encoding_format == "base64":
            embedding = base64.b64encode(struct.pack(f"<{len(cut)}f", *cut)).decode()
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    words = 0
    for text in texts:
        words += len(text.split())
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }
