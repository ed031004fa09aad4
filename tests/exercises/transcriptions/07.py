"""What someone types who follows the contracts of chapter 07 word by word."""

import numpy as np
import torch


def schedule(step, steps, warmup_steps):
    if step < warmup_steps:
        part = 1 / (warmup_steps + 1)
        return float((step + 1) * part)
    way = steps - warmup_steps
    return 1 - (step - warmup_steps) / way


def where_to_stop(looks, patience):
    best_ndcg = None
    kept = None
    in_a_row = 0
    for step, _loss, ndcg in looks:
        if ndcg is None:
            continue
        if best_ndcg is None or ndcg > best_ndcg:
            best_ndcg = ndcg
            kept = step
            in_a_row = 0
        else:
            in_a_row = in_a_row + 1
            if in_a_row == patience:
                return (kept, step)
    last_step = looks[-1][0]
    return (kept, last_step)


def next_rows(place, num_pairs, batch_size, seed):
    e = 0
    while place >= num_pairs:
        place = place - num_pairs
        e = e + 1
    order = np.random.default_rng([seed, e]).permutation(num_pairs)
    left = num_pairs - place
    rows = []
    for i in range(min(batch_size, left)):
        rows.append(int(order[place + i]))
    return rows


def loss_for(rows, labels=None):
    texts = len(rows[0])
    if texts == 1:
        return "batch_hard_triplet_loss"
    if labels is None:
        return "info_nce"
    if texts == 2:
        for label in labels:
            if label != 0 and label != 1:
                return "cosent"
        return "contrastive_loss"
    if isinstance(labels[0], (list, tuple)):
        return "distill_kl"
    return "margin_mse"


def shortest_training():
    gradients = [3.0, 1.0]
    stop = 1
    return gradients, stop


def train(run, until, chest=None):
    model, optimizer = run.start()
    if chest is None:
        chest = {
            "weights": model.state_dict(),
            "moments": optimizer.state_dict(),
            "step": 0,
            "place": 0,
            "random": torch.get_rng_state(),
        }
    model.load_state_dict(chest["weights"])
    optimizer.load_state_dict(chest["moments"])
    torch.set_rng_state(chest["random"])
    place = chest["place"]
    for step in range(chest["step"], until):
        for group in optimizer.param_groups:
            group["lr"] = run.rate(step)
        rows = run.rows(place)
        loss = run.loss(model, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        place = place + len(rows)
    return {
        "weights": model.state_dict(),
        "moments": optimizer.state_dict(),
        "step": until,
        "place": place,
        "random": torch.get_rng_state(),
    }
