"""What someone types who follows the contracts of chapter 18 word by word."""

import math

import torch


def lora_linear(x, weight, bias, lora_A, lora_B, alpha):
    W, b = weight.detach(), bias.detach()
    r = len(lora_A)
    rows = []
    for one in x:
        rows.append(W @ one + b + (alpha / r) * (lora_B @ (lora_A @ one)))
    return torch.stack(rows)


def smallest_example():
    return torch.tensor([1]), torch.tensor([0]), torch.tensor([[5]]), torch.tensor([[-2]])


def set_merged(layer, merged):
    result = {}
    for key in ("weight", "lora_A", "lora_B", "alpha", "merged"):
        result[key] = layer[key]
    update = (layer["alpha"] / len(layer["lora_A"])) * (layer["lora_B"] @ layer["lora_A"])
    if merged and not layer["merged"]:
        result["weight"] = layer["weight"] + update
    if not merged and layer["merged"]:
        result["weight"] = layer["weight"] - update
    result["merged"] = merged
    return result


def average(before, after, alpha):
    for name in before:
        if name not in after:
            raise ValueError
    for name in after:
        if name not in before:
            raise ValueError
    result = {}
    for name in before:
        if before[name].dtype in (torch.float16, torch.float32, torch.float64):
            result[name] = (1 - alpha) * before[name] + alpha * after[name]
        else:
            result[name] = after[name]
    return result


def check_to_keep(new, old, patience, tolerance):
    best = 0
    in_a_row = 0
    for i in range(1, len(new)):
        may_be_kept = old[i] >= old[0] - tolerance
        if may_be_kept and new[i] > new[best]:
            best = i
            in_a_row = 0
        else:
            in_a_row = in_a_row + 1
        if in_a_row == patience:
            return best, i
    return best, len(new) - 1


def mixed_batches(domain, general, percent, batch_size, num_batches):
    def next_one(source, place, batch):
        for looked_at in range(len(source)):
            here = (place + looked_at) % len(source)
            if source[here] not in batch:
                return source[here], here + 1
        raise ValueError

    place_in_domain = 0
    place_in_general = 0
    general_so_far = 0
    batches = []
    for b in range(1, num_batches + 1):
        together = math.floor(b * batch_size * percent / 100)
        count = together - general_so_far
        general_so_far = together
        batch = []
        for _ in range(batch_size - count):
            pair, place_in_domain = next_one(domain, place_in_domain, batch)
            batch.append(pair)
        for _ in range(count):
            pair, place_in_general = next_one(general, place_in_general, batch)
            batch.append(pair)
        batches.append(batch)
    return batches


def four_bits(numbers, levels, block):
    codes, largest_of_blocks, values = [], [], []
    for start in range(0, len(numbers), block):
        piece = [float(number) for number in numbers[start : start + block]]
        largest = max(abs(number) for number in piece)
        largest_of_blocks.append(largest)
        for number in piece:
            divided = number / (1 if largest == 0 else largest)
            distances = [abs(divided - float(level)) for level in levels]
            code = distances.index(min(distances))
            codes.append(code)
            values.append(float(levels[code]) * largest)
    return torch.tensor(codes), torch.tensor(largest_of_blocks), torch.tensor(values)
