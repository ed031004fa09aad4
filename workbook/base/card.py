"""The model cards of the base, in the hub's form, written from what was measured and never by hand.

Taught in 07.
"""

from collections.abc import Mapping
from typing import Any

from workbook.base.heads import COLBERT_SIZE
from workbook.base.make import Plan
from workbook.base.texts import WORLDS
from workbook.encoder.model_card import HEAD, TAGS, front_matter

OURS = {"language": "en", "license": "mit"}
NAMES = {"start": "without a single pair", "base": "trained on pairs"}
HEADS = {  # name -> title, the hub's task, what it is, how it was trained, how it is called
    "cross_encoder": (
        "A cross-encoder on the workbook's base",
        "text-ranking",
        "It reads a query and a passage together and gives one number, a logit; larger means more relevant. It does not "
        "search: it orders again what the base has found. It begins as the base, so three numbers are added: the cosine "
        "of the two texts read apart, the cosine of the two means read together, and a weight for each token of the "
        "query that stands in the passage.",
        "A list is a training query and {num_negatives} passages drawn from the first {range_max} that the base finds "
        "among a few thousand. In {worlds} worlds of `planted`, which no chapter uses, one of them is the query's own "
        "passage and the others are wrong; the loss is the cross-entropy of picking it. In `pydocs` the own passage is "
        "left out, for the base knows it by heart, and the others are to get the shares that the base's cosines and "
        "BM25's scores together give them. All of the layers were trained; of each matrix's change the nearest matrix "
        "of the rank above is kept.",
        "load_cross_encoder().predict([(query, passage)])",
    ),
    "colbert": (
        "A ColBERT encoder on the workbook's base",
        "feature-extraction",
        f"It gives one vector of {COLBERT_SIZE} numbers for each token; a passage's score is MaxSim.",
        "The loss is InfoNCE over MaxSim with all passages of a batch. A list is a training query of `pydocs`, "
        "`pydocs-code`, the other packages' documentation or a world of `planted`, its own passage, and "
        "{num_negatives} drawn from the first {range_max} passages that the base finds among a few thousand. In "
        "`planted` no answer is among them; in documentation one that nobody has marked may be.",
        "load_colbert().encode_query([query])",
    ),
}


