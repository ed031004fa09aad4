"""Staged training: an encoder goes through the stages of a recipe, and can be stopped at any moment.

Each stage is one call of the trainer with a folder of its own, so what is finished is read back, what was
stopped goes on, and what has not begun begins. What a stage needs from the one before, the mined
negatives and a teacher's scores, is written down before its first step.

Letters: M negatives of a pair, N pairs.

Taught in 11.
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from workbook.cross_encoder import CrossEncoder, fit_cross_encoder
from workbook.data.collection import Collection, sha256
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.late_interaction.maxsim import maxsim_one
from workbook.losses import info_nce
from workbook.mining.mine import mine_hard_negatives, training_tuples
from workbook.pooling import POOLINGS
from workbook.pretraining.objectives import MaskedLanguageModel, NextTokenModel, pretrain, seeded_weights
from workbook.pretraining.retromae import RetroMAE
from workbook.recipes.families import Recipe, TrainingStage, distilled
from workbook.recipes.sources import Pair, Sources, sources
from workbook.rerank.distillation import teacher_scores
from workbook.similarity import normalize
from workbook.support.checks import check_choice
from workbook.support.files import write_json
from workbook.support.types import Reranker
from workbook.train import History, fit, source_shares
from workbook.training_data import refuse_evaluation_texts

Tuples = list[tuple[str, ...]]
Miner = Callable[[TextEncoder, Sequence[Pair], Sequence[str], int, int], Tuples]


def build(
    recipe: Recipe,
    tokenizer: Tokenizer,
    hidden_size: int = 128,
    num_layers: int = 2,
    num_heads: int = 4,
    max_length: int = 64,
    seed: int = 0,
) -> TextEncoder:
    """An untrained encoder of the kind that a recipe needs: its pooling, its prompts, causal or not.

    Args:
        recipe: which family.
        tokenizer: strings to ids.
        hidden_size, num_layers, num_heads: of the transformer.
        max_length: tokens of a text, prompt included.
        seed: of the first weights; the global random state is left as it was.
    """
    with seeded_weights(seed):
        backbone = TransformerEncoder(
            tokenizer.get_vocab_size(), hidden_size, num_layers, num_heads, max_length=max_length, causal=recipe.causal
        )
    return TextEncoder(
        tokenizer, backbone, POOLINGS[recipe.pooling], max_length=max_length, query_prompt=recipe.query_prompt,
        document_prompt=recipe.document_prompt,
    )  # fmt: skip


def started_from(recipe: Recipe, encoder: TextEncoder, max_length: int | None = None) -> TextEncoder:
    """A copy of an encoder that exists, as a recipe needs it: its pooling, its prompts, causal or not.

    A backbone that is there already takes the place of a recipe's stage on texts: train the rest, `without` that stage.

    Args:
        recipe: which family.
        encoder: left as it is; a `TransformerEncoder` is its backbone.
        max_length: tokens of a text, prompt included; the encoder's own by default.
    Raises:
        TypeError: the backbone is another one, which cannot be told whether to look ahead.
    """
    if not isinstance(encoder.backbone, TransformerEncoder):
        raise TypeError(f"expected an encoder around a TransformerEncoder, got {type(encoder.backbone).__name__}")
    backbone = TransformerEncoder(**{**encoder.backbone.config, "causal": recipe.causal})
    backbone.load_state_dict(encoder.backbone.state_dict())
    return TextEncoder(
        encoder.tokenizer, backbone, POOLINGS[recipe.pooling], max_length=max_length or encoder.max_length,
        query_prompt=recipe.query_prompt, document_prompt=recipe.document_prompt,
    )  # fmt: skip


def stage_steps(shares: Sequence[float], steps: int) -> list[int]:
    """How many steps each stage gets: one, and its share of the others. Together they are `steps`.

    Shares are cut to whole steps; what is left goes, one each, to the stages that lost most by the cut, of equal ones to
    the earlier. Fewer steps than stages are raised to one for each stage.

    Args:
        shares: of the stages, in their order; they add up to 1.
        steps: of all stages together.
    """
    due = [share * max(0, steps - len(shares)) for share in shares]
    counts = [1 + int(number) for number in due]
    most_lost = sorted(range(len(shares)), key=lambda i: int(due[i]) - due[i])
    for i in most_lost[: max(0, steps - sum(counts))]:
        counts[i] += 1
    return counts


def run_recipe(
    recipe: Recipe,
    data: Sources | Collection,
    steps: int = 300,
    folder: str | Path | None = None,
    seed: int = 0,
    encoder: TextEncoder | None = None,
    mine: Miner | None = None,
    teacher: Reranker | None = None,
    on_step: Callable[[str, dict[str, float]], Any] | None = None,
    save_every: int = 100,
    dtype: torch.dtype | None = None,
) -> tuple[TextEncoder, dict[str, History]]:
    """Train an encoder through all stages of a recipe.

    Args:
        recipe: one of `workbook.recipes.families`, or your own.
        data: what to train on; a collection goes through `sources`.
        steps: of all stages together, divided as in `stage_steps`.
        folder: where each stage keeps its checkpoint. The same call on the same folder goes on where the
            last one was stopped or killed, and ends in the same weights.
        seed: decides first weights, batches, what is hidden, and the spans of a collection.
        encoder: what to start from, such as `build(...)` in another size or `started_from(...)`; trained in place. By default one
            of `build`, with a vocabulary learned from the data. Where the folder holds a run, its weights
            replace the encoder's.
        mine: (encoder, pairs, corpus, num_negatives, seed) -> tuples (query, positive, negative, …);
            `mine_negatives` by default. What a folder holds is not mined again.
        teacher: anything with predict([(query, passage), …]) -> scores. By default a stage of kind
            "distillation" that is taught by a cross-encoder trains one of its own, with as many steps again, from a copy
            of the backbone; these come on top of the budget.
        on_step: called with the stage's name and the record of each step; the run stops when it returns True.
        save_every: steps between two checkpoints of a stage.
        dtype: `torch.bfloat16` trains under autocast.
    Returns:
        the encoder, with the recipe's prompts, and stage name -> history. A query prompt that no stage has put before
        its queries is left out: the encoder has never met it.
    Raises:
        ValueError: training texts are evaluation texts, the folder belongs to another run, or the recipe is
            not one that can be run.
    """
    _check(recipe)
    if isinstance(data, Collection):
        data = sources(data, seed=seed)
    texts = data.texts + [text for _, pair in data.pairs("all") for text in pair]
    refuse_evaluation_texts(texts, data.evaluation)
    if encoder is None:
        encoder = build(recipe, train_tokenizer(texts, 8_000), seed=seed)
    if folder is not None:
        facts = {"recipe": asdict(recipe), "steps": steps, "seed": seed}
        facts["data"] = sha256(data.texts, data.weak, data.labelled, data.instructions)
        _refuse_other(Path(folder) / "recipe.json", json.loads(json.dumps(facts)))  # tuples become lists, as saved

    histories: dict[str, History] = {}
    stopped: list[str] = []
    counts = stage_steps([stage.share for stage in recipe.stages], steps)
    for number, (stage, count) in enumerate(zip(recipe.stages, counts, strict=True)):

        def watch(record: dict[str, float], name: str = stage.name) -> bool:
            if on_step is not None and on_step(name, record) is True:
                stopped.append(name)
            return bool(stopped)

        place = None if folder is None else Path(folder) / f"{number + 1}-{stage.name.replace(' ', '-')}"
        options: dict[str, Any] = {
            "steps": count, "batch_size": stage.batch_size, "lr": stage.lr,
            "seed": seed + number, "save_every": save_every, "dtype": dtype,
        }  # fmt: skip
        mine = mine or mine_negatives
        histories[stage.name] = _train(stage, recipe, encoder, data, options, place, watch, mine, teacher)
        if stopped:
            break
    first = next(iter(data.labelled), "")
    task = data.instructions.get(first, first)
    met = any(stage.prompted and stage.kind not in PRETRAINING for stage in recipe.stages)
    encoder.query_prompt = recipe.query_prompt.replace("{task}", task) if met else ""
    encoder.document_prompt = recipe.document_prompt.replace("{task}", task)
    return encoder, histories


def mine_negatives(
    encoder: TextEncoder,
    pairs: Sequence[Pair],
    corpus: Sequence[str],
    num_negatives: int,
    seed: int,
    **options: Any,
) -> Tuples:
    """Hard negatives by the encoder itself, drawn from the first ranks below 95 % of the positive's score.

    Args:
        encoder: searches.
        pairs: (query, positive).
        corpus: passages to search; the positives are searched too.
        num_negatives: M.
        seed: decides which of the first ranks.
        options: of `workbook.mining.mine_hard_negatives`, in place of the settings named above.
    Returns:
        (query, positive, negative_1, …, negative_M), grouped by query.
    """
    # A text is its own id.
    queries = {query: query for query, _ in pairs}
    passages = {text: text for text in [*(positive for _, positive in pairs), *corpus]}
    qrels: dict[str, dict[str, int]] = {query: {} for query in queries}
    for query, positive in pairs:
        qrels[query][positive] = 1
    usual: dict[str, Any] = {
        "range_max": max(30, num_negatives), "relative_margin": 0.05, "sampling_strategy": "random", "too_few": "pad",
    }  # fmt: skip
    settings = usual | options
    mined = mine_hard_negatives(queries, passages, qrels, encoder, num_negatives=num_negatives, seed=seed, **settings)
    return training_tuples(mined, queries, passages)


PRETRAINING: dict[str, Callable[[TrainingStage, TextEncoder, int], Any]] = {
    "mlm": lambda stage, encoder, seed: MaskedLanguageModel(encoder, stage.rate, seed),
    "retromae": lambda stage, encoder, seed: RetroMAE(encoder, stage.rate, seed=seed),
    "next_token": lambda stage, encoder, seed: NextTokenModel(encoder),
}


def _train(
    stage: TrainingStage, recipe: Recipe, encoder: TextEncoder, data: Sources, options: dict[str, Any],
    place: Path | None, watch: Callable[[dict[str, float]], bool], mine: Miner, teacher: Reranker | None,
) -> History:  # fmt: skip
    """One stage: a pre-training on the texts, or a training on pairs under the stage's loss."""
    running = {**options, "on_step": watch, "checkpoint": None if place is None else place / "training"}
    if stage.kind in PRETRAINING:
        return pretrain(PRETRAINING[stage.kind](stage, encoder, options["seed"]), data.texts, **running)

    by_source = data.pairs(stage.data)
    prompt = recipe.query_prompt if stage.prompted else ""
    document_prompt = recipe.document_prompt if stage.prompted or "{task}" not in recipe.document_prompt else ""
    encoder.query_prompt, encoder.document_prompt = prompt, document_prompt
    if "{task}" in prompt + document_prompt:  # another one for each source, so they become part of the texts
        encoder.query_prompt = encoder.document_prompt = ""
        by_source = [
            (source, (_filled(prompt, source, data) + query, _filled(document_prompt, source, data) + passage))
            for source, (query, passage) in by_source
        ]
    tuples: Tuples = [pair for _, pair in by_source]
    labels: Tensor | None = None
    if stage.num_negatives:
        tuples, labels = _prepared(stage, encoder, tuples, data.texts, options, place, mine, teacher)
    loss: Callable[..., Tensor] = info_nce
    settings: dict[str, Any] = {"directions": stage.directions, "partition_mode": stage.partition_mode}
    if stage.kind == "distillation":
        loss, settings["alpha"] = distilled, stage.alpha
    if stage.one_source:
        source_of = {pair: source for source, pair in by_source}  # mining regroups the tuples
        running["groups"] = [source_of[query, positive] for query, positive, *_ in tuples]
        if stage.source_alpha != 1 or stage.source_weights:
            sizes = Counter(running["groups"])
            running["shares"] = source_shares(sizes, stage.source_alpha, dict(stage.source_weights))
    return fit(encoder, tuples, partial(loss, **settings), temperature=stage.temperature, labels=labels, **running)


