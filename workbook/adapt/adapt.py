"""Domain adaptation: a model moves to new texts, and you watch what it loses on the old ones.

Everything here is `workbook.train.fit` with an eye on two sets of queries: the domain's, which should gain,
and a general one, which should not lose too much. What is trained is decided before:

    full fine-tuning     adapt(encoder, pairs, domain, general, lr=2e-5)
    LoRA                 add_lora(encoder); adapt(encoder, pairs, domain, general, lr=1e-3); merge(encoder)
    staged               adapt(encoder, weak, …); adapt(encoder, strong, …, reference=first.curve[0]["general"])
    mixed                adapt(encoder, mix_pairs(pairs, general_pairs, share=0.3), …)

Letters: Q queries.

Taught in 18.
"""

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbook.data.collection import Collection, sha256
from workbook.metrics import Interval, bootstrap_ci, evaluate
from workbook.similarity import dense_search
from workbook.train import History, Looks, best, fit, resume

__all__ = ["Adaptation", "adapt", "best", "changes", "evaluate_encoder", "mix_pairs"]

Pairs = Sequence[tuple[str, ...]]
PerQuery = dict[str, dict[str, float]]  # name of a collection -> query id -> value


class Adaptation(NamedTuple):
    """What `adapt` did.

    Attributes:
        history: one record {"step", "loss", "lr"} for each step.
        curve: one record {"step", "domain", "general"} for each look at the two sets; step 0 is the start.
        best_step: after which step the weights were kept.
    """

    history: History
    curve: list[dict[str, float]]
    best_step: int


def adapt(
    encoder: Any,
    pairs: Pairs,
    domain: Collection,
    general: Collection,
    steps: int = 200,
    max_drop: float = 0.02,
    reference: float | None = None,
    evaluate_every: int = 20,
    patience: int = 3,
    metric: str = "ndcg@10",
    checkpoint: str | Path | None = None,
    **options: Any,
) -> Adaptation:
    """Fine-tune an encoder on a domain, and keep its best weights by two sets.

    The rule: of the looks at which the general score was at least reference - max_drop, keep the one with the
    best domain score, the earliest of equals. The start is a look too, so an adaptation that helps nothing, or costs
    too much, changes nothing. After `patience` looks in a row without a new best the training stops.

    Args:
        encoder: a `workbook.encoder.TextEncoder`; it ends with the weights that were kept.
        pairs: what to train on, as in `fit`.
        domain: held-out queries of the new domain, for stopping: test on others.
        general: held-out queries of what the encoder should not forget.
        steps: how many, at most.
        max_drop: what the general score may lose; `math.inf` looks at the domain alone.
        reference: the general score to count from; that of the start by default. A second stage gives the first's.
        evaluate_every: steps between two looks; the last step is looked at too.
        patience: looks without a new best; more than there are turns early stopping off.
        metric: as in `workbook.metrics.evaluate`.
        checkpoint: a folder. The same call on the same folder goes on where the last one was stopped or killed, at
            the last look, and ends in the same weights, history and curve; the encoder's weights are replaced.
        options: passed on to `fit`: loss, batch_size, lr, seed, temperature, dtype, …
    Returns:
        the history, the curve and the best step.
    Raises:
        ValueError: a number is out of range, a set has no queries, `options` has on_step or save_every, which
            belong to this function, or the folder belongs to another run.
    """
    if evaluate_every < 1 or patience < 1 or not max_drop >= 0:
        raise ValueError(
            "evaluate_every and patience must be at least 1 and max_drop at least 0, got "
            f"evaluate_every={evaluate_every}, patience={patience}, max_drop={max_drop}"
        )
    if taken := {"on_step", "save_every"} & options.keys():
        raise ValueError(f"adapt has no {' and no '.join(sorted(taken))}; use workbook.train.fit where you need it")
    sets = {"domain": domain, "general": general}

    def measure() -> dict[str, float]:
        values = evaluate_encoder(encoder, sets, metric)
        return {name: sum(of.values()) / len(of) for name, of in values.items()}

    folder = None if checkpoint is None else Path(checkpoint)
    training = None if folder is None else folder / "training"
    facts = {"metric": metric, "evaluate_every": evaluate_every}
    facts |= {name: sha256(c.corpus, c.queries, c.qrels) for name, c in sets.items()}
    looks = Looks(encoder, measure, max_drop, reference, patience, folder, facts)
    begun = training is not None and (training / resume.NAME).exists()
    if begun and not looks.curve:
        raise ValueError(f"{folder} holds a training without its looks; remove the folder to start anew")
    if not begun:
        looks.restart()
    train = partial(fit, encoder, pairs, steps=steps, checkpoint=training, save_every=evaluate_every, **options)
    history = looks.watch(train, evaluate_every)
    return Adaptation(history, looks.curve, looks.best_step())


