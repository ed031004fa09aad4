"""Recipes: how the well-known families of embedding models were trained, each as data.

A recipe is a list of stages, and a stage is a training like any other: on texts alone, on weak pairs, on
labelled pairs with hard negatives, or after a teacher's scores. What makes a family is which stages, in
which order, with which pooling, prompts, loss and temperature. These are the published ones. Sizes are
not: `published` says what they were, and each docstring what is smaller here or left out.

Looked up, in November 2026, in copies of papers, model cards or configurations: poolings, prompts, the settings
of Nomic, BGE's largest batch and temperature, Jina's number of sources, and E5-mistral's examples, batch and LoRA rank. The other
numbers are those of the papers as the authors of this module remember them: look before you quote one.

    recipe = recipes.bge()
    encoder, history = run_recipe(recipe, docs, steps=300, folder="runs/bge")      workbook.recipes.run

A recipe is plain data: `dataclasses.replace(recipe, stages=recipe.stages[::-1])` is the same recipe in
the wrong order.

Letters: B pairs in a batch, M negatives of a pair, D dimensions.

Taught in 11.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from workbook.losses import DIRECTIONS, distill_kl, info_nce
from workbook.similarity import normalize

ONE_WAY = ("query_to_doc",)
BOTH_WAYS = ("query_to_doc", "doc_to_query")


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
        prompted: whether queries carry the recipe's prompt in this stage.
        rate: share of the tokens hidden, for "mlm" and, from the encoder, for "retromae".
        alpha: weight of the contrastive loss beside the teacher's, for "distillation".
    """

    name: str
    kind: str
    data: str
    share: float
    batch_size: int
    lr: float
    published: str
    temperature: float = 0.05
    directions: tuple[str, ...] = ONE_WAY
    partition_mode: str = "joint"
    num_negatives: int = 0
    one_source: bool = False
    prompted: bool = True
    rate: float = 0.15
    alpha: float = 0.2