def _filled(prompt: str, source: str, data: Sources) -> str:
    """A prompt with the instruction of a source; the source's own name where it has none."""
    return prompt.replace("{task}", data.instructions.get(source, source))


def _prepared(
    stage: TrainingStage, encoder: TextEncoder, pairs: Tuples, corpus: list[str], options: dict[str, Any],
    place: Path | None, mine: Miner, teacher: Reranker | None,
) -> tuple[Tuples, Tensor | None]:  # fmt: skip
    """Pairs with mined negatives, and the teacher's scores of them; from the stage's folder if they are there."""
    path = None if place is None else place / "tuples.json"
    if path is not None and path.exists():
        saved = json.loads(path.read_text("utf-8"))
        return [tuple(x) for x in saved["tuples"]], None if saved["labels"] is None else torch.tensor(saved["labels"])
    plain_pairs = [(query, positive) for query, positive, *_ in pairs]
    tuples, labels = mine(encoder, plain_pairs, corpus, stage.num_negatives, options["seed"]), None
    if stage.kind == "distillation":
        if stage.taught_by == "itself":
            teacher = OwnScores(encoder, stage.temperature)
        labels = teacher_scores(teacher or _own_teacher(encoder, tuples, options, place), tuples)
    if path is not None:
        write_json(path, {"tuples": tuples, "labels": None if labels is None else labels.tolist()})
    return tuples, labels


