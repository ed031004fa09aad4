"""The zoo: pretrained models that people use, and what their authors say about using them.

The same weights give good or poor vectors, depending on three things that are not in the weights: how
token vectors are pooled, which words stand before a text, and whether vectors are scaled to length 1.
Get one wrong and nothing fails; the search is just worse. So they stand here as data, and `load_pretrained` warns
where a folder, or the caller, differs.

`verified` names the fields that were looked up, in November 2026, in a stored copy of the authors' model
card or files, or in MTEB's and other projects' descriptions of them. The other fields are from general
knowledge: compare them with the model card before you rely on them. None: not known here.

Taught in 22.
"""

import json
import re
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from workbook.encoder import TextEncoder, find_model, stated_settings
from workbook.pooling import POOLINGS, Pooling
from workbook.support.wheels import files_of_wheel

__all__ = ["FAMILIES", "Family", "family_of", "load_pretrained", "minilm_from_wheel"]

SIZES = ("dimensions", "max_length")
PROMPTS = ("query_prompt", "document_prompt")
TASK = "Given a web search query, retrieve relevant passages that answer the query"
MINILM = "all-MiniLM-L6-v2"


class Family(NamedTuple):
    """What the authors of a model state.

    Attributes:
        hub_id: its name on the Hugging Face hub.
        architecture: config.json's `model_type`.
        dimensions: D.
        max_length: tokens.
        pooling: as in `workbook.pooling.POOLINGS`; None for a backbone, which was not trained to embed.
        normalize: whether vectors are scaled to length 1.
        query_prompt: before each query; {task} stands for one sentence that says what is sought.
        document_prompt: before each passage.
        matryoshka_dims: sizes to which the vectors may be cut.
        licence: SPDX-like name, as on the hub.
        verified: the fields that were looked up.
    """

    hub_id: str
    architecture: str
    dimensions: int
    max_length: int
    pooling: str | None
    normalize: bool | None
    query_prompt: str = ""
    document_prompt: str = ""
    matryoshka_dims: tuple[int, ...] = ()
    licence: str | None = None
    verified: tuple[str, ...] = ()

    @property
    def is_backbone(self) -> bool:
        """Whether it needs training before its vectors mean anything."""
        return self.pooling is None


BGE = "Represent this sentence for searching relevant passages: "
INSTRUCT = "Instruct: {task}\nQuery: "
JINA3 = ("Represent the query for retrieving evidence documents: ", "Represent the document for retrieval: ")
NOMIC = ("search_query: ", "search_document: ")
XLMR = "xlm-roberta"
CARD = (*SIZES, *PROMPTS, "licence")  # what a card says that was looked up

# What the models of a family have in common; a backbone was not trained to embed.
_bge = partial(Family, max_length=512, pooling="cls", normalize=True, query_prompt=BGE, licence="mit", verified=CARD)
_e5 = partial(Family, max_length=512, pooling="mean", normalize=True, licence="mit",
              query_prompt="query: ", document_prompt="passage: ")  # fmt: skip
_backbone = partial(Family, dimensions=768, max_length=512, pooling=None, normalize=None)