@dataclass(frozen=True)
class Recipe:
    """A family of models: an encoder of one kind, and the stages it goes through.

    Attributes:
        name: of the family.
        pooling: "mean", "cls" or "lasttoken", as sentence-transformers calls them.
        query_prompt: what stands before a query; "{task}" in it is filled with the instruction of its source.
        document_prompt: what stands before a passage.
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


# What most families have in common in miniature: name, kind, data, share, batch size and learning rate.
_backbone = partial(TrainingStage, "backbone", "mlm", "texts", 0.2, 32, 1e-3)
_weak_pairs = partial(TrainingStage, "weak pairs", "contrastive", "weak", 0.5, 64, 1e-3)
_hard_negatives = partial(TrainingStage, "hard negatives", "contrastive", "labelled", 0.3, 32, 5e-4)


def e5() -> Recipe:
    """E5: many weak pairs first, then few good ones, with a teacher.

    Published: BERT or MiniLM with mean pooling, "query: " and "passage: ", temperature 0.01. Weak pairs from
    the web, each kept only if a first model finds its passage near the top among many; in-batch negatives
    in very large batches. Then MS MARCO, NQ and NLI with mined negatives, where a cross-encoder's
    distribution is learned too: KL(teacher ‖ student) + 0.2 · InfoNCE.

    Smaller here: a backbone from scratch instead of BERT; no consistency filter; a small cross-encoder,
    trained on the same tuples, in place of a strong reranker; no NLI.

    Source: Wang et al. 2022, arXiv:2212.03533; model cards intfloat/e5-*.
    """
    return Recipe(
        "e5", "mean", "query: ", "passage: ", False,
        (
            _backbone("starts from BERT or MiniLM"),
            _weak_pairs("270M pairs, batches of 32,768, 20,000 steps", temperature=0.01),
            TrainingStage("distillation", "distillation", "labelled", 0.3, 32, 5e-4,
                  "MS MARCO, NQ, NLI; batches of 256, mined negatives, cross-encoder teacher",
                  temperature=0.01, num_negatives=3, alpha=0.2),
        ),
        "Wang et al. 2022, arXiv:2212.03533; model cards intfloat/e5-*",
    )  # fmt: skip


def bge() -> Recipe:
    """BGE: a backbone that is pre-trained for the sentence vector, and an instruction for queries.

    Published: RetroMAE on plain text, then the [CLS] vector, temperature 0.01. Weak pairs with in-batch
    negatives only; then labelled pairs with one mined negative each, and an instruction before the queries
    of retrieval tasks. Passages carry none.

    Smaller here: RetroMAE from scratch rather than from BERT; one task, so one instruction. That a later
    version was merged from models with and without instruction is left out.

    Source: Xiao et al. 2023 (C-Pack), arXiv:2309.07597; Xiao et al. 2022 (RetroMAE), arXiv:2205.12035; model
    cards BAAI/bge-*-en.
    """
    return Recipe(
        "bge", "cls", "Represent this sentence for searching relevant passages: ", "", False,
        (
            TrainingStage("retromae", "retromae", "texts", 0.2, 32, 1e-3, "RetroMAE on large plain corpora", rate=0.3),
            _weak_pairs("100M to 200M pairs, batches of up to 19,200", temperature=0.01, prompted=False),
            _hard_negatives("labelled tasks, one mined negative each, instruction before queries",
                            temperature=0.01, num_negatives=1),
        ),
        "Xiao et al. 2023, arXiv:2309.07597; Xiao et al. 2022, arXiv:2205.12035; model cards BAAI/bge-*-en",
    )  # fmt: skip


def gte() -> Recipe:
    """GTE: no prompts, many sources, and a loss that looks in all four directions.

    Published: BERT or MiniLM with mean pooling, temperature 0.01, nothing before the texts. The loss puts
    passages, queries of the others, and passages against passages into one sum. Weak pairs of about
    thirty sources; each batch comes from one of them, drawn by its size to the power 0.5. Then labelled
    triples in small batches.

    Smaller here: a backbone from scratch; two weak sources, which may share a batch, but each pair takes
    its negatives from its own; sources are drawn by their size.

    Source: Li et al. 2023, arXiv:2308.03281; model cards thenlper/gte-*.
    """
    return Recipe(
        "gte", "mean", "", "", False,
        (
            _backbone("starts from BERT or MiniLM"),
            _weak_pairs("about 800M pairs, batches of 16,384 from one source",
                        temperature=0.01, directions=DIRECTIONS, one_source=True),
            _hard_negatives("about 3M triples, batches of 128, one hard negative and random ones",
                            temperature=0.01, directions=DIRECTIONS, num_negatives=1),
        ),
        "Li et al. 2023, arXiv:2308.03281; model cards thenlper/gte-*",
    )  # fmt: skip


def nomic() -> Recipe:
    """Nomic Embed: everything open, a prefix for every task, batches of one source.

    Published: a BERT of their own for 2,048 tokens, pre-trained with 30 % of the tokens hidden; mean pooling;
    "search_query: " and "search_document: " for retrieval (others for clustering and classification);
    scale 50, which is temperature 0.02. Weak pairs after a consistency filter, each batch from one source;
    then labelled pairs with 7 mined negatives.

    Smaller here: learned positions instead of rotary ones, so no long contexts; no consistency filter;
    the retrieval prefixes only; 3 negatives.

    Source: Nussbaum et al. 2024, arXiv:2402.01613; github.com/nomic-ai/contrastors, configs/train; model card
    nomic-ai/nomic-embed-text-v1.
    """
    return Recipe(
        "nomic", "mean", "search_query: ", "search_document: ", False,
        (
            _backbone("BERT from scratch, batches of 4,096", rate=0.3),
            _weak_pairs("235M pairs, batches of 16,384 from one source", temperature=0.02, one_source=True),
            _hard_negatives("batches of 256, 7 mined negatives", temperature=0.02, num_negatives=3),
        ),
        "Nussbaum et al. 2024, arXiv:2402.01613; github.com/nomic-ai/contrastors; model card nomic-ai/nomic-embed-text-v1",
    )  # fmt: skip


def jina() -> Recipe:
    """Jina Embeddings v2: a loss that looks both ways, and negatives at the end.

    Published: a BERT of their own with ALiBi, which reads 8,192 tokens, pre-trained with 30 % of whole words
    hidden; mean pooling; no prompts; temperature 0.05. First text pairs, with InfoNCE from queries to
    passages and back; then the same loss with 15 negatives for each query, mined or given.

    Smaller here: ALiBi and long texts are not reproduced, positions are learned and texts short; single
    tokens hidden instead of whole words; 3 negatives, all mined.

    Source: Günther et al. 2023, arXiv:2310.19923; model cards jinaai/jina-embeddings-v2-*-en.
    """
    return Recipe(
        "jina", "mean", "", "", False,
        (
            _backbone("BERT with ALiBi from scratch on C4", rate=0.3),
            TrainingStage("text pairs", "contrastive", "weak", 0.5, 64, 1e-3, "about 40 sources of text pairs",
                  temperature=0.05, directions=BOTH_WAYS, partition_mode="per_direction"),
            _hard_negatives("15 negatives for each query",
                            temperature=0.05, directions=BOTH_WAYS, partition_mode="per_direction", num_negatives=3),
        ),
        "Günther et al. 2023, arXiv:2310.19923; model cards jinaai/jina-embeddings-v2-*-en",
    )  # fmt: skip


def e5_mistral() -> Recipe:
    """E5-mistral: a large language model, an instruction for each task, and a single short stage.

    Published: Mistral-7B, causal; the vector of the last token, which is an end-of-text token put behind each
    text; "Instruct: {task}", a new line, "Query: " before queries and nothing before passages; temperature
    0.02. No weak stage: fewer than 1,000 steps on queries written by GPT-4 and on labelled sets, with one
    hard negative each, through LoRA of rank 16.

    Smaller here: a causal transformer of two layers, pre-trained on next tokens, in place of Mistral, whose
    knowledge is what the recipe lives on: this cannot be had on a processor, so expect nothing of its
    famous quality. [SEP] ends the text. All weights are trained, without LoRA. The weak pairs stand in for
    the synthetic ones, each source with its own instruction.

    Source: Wang et al. 2024, arXiv:2401.00368; model card intfloat/e5-mistral-7b-instruct.
    """
    return Recipe(
        "e5_mistral", "lasttoken", "Instruct: {task}\nQuery: ", "", True,
        (
            TrainingStage("language model", "next_token", "texts", 0.4, 32, 1e-3, "starts from Mistral-7B"),
            TrainingStage("instructions", "contrastive", "all", 0.6, 64, 1e-3,
                  "about 1.8M examples, batches of 2,048, one hard negative each, LoRA",
                  temperature=0.02, num_negatives=1),
        ),
        "Wang et al. 2024, arXiv:2401.00368; model card intfloat/e5-mistral-7b-instruct",
    )  # fmt: skip


RECIPES = {"e5": e5, "bge": bge, "gte": gte, "nomic": nomic, "jina": jina, "e5_mistral": e5_mistral}


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