class OwnScores:
    """An encoder as its own teacher: cosine of the texts and MaxSim of their tokens, together surer than the first alone.

        score = (cos(q, d) + 1/S sum_s max_t cos(q_s, d_t)) / 2 / temperature

    BGE-M3 gives each kind of score a projection of its own, and adds one by words.

    Args:
        encoder: as it is now; it need not stay so, once the scores are taken.
        temperature: of the student, so that both distributions are equally sharp.

    Source: Chen et al. 2024 (BGE-M3).
    """

    def __init__(self, encoder: TextEncoder, temperature: float):
        self.encoder, self.temperature = encoder, temperature

    def predict(self, pairs: Sequence[Pair]) -> np.ndarray:
        """(query, passage) pairs -> (N,) logits."""
        sides = [list(dict.fromkeys(side)) for side in zip(*pairs, strict=True)]
        prompts = (self.encoder.query_prompt, self.encoder.document_prompt)
        texts, tokens = [], []
        for side, prompt in zip(sides, prompts, strict=True):
            texts.append(dict(zip(side, self.encoder.encode(side, prompt), strict=True)))
            of_side = [normalize(torch.from_numpy(t)) for t in self.encoder.encode_tokens(side, prompt)]
            tokens.append(dict(zip(side, of_side, strict=True)))
        cosines = np.array([float(texts[0][q] @ texts[1][d]) for q, d in pairs])
        late = np.array([float(maxsim_one(tokens[0][q], tokens[1][d])) / len(tokens[0][q]) for q, d in pairs])
        scores: np.ndarray = (cosines + late) / 2 / self.temperature
        return scores