# MiniLM was known from its published figures; its files were not at hand. What is not in `verified` was not found in what could be looked up.
FAMILIES: dict[str, Family] = {
    MINILM: Family(f"sentence-transformers/{MINILM}", "bert", 384, 256, "mean", True, licence="apache-2.0",
                   verified=("pooling", "normalize", "dimensions", "max_length", "architecture")),
    "bge-small-en-v1.5": _bge("BAAI/bge-small-en-v1.5", "bert", 384),
    "bge-base-en-v1.5": _bge("BAAI/bge-base-en-v1.5", "bert", 768),
    "bge-large-en-v1.5": _bge("BAAI/bge-large-en-v1.5", "bert", 1024),
    "bge-m3": Family("BAAI/bge-m3", XLMR, 1024, 8192, "cls", True, licence="mit", verified=(*CARD, "pooling")),
    "e5-small-v2": _e5("intfloat/e5-small-v2", "bert", 384, verified=(*CARD, "pooling", "normalize")),
    "e5-base-v2": _e5("intfloat/e5-base-v2", "bert", 768, verified=(*CARD, "pooling", "normalize")),
    "e5-large-v2": _e5("intfloat/e5-large-v2", "bert", 1024, verified=(*SIZES, *PROMPTS)),
    "multilingual-e5-small": _e5("intfloat/multilingual-e5-small", "bert", 384, verified=CARD),
    "multilingual-e5-base": _e5("intfloat/multilingual-e5-base", XLMR, 768,
                                verified=("dimensions", *PROMPTS, "licence")),
    "multilingual-e5-large": _e5("intfloat/multilingual-e5-large", XLMR, 1024,
                                 verified=("dimensions", *PROMPTS, "licence")),
    "gte-small": Family("thenlper/gte-small", "bert", 384, 512, "mean", True, licence="mit"),
    "gte-base": Family("thenlper/gte-base", "bert", 768, 512, "mean", True, licence="mit",
                       verified=(*SIZES, "licence", "architecture")),
    "nomic-embed-text-v1.5": Family("nomic-ai/nomic-embed-text-v1.5", "nomic_bert", 768, 8192, "mean", None, *NOMIC,
                                    (768, 512, 256, 128, 64), "apache-2.0", (*CARD, "matryoshka_dims")),
    "jina-embeddings-v2-small-en": Family("jinaai/jina-embeddings-v2-small-en", "bert", 512, 8192, "mean", None,
                                          licence="apache-2.0", verified=CARD),
    "jina-embeddings-v2-base-en": Family("jinaai/jina-embeddings-v2-base-en", "bert", 768, 8192, "mean", None,
                                         licence="apache-2.0", verified=CARD),
    "jina-embeddings-v3": Family("jinaai/jina-embeddings-v3", XLMR, 1024, 8192, "mean", True, *JINA3,
                                 (1024, 768, 512, 256, 128, 64, 32), "cc-by-nc-4.0", (*CARD, "matryoshka_dims")),
    # Its Hugging Face example normalizes, its sentence-transformers example does not: cosine is the same.
    "e5-mistral-7b-instruct": Family("intfloat/e5-mistral-7b-instruct", "mistral", 4096, 4096, "lasttoken", None,
                                     INSTRUCT, licence="mit",
                                     verified=("dimensions", *PROMPTS, "pooling", "licence", "architecture")),
    "bert-base-uncased": _backbone("google-bert/bert-base-uncased", "bert", licence="apache-2.0"),
    "codebert": _backbone("microsoft/codebert-base", "roberta"),
    "scibert": _backbone("allenai/scibert_scivocab_uncased", "bert", verified=(*SIZES, "architecture")),
    "pubmedbert": _backbone("microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext", "bert", licence="mit",
                            verified=("licence", "architecture")),
    "legal-bert": _backbone("nlpaueb/legal-bert-base-uncased", "bert", licence="cc-by-sa-4.0"),
    "finbert": _backbone("ProsusAI/finbert", "bert"),
}  # fmt: skip


def family_of(name_or_folder: str | Path) -> Family | None:
    """The family that a name, a hub name, or a folder belongs to; None for others.

    A folder is known by its own name, or by the hub's cache around it, models--org--name/snapshots/revision.
    Not by what is inside: a model that was trained further says where it came from, but it has other habits.
    """
    names = {key.lower(): family for key, family in FAMILIES.items()}
    names |= {family.hub_id.lower(): family for family in FAMILIES.values()}
    if (found := names.get(str(name_or_folder).lower())) is not None:
        return found
    parts = Path(name_or_folder).parts
    cached = [part.removeprefix("models--").replace("--", "/") for part in parts if part.startswith("models--")]
    candidates = cached[-1:] or parts[-1:]
    return next((names[part.lower()] for part in candidates if part.lower() in names), None)


