"""What someone types who follows the contracts of chapter 20 word by word."""

import math

import torch


def place_of_row(row, shard_rows, D, number_bytes, header):
    shard = 0
    first_row_of_the_next = shard_rows
    while row >= first_row_of_the_next:
        shard += 1
        first_row_of_the_next += shard_rows
    rows_before = row - shard * shard_rows
    first = header
    for _ in range(rows_before):
        first += D * number_bytes
    return shard, first, first + D * number_bytes


def best_over_blocks(queries, blocks, k):
    best = [[] for _ in queries]
    passed = 0
    for block in blocks:
        for found, query in zip(best, queries, strict=True):
            for i, passage in enumerate(block):
                score = sum(float(a) * float(b) for a, b in zip(query, passage, strict=True))
                found.append((score, passed + i))
            found.sort(key=lambda pair: (-pair[0], pair[1]))
            del found[k:]
        passed += len(block)
    scores = torch.tensor([[score for score, _ in found] for found in best])
    rows = torch.tensor([[row for _, row in found] for found in best])
    return scores, rows


def still_to_do(planned, notes, files, fingerprint):
    todo, rows = [], 0
    for name, n in planned.items():
        whole = False
        if name in notes and name in files:
            note = notes[name]
            whole = note["bytes"] == files[name] and note["rows"] == n and note["fingerprint"] == fingerprint
        if not whole:
            todo.append(name)
            rows += n
    return todo, rows


def token_batches(lengths, budget):
    taken = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches = []
    for i in taken:
        if batches:
            last = batches[-1]
            longest = max(lengths[j] for j in [*last, i])
            if (len(last) + 1) * longest <= budget:
                last.append(i)
                continue
        batches.append([i])
    strung = [i for batch in batches for i in batch]
    return batches, [strung.index(i) for i in range(len(lengths))]


def bill(shards, encoder, machine, machines, night):
    rows = 0
    tokens = 0.0
    for n, mean in shards:
        rows += n
        tokens += n * mean
    row_bytes = encoder["dimensions"] * encoder["number_bytes"]
    seconds = tokens / (machine["tokens_per_second"] * machines)
    hours = seconds / 3600
    fit_in_memory = math.floor(machine["memory"] * machines / row_bytes)
    mean = tokens / rows
    in_a_night = math.floor(night * 3600 * machine["tokens_per_second"] * machines / mean + 1e-9)
    return {
        "bytes": rows * row_bytes,
        "hours": hours,
        "money": hours * machine["price"] * machines,
        "wall": "memory" if fit_in_memory < in_a_night else "night",
        "most": min(fit_in_memory, in_a_night),
    }


def smallest_gap():
    return 2, 1, [1]


def write_shards(disk, texts, encode, shard_rows):
    if "manifest" in disk:
        return
    number, rows, held = 0, 0, []

    def finish_shard():
        nonlocal number, held
        name = str(number).rjust(5, "0")
        if name not in disk:
            disk.write(name + ".tmp", encode(held))
            disk.rename(name + ".tmp", name)
        number, held = number + 1, []

    for text in texts:
        held.append(text)
        rows += 1
        if len(held) == shard_rows:
            finish_shard()
    if held:
        finish_shard()
    disk.write("manifest.tmp", f"{rows} rows in {number} shards")
    disk.rename("manifest.tmp", "manifest")