def mix_pairs(domain: Pairs, general: Pairs, share: float, seed: int = 0) -> list[tuple[str, ...]]:
    """All pairs of a domain, and so many general ones that these are a given share of the mix.

        general pairs drawn = share / (1 - share) · domain pairs

    Training on some of the old texts is the simplest cure for forgetting.

    Args:
        domain: pairs of the new domain; all are taken.
        general: pairs to draw from, without replacement.
        share: of general pairs in the mix, from 0 to below 1.
        seed: of drawing and shuffling.
    Returns:
        the pairs, shuffled.
    Raises:
        ValueError: share is out of range, there are no domain pairs, or too few general ones.
    """
    if not 0 <= share < 1 or not domain:
        raise ValueError(f"expected domain pairs and a share in [0, 1), got {len(domain)} pairs and share {share}")
    wanted = round(share / (1 - share) * len(domain))
    if wanted > len(general):
        most = len(general) / (len(general) + len(domain))
        raise ValueError(
            f"a share of {share} beside {len(domain)} domain pairs needs {wanted} general pairs, got {len(general)}; "
            f"give more, or a share of at most {math.floor(most * 1000) / 1000}"
        )
    generator = random.Random(seed)
    mixed = [*domain, *generator.sample(list(general), wanted)]
    generator.shuffle(mixed)
    return mixed


def average_weights(before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights on the straight line between two models of one origin.

        weight = (1 - share) · before + share · after

    Args:
        before, after: state dicts of the same model, before a training and after it.
        share: of the weights after, 0 to 1.
    Returns:
        a new state dict; what is no float, such as a counter, as it is after.
    Raises:
        ValueError: the share is out of range, or the two are not of the same model.

    Source: Wortsman et al. 2022 (WiSE-FT).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    if {name: value.shape for name, value in before.items()} != {name: value.shape for name, value in after.items()}:
        raise ValueError("the two state dicts hold other weights; give those of one model, before and after a training")
    return {
        name: torch.lerp(before[name], value, share) if value.is_floating_point() else value.clone()
        for name, value in after.items()
    }


def evaluate_encoder(encoder: Any, collections: Mapping[str, Collection], metric: str = "ndcg@10") -> PerQuery:
    """How well an encoder finds the passages of each collection: one value per query.

    Args:
        encoder: anything with `encode_query` and `encode_document`.
        collections: name -> collection; all its queries that have judgements are asked.
        metric: as in `workbook.metrics.evaluate`.
    Returns:
        name -> query id -> value.
    Raises:
        ValueError: the metric is unknown, or a collection has no judged query.
    """
    values: PerQuery = {}
    for name, collection in collections.items():
        asked = {query: text for query, text in collection.queries.items() if query in collection.qrels}
        if not asked:
            raise ValueError(f"collection {name!r} has no query with judgements; is the split's name right?")
        run = dense_search(encoder, collection.corpus, asked)
        judged = {query: collection.qrels[query] for query in asked}
        values[name] = evaluate(judged, run, [metric], per_query=True)[metric]
    return values


def changes(before: PerQuery, after: PerQuery, confidence: float = 0.95, seed: int = 0) -> dict[str, Interval]:
    """Gain and forgetting: the mean change on each collection, with its bootstrap interval over queries.

        change_q = after_q - before_q

    A collection whose whole interval is below 0 has been forgotten in part.

    Args:
        before, after: what `evaluate_encoder` gave, for the same queries.
        confidence, seed: as in `workbook.metrics.bootstrap_ci`.
    Returns:
        name -> mean, low, high.
    Raises:
        ValueError: the two do not hold the same collections and queries.
    """
    for name in before.keys() | after.keys():
        if before.get(name, {}).keys() != after.get(name, {}).keys():
            raise ValueError(f"before and after hold other queries of {name!r}; evaluate both on the same collections")
    return {
        name: bootstrap_ci([after[name][query] - value for query, value in values.items()], confidence, seed=seed)
        for name, values in before.items()
    }