def card(name: str, plan: Plan, made: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """README.md of one of the two encoders.

    Args:
        name: "start" or "base".
        plan: what it was made by.
        made: "texts", "tuples", "seen": counts; "hours": stage -> hours; "hardware", "versions", "date".
        figures: as `workbook.base.measure.measure` gives them.
    """
    stages = [
        f"1. Words: {plan.pieces:,} pieces of the teacher's vocabulary, the ones that our texts and English use most; "
        "each begins as the teacher's vector of that piece, read alone, cut to its principal directions.",
        f"2. Language modelling: {plan.language_steps:,} steps of {plan.batch_size // 4} windows, 15 % of the tokens hidden, "
        f"learning rate {plan.language_lr:g}.",
        f"3. Distillation: {plan.vector_steps:,} steps of {plan.batch_size} of {made['texts']:,} texts towards the vectors of "
        f"all-MiniLM-L6-v2 (Apache-2.0), and, with a weight of {plan.similarities:g}, towards its likenesses "
        f"within the batch (KL at temperature {plan.similarity_temperature:g}), "
        f"learning rate {plan.vector_lr:g}; {made['hours']['start']:.1f} h with the stage before, and "
        f"{made['hours']['teacher']:.1f} h in which the teacher read them.",
    ]
    if name == "base":
        stages.append(
            f"4. Contrastive training: {plan.pair_steps:,} steps of {plan.batch_size // 4} of {made['tuples']:,} pairs, each batch "
            "from one source, with one hard negative each (titles and bodies, questions and answers, words and definitions, key words and the texts that "
            f"they are drawn from), InfoNCE with temperature {plan.temperature:g}, learning rate {plan.pair_lr:g}, "
            f"{made['hours']['base']:.1f} h"
            + (
                f"; then the mean of the weights before and after, {plan.pair_share:.0%} of them after."
                if plan.pair_share < 1
                else "."
            )
        )
    lines = [
        *front_matter({**OURS, **HEAD, "tags": TAGS, "base_model": "sentence-transformers/all-MiniLM-L6-v2"}),
        f"# The workbook's base encoder, {NAMES[name]}",
        "",
        f"{plan.layers} layers of {plan.hidden_size} dimensions, {plan.pieces:,} pieces, at most {plan.max_length} tokens, mean "
        "pooling, vectors of length 1, no prompts; float16 on disk. It is small enough to be trained on inside a chapter's "
        "minute, and knows enough English that the effect shows. For anything else take a larger one.",
        "",
        "```python",
        "from workbook import encoder",
        "",
        f'encoder.load("{"base" if name == "base" else "base/start"}")  # or SentenceTransformer("datasets/base/{name}")',
        "```",
        "",
        "## How it was made",
        "",
        "`python -m workbook base`, from text that every installation of the workbook has, and WordNet (a package of Debian and of npm):",
        "",
        *stages,
        "",
        _machine(made),
        "",
        "## What it has read",
        "",
        "The training split of `pydocs` and `pydocs-code` (the documentation of the installed packages; their texts are not "
        "redistributed), the documentation of the other installed packages, worlds of `planted` with the seeds "
        f"{WORLDS[0]} to {WORLDS[-1]}, the words and definitions of WordNet (Princeton University, its own free licence), groups of key words from these, and groups of words drawn from the teacher's vocabulary. Not read: the test and "
        "dev queries of `pydocs`, its held-out packages, the world of `planted` that chapters use, `toy`, but for two of its "
        "queries that are words of the dictionary (heart attack, bail). "
        f"`seen.npy` holds short hashes of the {made['seen']:,} different texts; `workbook.data.seen.without_seen` drops and "
        "counts the queries of a collection that are among them.",
        "",
        "## What it can do",
        "",
        "nDCG@10 with the 95 % interval over the queries (bootstrap), and Recall@100. Test queries; how many, and among "
        "how many passages, stands beside each collection.",
        "",
        *_table(figures),
        "",
        "The difference to a rival, over the same queries:",
        "",
        *_gains(name, figures),
        "",
        "## What it cannot do",
        "",
        f"Other languages than English; texts longer than {plan.max_length} tokens, of which the rest is not read; words that neither Python's "
        "documentation nor WordNet's definitions nor the first thousands of BERT's vocabulary hold, which fall into short pieces.",
        "",
    ]
    return "\n".join(lines)


def head_card(name: str, told: Mapping[str, Any]) -> str:
    """README.md of a head.

    Args:
        name: "cross_encoder" or "colbert".
        told: "plan", "lists", "hours", "made" and "figures" of the head, as figures.json has them.
    """
    title, task, what, how, call = HEADS[name]
    plan = told["plan"]
    lines = [
        *front_matter({**OURS, "library_name": "peft", "pipeline_tag": task, "base_model": "datasets/base/base"}),
        f"# {title}",
        "",
        f"{what} Stored is what training has changed, in float16: low-rank updates (LoRA, rank {plan['r']}) of the matrices in the "
        "base's blocks in peft's layout, and in `head.safetensors` the tensors that the head brings itself.",
        "",
        "```python",
        f"from workbook.base import {call.partition('(')[0]}",
        "",
        call,
        "```",
        "",
        "## How it was made",
        "",
        f"`python -m workbook base --head {name}`: {plan['steps']:,} steps of {plan['batch_size']} of {told['lists']:,} lists, learning "
        f"rate {plan['lr']:g}, seed {plan['seed']}, {told['hours']:.1f} h. {how.format(**plan)}",
        "",
        _machine(told["made"]),
        "",
        "It has read what the base has read, and nothing else: see the base's card, and `seen.npy`.",
        "",
        "## What it can do",
        "",
        "nDCG@10 on test queries with the 95 % interval over the queries (bootstrap), and Recall@100. The cross-encoder "
        "reads the base's first 100; ColBERT searches all passages.",
        "",
        *_table(told["figures"]),
        "",
        "The difference to a rival, over the same queries:",
        "",
        *_gains(name, told["figures"]),
        "",
    ]
    return "\n".join(lines)


def _machine(made: Mapping[str, Any]) -> str:
    return (
        f"Processor: {made['hardware']['processor']}, {made['hardware']['cores']} cores, accelerator: "
        f"{made['hardware']['accelerator']}; torch {made['versions']['torch']}; {made['date']}."
    )


def _table(figures: Mapping[str, Any]) -> list[str]:
    lines = ["| collection | system | nDCG@10 | Recall@100 |", "|---|---|---|---|"]
    for collection, found in figures.items():
        of = f"{collection} ({found['queries']:,} among {found['passages']:,})"
        for system, row in found["systems"].items():
            interval = f"{row['ndcg@10']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            lines.append(f"| {of} | {system} | {interval} | {row['recall@100']:.3f} |")
    return lines


def _gains(name: str, figures: Mapping[str, Any]) -> list[str]:
    lines = ["| collection | over | difference |", "|---|---|---|"]
    for collection, found in figures.items():
        for pair, (mean, low, high) in found["gain"].items():
            system, _, rival = pair.partition(" over ")
            if system == name:
                lines.append(f"| {collection} | {rival} | {mean:+.3f} [{low:+.3f}, {high:+.3f}] |")
    return lines