def _own_teacher(encoder: TextEncoder, tuples: Tuples, options: dict[str, Any], place: Path | None) -> Reranker:
    """A cross-encoder from a copy of the encoder's backbone, trained to find the positive of each tuple."""
    backbone: Any = copy.deepcopy(encoder.backbone)
    with seeded_weights(options["seed"]):
        teacher = CrossEncoder(encoder.tokenizer, backbone, max_length=backbone.max_length).to(encoder.device)
    options = {**options, "batch_size": min(16, options["batch_size"])}
    fit_cross_encoder(teacher, tuples, **options, checkpoint=None if place is None else place / "teacher")
    return teacher


def _check(recipe: Recipe) -> None:
    names = [stage.name for stage in recipe.stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a recipe needs stages, each with a name of its own, got {names}")
    for stage in recipe.stages:
        on_texts = stage.kind in PRETRAINING
        if not on_texts and stage.kind not in ("contrastive", "distillation"):
            raise ValueError(
                f"stage {stage.name!r} has kind {stage.kind!r}; expected {', '.join(PRETRAINING)}, contrastive or distillation"
            )
        if on_texts != (stage.data == "texts") or stage.data not in ("texts", "weak", "labelled", "all"):
            raise ValueError(
                f"stage {stage.name!r} of kind {stage.kind!r} has data {stage.data!r}; a pre-training takes texts, the "
                "others take weak, labelled or all"
            )
        if stage.kind == "distillation" and not stage.num_negatives:
            raise ValueError(f"stage {stage.name!r} needs num_negatives of at least 1: a teacher compares passages")
        check_choice("taught_by", stage.taught_by, ("cross-encoder", "itself"))
        if (stage.source_alpha != 1 or stage.source_weights) and not stage.one_source:
            raise ValueError(f"stage {stage.name!r} draws sources by its own shares, so it needs one_source=True")


def _refuse_other(path: Path, facts: Mapping[str, Any]) -> None:
    """Write down what a folder's run is; refuse a folder that holds another."""
    if not path.exists():
        write_json(path, facts)
        return
    saved = json.loads(path.read_text("utf-8"))
    differ = [name for name in facts if saved.get(name) != facts[name]]
    if differ:
        raise ValueError(
            f"{path.parent} holds another run: {', '.join(differ)} differ; go on with the same settings, or give this "
            "run a folder of its own"
        )