def load_pretrained(
    name_or_folder: str | Path,
    allow_download: bool = False,
    family: Family | None = None,
    task: str = TASK,
    pooling: str | Pooling | None = None,
    **settings: Any,
) -> TextEncoder:
    """Load a pretrained model as its authors mean it; warn where that is not what you get.

    What the caller gives comes first, then what the folder states, then what the family's authors state.

    Args:
        name_or_folder: a key of `FAMILIES`, a name on the hub, or a local folder in the hub's layout.
        allow_download: fetch the files from the hub when they are neither in a folder nor in its cache.
        family: whose habits to expect; found by the name where not given.
        task: a sentence that says what is sought, for families that are instructed.
        pooling, settings: as in `TextEncoder.from_pretrained`.
    Returns:
        an encoder in evaluation mode.
    Warns:
        UserWarning: pooling, normalization or a prompt differs from what the authors state, or the model is
            a backbone that was never trained to embed.
    Raises:
        FileNotFoundError: the model is not there, or its weights are not safetensors.
        ValueError: its architecture is not known here, or it is a backbone and no pooling was given.
    """
    family = family or family_of(name_or_folder)
    name = name_or_folder
    if family is not None and not Path(name_or_folder).is_dir():
        name = family.hub_id
    try:
        folder = find_model(name, allow_download)
    except FileNotFoundError:
        if family is not FAMILIES[MINILM] or (wheel := minilm_from_wheel()) is None:
            raise
        folder = wheel
    _refuse_what_cannot_be_loaded(folder)
    stated = stated_settings(folder)
    if family is None:
        return TextEncoder.from_pretrained(folder, pooling, **settings)
    if pooling is None:
        pooling = stated.get("pooling") or family.pooling
        if pooling is None:
            raise ValueError(
                f"{family.hub_id} is a backbone: it was trained to guess words, not to embed, and its authors state no "
                'pooling; give one, such as pooling="mean", and train it'
            )
    prompts = {"query_prompt": family.query_prompt.format(task=task), "document_prompt": family.document_prompt}
    defaults: dict[str, Any] = {**prompts, "max_length": family.max_length}
    if family.normalize is not None:
        defaults["normalize"] = family.normalize
    given = {**{key: value for key, value in defaults.items() if key not in stated}, **settings}
    encoder = TextEncoder.from_pretrained(folder, pooling, **given)
    _warn(encoder, family)
    return encoder


def _warn(encoder: TextEncoder, family: Family) -> None:
    used = next((name for name, function in POOLINGS.items() if function is encoder.pooling), "a function of your own")
    differences = []
    if family.is_backbone:
        differences.append("vectors are used as they are, but it was not trained to embed; train it first")
    elif used != family.pooling:
        differences.append(f"pooling is {used!r}, its authors state {family.pooling!r}")
    if family.normalize is not None and encoder.normalize != family.normalize:
        differences.append(f"normalize is {encoder.normalize}, its authors state {family.normalize}")
    for kind in PROMPTS:
        prompt, expected = getattr(encoder, kind), getattr(family, kind)
        pattern = re.escape(expected).replace(re.escape("{task}"), ".+")
        if not re.fullmatch(pattern, prompt, re.DOTALL):
            differences.append(f"{kind} is {prompt!r}, its authors state {expected!r}")
    if differences:
        warnings.warn(f"{family.hub_id}: {'; '.join(differences)}", UserWarning, stacklevel=3)


def _refuse_what_cannot_be_loaded(folder: Path) -> None:
    """Before transformers is asked: it would run foreign code, read a pickle, or fill in random weights."""
    import transformers

    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} holds no config.json; give a folder in the hub's layout")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = config.get("model_type")
    own_code = str(config.get("auto_map", {}).get("AutoModel", "")).rpartition(".")[2]
    if own_code and not hasattr(transformers, own_code):
        raise ValueError(
            f"{folder.name} needs {own_code}, code of its authors that transformers {transformers.__version__} does not "
            "hold, and code from a model folder is never run here; use sentence-transformers with "
            "trust_remote_code=True after reading that code, or another model"
        )
    if kind not in transformers.CONFIG_MAPPING:
        raise ValueError(
            f"{folder.name} has the architecture {kind!r}, which transformers {transformers.__version__} does not know; "
            "a newer transformers may"
        )
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{folder} holds no *.safetensors; weights in a pickle (*.bin) can run code and are not read: convert them "
            "once with save_pretrained, where you trust the file, and give that folder"
        )


def minilm_from_wheel() -> Path | None:
    """The folder of all-MiniLM-L6-v2 in the installed extra `offline`, or None. Its package is never imported.

    Raises:
        ValueError: weights or tokenizer are not those that were checked.
    """
    try:
        return files_of_wheel(MINILM)[0].parent
    except FileNotFoundError:
        return None
