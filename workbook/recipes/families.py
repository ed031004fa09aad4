"""Recipes: how the well-known families of embedding models were trained, each as data.

A recipe is a list of stages, and a stage is a training like any other: on texts alone, on weak pairs, on
labelled pairs with hard negatives, or after a teacher's scores. What makes a family is which stages, in
which order, with which pooling, prompts, loss and temperature. These are the published ones. Sizes are
not: `published` says what they were, and each docstring what is smaller here or left out.

Each number in `Published` was looked up in November 2026, in the source that stands beside it. What only other people's
notes say is named in `reported`; what was not found is None. Poolings and prompts are those of the model cards.

    recipe = recipes.bge()
    encoder, history = run_recipe(recipe, docs, steps=300, folder="runs/bge")      workbook.recipes.run

A recipe is plain data: `dataclasses.replace(recipe, stages=recipe.stages[::-1])` is the same recipe in
the wrong order, and `without(recipe, "weak pairs")` has one stage less.

Letters: B pairs in a batch, M negatives of a pair, D dimensions.

Taught in 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from torch import Tensor

from workbook.losses import DIRECTIONS, distill_kl, info_nce
from workbook.similarity import normalize

ONE_WAY = ("query_to_doc",)
BOTH_WAYS = ("query_to_doc", "doc_to_query")
NOT_FOUND, NOT_APPLICABLE = "not found", "–"


@dataclass(frozen=True)
class Published:
    """What the authors did in a stage, at full size; None where it was not found in what was read.

    Attributes:
        source: where it was read: a paper's table or section, or the authors' code.
        data: what was trained on, in words.
        examples: how many texts or pairs that were.
        batch_size: texts or pairs of a batch; the largest, where it follows the length of the texts.
        steps, epochs: how long; one of the two is enough.
        lr: the highest learning rate; of the base size, where sizes differ.
        temperature: divides the cosines. A stage on texts alone has none.
        num_negatives: hard negatives of each query.
        max_length: tokens of a text.
        hardware: what it ran on, and for how long.
        taken_over: the authors began with a model that others had trained; what is None here was no matter of theirs.
        note: what else tells this stage from others.
        reported: which of these stand in other people's notes only: look before you quote them.
    """

    source: str
    data: str | None = None
    examples: int | None = None
    batch_size: int | None = None
    steps: int | None = None
    epochs: int | None = None
    lr: float | None = None
    temperature: float | None = None
    num_negatives: int | None = None
    max_length: int | None = None
    hardware: str | None = None
    taken_over: bool = False
    note: str = ""
    reported: tuple[str, ...] = ()

    def told(self, name: str) -> str:
        """One of the attributes in words, such as "16,384", "15 (reported)" or "not found"; epochs where steps are not told."""
        value = getattr(self, name)
        if value is None and name == "steps" and self.epochs is not None:
            return f"{self.told('epochs')} epochs" if self.epochs > 1 else "1 epoch"
        if value is None:
            return NOT_APPLICABLE if self.taken_over else NOT_FOUND
        words = f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
        words = words.replace("e-0", "e-")
        return f"{words} (reported)" if name in self.reported else words


@dataclass(frozen=True)
class TrainingStage:
    """One training among several.

    Attributes:
        name: what it is called in the history and in its folder.
        kind: "mlm", "retromae" or "next_token", on texts alone; "contrastive", on pairs; "distillation", on
            pairs with hard negatives and a teacher's scores.
        data: "texts", "weak", "labelled", or "all" pairs, weak and labelled.
        share: of the whole budget of steps.
        batch_size: texts or pairs in a batch.
        lr: the highest learning rate.
        published: what the authors did here, at full size.
        temperature: divides the cosines.
        directions, partition_mode: which way the loss looks, as in `info_nce`.
        num_negatives: hard negatives of each query, mined with the encoder as this stage finds it.
        one_source: every batch is drawn from one source, so a pair's negatives come from its own.
        source_alpha: with one_source, a source of n pairs is drawn with probability ∝ n^source_alpha; 1 draws by size.
        source_weights: (source, weight), for sources that count more or less than their size says; 1 for the others.
        prompted: whether queries carry the recipe's prompt in this stage.
        rate: share of the tokens hidden, for "mlm" and, from the encoder, for "retromae".
        alpha: weight of the contrastive loss beside the teacher's, for "distillation".
        taught_by: who gives the scores, for "distillation": "cross-encoder", or "itself", the encoder's own vectors of
            texts and of tokens together.
    """

    name: str
    kind: str
    data: str
    share: float
    batch_size: int
    lr: float
    published: Published
    temperature: float = 0.05
    directions: tuple[str, ...] = ONE_WAY
    partition_mode: str = "joint"
    num_negatives: int = 0
    one_source: bool = False
    source_alpha: float = 1.0
    source_weights: tuple[tuple[str, float], ...] = ()
    prompted: bool = True
    rate: float = 0.15
    alpha: float = 0.2
    taught_by: str = "cross-encoder"


@dataclass(frozen=True)
class Recipe:
    """A family of models: an encoder of one kind, and the stages it goes through.

    Attributes:
        name: of the family.
        pooling: "mean", "cls" or "lasttoken", as sentence-transformers calls them.
        query_prompt: what stands before a query; "{task}" in it is filled with the instruction of its source.
        document_prompt: what stands before a passage; "{task}" as before.
        causal: each token sees only what stands before it, as in a language model.
        stages: in the order of training.
        source: papers and model card.
    """

    name: str
    pooling: str
    query_prompt: str
    document_prompt: str
    causal: bool
    stages: tuple[TrainingStage, ...]
    source: str


def without(recipe: Recipe, *names: str) -> Recipe:
    """A recipe without some of its stages; the others share their steps, each in proportion to its own.

    Args:
        recipe: stays as it is.
        names: of the stages that go.
    Raises:
        ValueError: a name is not that of a stage, or none would be left.
    """
    stages = [stage for stage in recipe.stages if stage.name not in names]
    if not stages or len(stages) + len(set(names)) != len(recipe.stages):
        raise ValueError(
            f"expected names of some stages of {recipe.name}, {[stage.name for stage in recipe.stages]}, got {list(names)}"
        )
    total = sum(stage.share for stage in stages)
    return replace(recipe, stages=tuple(replace(stage, share=stage.share / total) for stage in stages))


def instructed(recipe: Recipe, sides: str) -> Recipe:
    """A recipe with its query prompt on "query", on "both" sides, or on "none".

    Raises:
        ValueError: sides is none of these.
    """
    prompt = recipe.query_prompt
    prompts = {"query": (prompt, recipe.document_prompt), "both": (prompt, prompt), "none": ("", "")}
    if sides not in prompts:
        raise ValueError(f"sides must be one of {', '.join(prompts)}, got {sides!r}")
    return replace(recipe, query_prompt=prompts[sides][0], document_prompt=prompts[sides][1])


def published_table(recipes: Sequence[Recipe]) -> list[dict[str, str]]:
    """One row for each stage of some recipes, with what its authors did, in words.

    Returns:
        rows with the keys "family", "stage", and the attributes of `Published`.
    """
    columns = [
        field.name for field in fields(Published) if field.name not in ("epochs", "taken_over", "note", "reported")
    ]
    of_pairs = ("temperature", "num_negatives")  # a stage on texts alone has neither
    return [
        {"family": recipe.name, "stage": stage.name}
        | {
            name: NOT_APPLICABLE if stage.data == "texts" and name in of_pairs else stage.published.told(name)
            for name in columns
        }
        for recipe in recipes
        for stage in recipe.stages
    ]


# What most families have in common in miniature: name, kind, data, share, batch size and learning rate.
_backbone = partial(TrainingStage, "backbone", "mlm", "texts", 0.2, 32, 1e-3)
_weak_pairs = partial(TrainingStage, "weak pairs", "contrastive", "weak", 0.5, 64, 1e-3)
_hard_negatives = partial(TrainingStage, "hard negatives", "contrastive", "labelled", 0.3, 32, 5e-4)


def e5() -> Recipe:
    """E5: many weak pairs first, then few good ones, with a teacher.

    Published: mean pooling, "query: " and "passage: ", temperature 0.01. Weak pairs from the web, each kept only if a
    first model finds its passage among the first two of a million; in-batch negatives in very large batches. Then MS
    MARCO, NQ and NLI with mined negatives, where a cross-encoder's distribution is learned too:
    KL(teacher ‖ student) + 0.2 · InfoNCE. The teacher is not public; its author says that plain InfoNCE is nearly as good.

    Smaller here: a backbone from scratch or one that is given; no consistency filter; a small cross-encoder, trained on
    the same tuples, in place of a strong reranker; no NLI; 3 negatives.

    Source: Wang et al. 2022, arXiv:2212.03533; Zhu et al. 2024, arXiv:2404.12096, table 4 (the settings of E5-base);
    model cards intfloat/e5-*.
    """
    settings = "Zhu et al. 2024, arXiv:2404.12096, table 4 and appendix A"
    return Recipe(
        "e5", "mean", "query: ", "passage: ", False,
        (
            _backbone(Published(settings, data="a BERT that exists", taken_over=True)),
            _weak_pairs(
                Published(f"{settings}; pairs: Wang et al. 2022, section 3", data="pairs from the web, filtered: 1.3 billion before",
                          examples=270_000_000, batch_size=32_768, steps=20_000, lr=2e-4, temperature=0.01, num_negatives=0,
                          max_length=128, note="the source prints a batch of 32k", reported=("batch_size",)),
                temperature=0.01),
            TrainingStage("distillation", "distillation", "labelled", 0.3, 32, 5e-4,
                  Published(settings, data="MS MARCO, NQ, NLI", batch_size=256, epochs=3, lr=2e-5, temperature=0.01,
                            num_negatives=7, max_length=192, note="negatives and teacher's scores are SimLM's"),
                  temperature=0.01, num_negatives=3, alpha=0.2),
        ),
        "Wang et al. 2022, arXiv:2212.03533; Zhu et al. 2024, arXiv:2404.12096; model cards intfloat/e5-*",
    )  # fmt: skip


def bge() -> Recipe:
    """BGE: a backbone that is pre-trained for the sentence vector, and an instruction for queries.

    Published: RetroMAE on plain text, then the [CLS] vector, temperature 0.01. Weak pairs with in-batch
    negatives only; then labelled pairs with one mined negative each, and an instruction before the queries
    of retrieval tasks. Passages carry none. The paper's batch of 19,200 is that of the Chinese model; the authors gave
    32,784 for the English one, and corrected it to 33,467.

    Smaller here: RetroMAE from scratch or from an encoder that is given, rather than from BERT; one task, so one
    instruction. That version 1.5 in Chinese was merged from a model with and one without instruction is left out.

    Source: Xiao et al. 2023 (C-Pack), arXiv:2309.07597; Xiao et al. 2022 (RetroMAE), arXiv:2205.12035; model
    cards BAAI/bge-*-en; FlagOpen/FlagEmbedding, README and issue 25.
    """
    paper = "Xiao et al. 2023, arXiv:2309.07597"
    return Recipe(
        "bge", "cls", "Represent this sentence for searching relevant passages: ", "", False,
        (
            TrainingStage("retromae", "retromae", "texts", 0.2, 32, 1e-3, Published(paper, data="plain texts"), rate=0.3),
            _weak_pairs(
                Published(f"{paper}, table 4; FlagEmbedding's README and issue 25", data="unlabelled pairs", batch_size=33_467,
                          temperature=0.01, num_negatives=0, hardware="48 A100 of 40 GB; Chinese model 24",
                          note="English model; first given as 32,784; the Chinese model's batch is 19,200"),
                temperature=0.01, prompted=False),
            _hard_negatives(Published(f"{paper}, table 3", data="labelled pairs of several tasks", temperature=0.01,
                                      num_negatives=1, note="an instruction before the queries of retrieval tasks"),
                            temperature=0.01, num_negatives=1),
        ),
        "Xiao et al. 2023, arXiv:2309.07597; Xiao et al. 2022, arXiv:2205.12035; model cards BAAI/bge-*-en",
    )  # fmt: skip


def bge_m3() -> Recipe:
    """BGE-M3: many languages, long texts and three kinds of vectors, which in the end teach each other.

    Published: RetroMAE, then 1.2 billion unlabelled pairs in batches of texts of one length, then fine-tuning with 7
    negatives, and at last self-distillation: the sum of the scores by one vector, by words and by token vectors teaches
    each of the three. [CLS] is the vector of a text; no prompts.

    Smaller here: one language, short texts, and one kind of vector. So in self-distillation the teacher is the cosine of
    the texts and the MaxSim of their tokens, which no projection of their own has learned, and the score by words
    is left out. The temperature was not found; here it is that of BGE. 3 negatives.

    Source: Chen et al. 2024, arXiv:2402.03216, appendix B.1 and table 9; model card BAAI/bge-m3.
    """
    paper = "Chen et al. 2024, arXiv:2402.03216, appendix B.1"
    return Recipe(
        "bge_m3", "cls", "", "", False,
        (
            TrainingStage("retromae", "retromae", "texts", 0.2, 32, 1e-3,
                  Published(paper, data="texts in 105 languages", examples=184_000_000, steps=20_000, lr=7e-5), rate=0.3),
            TrainingStage("weak pairs", "contrastive", "weak", 0.4, 64, 1e-3,
                Published(f"{paper} and table 9", data="unlabelled pairs in 194 languages", examples=1_200_000_000,
                          batch_size=67_200, steps=25_000, lr=5e-5, num_negatives=0, max_length=8_192,
                          note="batch of texts up to 500 tokens; 9,984 of the longest"),
                temperature=0.01),
            TrainingStage("hard negatives", "contrastive", "labelled", 0.2, 32, 5e-4,
                Published(f"{paper} and table 9", batch_size=1_152, num_negatives=7,
                          note="batch of the shortest texts, 192 of the longest; 6,000 steps of warm-up"),
                temperature=0.01, num_negatives=3),
            TrainingStage("self-distillation", "distillation", "labelled", 0.2, 32, 5e-4,
                  Published(paper, data="the same pairs", num_negatives=7, note="three kinds of scores, and their sum as teacher"),
                  temperature=0.01, num_negatives=3, alpha=1.0, taught_by="itself"),
        ),
        "Chen et al. 2024, arXiv:2402.03216; model card BAAI/bge-m3",
    )  # fmt: skip


def gte() -> Recipe:
    """GTE: no prompts, many sources, and a loss that looks in all four directions.

    Published: mean pooling, temperature 0.01, nothing before the texts. The loss puts passages, queries of the
    others, and passages against passages into one sum. 788 million weak pairs of 33 sources, which nobody filtered; each
    batch comes from one of them, drawn by its size to the power 0.5. Then about three million labelled pairs in small
    batches, each with 15 passages that are hard or random.

    Smaller here: a backbone from scratch or one that is given; two weak sources; one negative.

    Source: Li et al. 2023, arXiv:2308.03281; model cards thenlper/gte-*.
    """
    paper = "Li et al. 2023, arXiv:2308.03281"
    return Recipe(
        "gte", "mean", "", "", False,
        (
            _backbone(Published(paper, data="an encoder that exists", taken_over=True)),
            _weak_pairs(
                Published(f"{paper}, table 1 and section 3", data="pairs of 33 sources, not filtered", examples=788_000_000,
                          batch_size=16_384, steps=50_000, lr=2e-4, temperature=0.01, num_negatives=0, max_length=128,
                          hardware="4 A100 for the base size", note="sources drawn by n^0.5"),
                temperature=0.01, directions=DIRECTIONS, one_source=True, source_alpha=0.5),
            _hard_negatives(
                Published(f"{paper}, section 3 and table 3", data="labelled pairs, about 3 million", examples=3_000_000,
                          batch_size=128, epochs=1, lr=2e-5, num_negatives=15, max_length=512,
                          note="hard where there are any, else random"),
                temperature=0.01, directions=DIRECTIONS, num_negatives=1),
        ),
        "Li et al. 2023, arXiv:2308.03281; model cards thenlper/gte-*",
    )  # fmt: skip


def nomic() -> Recipe:
    """Nomic Embed: everything open, a prefix for every task, batches of one source.

    Published: a BERT of their own for 2,048 tokens, pre-trained with 30 % of the tokens hidden; mean pooling;
    "search_query: " and "search_document: " for retrieval (others for clustering and classification);
    scale 50, which is temperature 0.02. Weak pairs after a consistency filter, each batch from one source;
    then labelled pairs with 7 negatives, drawn from the first 20. Paper and configuration differ: for the masked
    language model the paper adds up 8 batches of 1,024 before a step and the configuration 4; for the weak pairs the
    paper's learning rate falls with the inverse square root, the configuration's with the cosine.

    Smaller here: learned positions instead of rotary ones, so no long contexts; no consistency filter;
    the retrieval prefixes only; 3 negatives.

    Source: Nussbaum et al. 2024, arXiv:2402.01613; github.com/nomic-ai/contrastors, configs/train; model card
    nomic-ai/nomic-embed-text-v1.
    """
    paper = "Nussbaum et al. 2024, arXiv:2402.01613"
    return Recipe(
        "nomic", "mean", "search_query: ", "search_document: ", False,
        (
            _backbone(Published(f"{paper}; contrastors, mlm.yaml", batch_size=4_096, lr=5e-4, max_length=2_048,
                                note="30 % of the tokens hidden"), rate=0.3),
            _weak_pairs(
                Published(f"{paper}; contrastors, contrastive_pretrain.yaml", data="pairs of 29 sources, filtered: 470 million before",
                          examples=235_000_000, batch_size=16_384, epochs=1, lr=2e-4, temperature=0.02, num_negatives=0,
                          note="one source for each batch; GradCache"),
                temperature=0.02, one_source=True),
            _hard_negatives(
                Published(f"{paper}; contrastors, contrastive_finetune.yaml", data="labelled pairs", examples=1_600_000, batch_size=256,
                          epochs=1, lr=2e-5, num_negatives=7, note="drawn from the first 20 ranks"),
                temperature=0.02, num_negatives=3),
        ),
        "Nussbaum et al. 2024, arXiv:2402.01613; github.com/nomic-ai/contrastors; model card nomic-ai/nomic-embed-text-v1",
    )  # fmt: skip


def jina() -> Recipe:
    """Jina Embeddings v2: a loss that looks both ways, and negatives at the end.

    Published, all of it as reported in other people's notes: a BERT of their own with ALiBi, which reads 8,192 tokens,
    pre-trained with 30 % of whole words hidden; mean pooling; no prompts; temperature 0.05. First text pairs, each batch
    from one source, with InfoNCE from queries to passages and back; then the same loss with 15 negatives for each
    query, mined or given. The batch sizes of these two stages were not found.

    Smaller here: ALiBi and long texts are not reproduced, positions are learned and texts short; single
    tokens hidden instead of whole words; 3 negatives, all mined.

    Source: Günther et al. 2023, arXiv:2310.19923; model cards jinaai/jina-embeddings-v2-*-en.
    """
    notes = "notes on Günther et al. 2023, arXiv:2310.19923"
    return Recipe(
        "jina", "mean", "", "", False,
        (
            _backbone(Published(notes, data="C4", batch_size=4_096, max_length=512, note="30 % of whole words hidden",
                                reported=("data", "batch_size", "max_length")), rate=0.3),
            TrainingStage("text pairs", "contrastive", "weak", 0.5, 64, 1e-3,
                  Published(notes, data="pairs of about 40 sources", temperature=0.05, num_negatives=0,
                            note="one source for each batch", reported=("data", "temperature", "num_negatives")),
                  temperature=0.05, directions=BOTH_WAYS, partition_mode="per_direction", one_source=True),
            _hard_negatives(Published(notes, temperature=0.05, num_negatives=15, reported=("temperature", "num_negatives")),
                            temperature=0.05, directions=BOTH_WAYS, partition_mode="per_direction", num_negatives=3),
        ),
        "Günther et al. 2023, arXiv:2310.19923; model cards jinaai/jina-embeddings-v2-*-en",
    )  # fmt: skip


def e5_mistral() -> Recipe:
    """E5-mistral: a large language model, an instruction for each task, and a single short stage.

    Published: Mistral-7B, causal; the vector of the last token, which is an end-of-text token put behind each
    text; "Instruct: {task}", a new line, "Query: " before queries and nothing before passages, so that an index need not
    know the task; temperature 0.02. No weak stage: fewer than 1,000 steps on 500,000 examples that language models
    wrote and on 13 public sets, with one hard negative each, through LoRA of rank 16.

    Smaller here: a causal transformer of two layers, pre-trained on next tokens, in place of Mistral, whose
    knowledge is what the recipe lives on: this cannot be had on a processor, so expect nothing of its
    famous quality. [SEP] ends the text. All weights are trained, without LoRA. The weak pairs stand in for
    the synthetic ones, each source with its own instruction. `workbook.recipes.decoder` starts from a real language model.

    Source: Wang et al. 2024, arXiv:2401.00368; model card intfloat/e5-mistral-7b-instruct.
    """
    paper = "Wang et al. 2024, arXiv:2401.00368"
    return Recipe(
        "e5_mistral", "lasttoken", "Instruct: {task}\nQuery: ", "", True,
        (
            TrainingStage("language model", "next_token", "texts", 0.4, 32, 1e-3, Published(paper, data="Mistral-7B, which exists", taken_over=True)),
            TrainingStage("instructions", "contrastive", "all", 0.6, 64, 1e-3,
                  Published(f"{paper}, section 3 and appendix A", data="500,000 synthetic examples and 13 public sets",
                            examples=1_800_000, batch_size=2_048, epochs=1, lr=1e-4, temperature=0.02, num_negatives=1,
                            max_length=512, hardware="32 V100, about 18 hours", note="LoRA of rank 16; under 1,000 steps"),
                  temperature=0.02, num_negatives=1),
        ),
        "Wang et al. 2024, arXiv:2401.00368; model card intfloat/e5-mistral-7b-instruct",
    )  # fmt: skip


RECIPES = {"e5": e5, "bge": bge, "bge_m3": bge_m3, "gte": gte, "nomic": nomic, "jina": jina, "e5_mistral": e5_mistral}


def distilled(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor,
    labels: Tensor,
    temperature: float = 0.01,
    alpha: float = 0.2,
    **options: Any,
) -> Tensor:
    """E5's loss of fine-tuning: a teacher's distribution over a query's passages, and the right one.

        loss = KL(softmax(labels) ‖ softmax(cosines / temperature)) + alpha · info_nce

    Args:
        query, positive: (B, D).
        negatives: (B, M, D).
        labels: (B, 1 + M), the teacher's logits.
        temperature: of the student.
        alpha: weight of the contrastive loss.
        options: passed on to `info_nce`.

    Source: Wang et al. 2022 (E5), equation 2.
    """
    learned = distill_kl(normalize(query) / temperature, normalize(positive), normalize(negatives), labels)
    return learned + alpha * info_nce(query, positive, negatives, temperature, **options)
