"""Our encoders inside other people's benchmarks: what mteb and beir ask of a model.

    mteb.evaluate(MTEBEncoder(encoder), tasks)
    mteb.evaluate(MTEBEncoder(encoder), mteb_task(queries, corpus, qrels))
    DenseRetrievalExactSearch(BEIREncoder(encoder))

Letters: N texts, D dimensions, Q queries.

Taught in 19.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from workbook.similarity import cos_sim, normalize
from workbook.support.types import Corpus, Encoder, Qrels, Queries


class MTEBEncoder:
    """An encoder as mteb asks for it (its EncoderProtocol).

    What mteb calls a query gets the query prompt, a document the document prompt. In STS, classification, clustering and
    bitext mining texts are neither: they get the default prompt, or that of documents where an encoder has no `encode`.
    Texts are cut to the encoder's own max_length; mteb's batch_size is not handed on.

    Args:
        encoder: a `TextEncoder`, a `DualEncoder`, or anything with `encode_query` and `encode_document`.
        name: organization/model, under which mteb keeps results.
        revision: mteb gives out what it has kept for the same name and revision, whatever the weights are now. So
            None takes a new one each time.
        prompts: task, type of task, or either with "-query" or "-document" -> the prompt for it, in mteb's order of
            precedence, instead of the encoder's own.
        options: for each call of the encoder, such as batch_size or truncate_dim.
    Raises:
        ImportError: mteb is not installed.
        ValueError: the name has no organization.

    Tried with mteb 2.26; `workbook.metrics.tasks` computes the same.
    """

    def __init__(
        self,
        encoder: Encoder,
        name: str = "workbook/encoder",
        revision: str | None = None,
        prompts: Mapping[str, str] | None = None,
        **options: Any,
    ):
        try:
            from mteb.models import ModelMeta
        except ImportError as error:
            raise ImportError('this needs mteb, which is not installed: pip install "mteb>=2.26"') from error
        if "/" not in name:
            raise ValueError(f"mteb keeps results by organization/model, got the name {name!r}; put a slash into it")
        self.encoder = encoder
        self.prompts = dict(prompts or {})
        self.options = options
        described = {
            "name": name,
            "revision": revision or uuid4().hex,
            "max_tokens": getattr(encoder, "max_length", None),
            "modalities": ["text"],
        }
        self.mteb_model_meta = ModelMeta.create_empty(described)

    def encode(
        self, inputs: Iterable[Mapping[str, Any]], *, task_metadata: Any, prompt_type: Any = None, **_: Any
    ) -> np.ndarray:
        """Embed batches {"text": [...]} for a task: (N, D) float32.

        Raises:
            ValueError: a batch holds no texts.
        """
        from mteb.models.abs_encoder import get_prompt_name

        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise ValueError(f"expected batches of text, got {', '.join(batch)}; this encoder reads nothing else")
            texts += batch["text"]
        named = get_prompt_name(self.prompts, task_metadata, prompt_type)
        if named is not None:
            return self._encode(texts, prompt=self.prompts[named])
        if prompt_type is None:
            return self._encode(texts)
        by_role = {"query": self.encoder.encode_query, "document": self.encoder.encode_document}
        return by_role[prompt_type.value](texts, **self.options)

    def _encode(self, texts: list[str], **prompt: str) -> np.ndarray:
        call = getattr(self.encoder, "encode", self.encoder.encode_document)
        vectors: np.ndarray = call(texts, **prompt, **self.options)
        return vectors

    def similarity(self, a: Any, b: Any) -> Tensor:
        """The cosine of each of a with each of b: (Q, D), (N, D) -> (Q, N). A single vector may come as (D,)."""
        return cos_sim(*(torch.atleast_2d(torch.as_tensor(x)) for x in (a, b)))

    def similarity_pairwise(self, a: Any, b: Any) -> Tensor:
        """The cosine of each row of a with the same row of b: (N, D), (N, D) -> (N,)."""
        return (normalize(torch.as_tensor(a)) * normalize(torch.as_tensor(b))).sum(dim=-1)


def mteb_task(queries: Queries, corpus: Corpus, qrels: Qrels, name: str = "Own") -> Any:
    """A collection of one's own as a retrieval task of mteb's, scored by nDCG@10 on its split "test".

    Args:
        queries, corpus, qrels: as everywhere here; queries without judgements are not asked.
        name: what mteb calls it; results are kept under it.
    Raises:
        ImportError: mteb or datasets is not installed.

    Tried with mteb 2.26; equal to `workbook.metrics.tasks.retrieval`.
    """
    try:
        from datasets.arrow_dataset import Dataset
        from mteb.abstasks import AbsTaskRetrieval
        from mteb.abstasks.task_metadata import TaskMetadata
    except ImportError as error:
        raise ImportError('this needs mteb, which is not installed: pip install "mteb>=2.26" datasets') from error
    told = TaskMetadata(
        name=name, type="Retrieval", main_score="ndcg_at_10", description="a collection of one's own",
        dataset={"path": "none", "revision": "1"}, eval_splits=["test"], eval_langs=["eng-Latn"],
    )  # fmt: skip
    task = type(name, (AbsTaskRetrieval,), {"metadata": told})()
    asked = {query: text for query, text in queries.items() if query in qrels}
    columns = ({"id": list(texts), "text": list(texts.values())} for texts in (corpus, asked))
    passages, questions = (Dataset.from_dict(column) for column in columns)
    judged = {query: dict(grades) for query, grades in qrels.items()}
    parts = {"corpus": passages, "queries": questions, "relevant_docs": judged, "top_ranked": None}
    task.dataset = {"default": {"test": parts}}
    task.data_loaded = True
    return task


class BEIREncoder:
    """An encoder as beir's dense search asks for it, with a query prompt and a document prompt.

    Args:
        encoder: a `TextEncoder`, a `DualEncoder`, or anything with `encode_query` and `encode_document`.
        options: for each call of the encoder, such as batch_size or truncate_dim; beir's batch_size is not handed on.

    Tried with beir 2.2. Give its evaluation score_function "cos_sim", or "dot" where vectors have length 1.
    """

    def __init__(self, encoder: Encoder, **options: Any):
        self.encoder = encoder
        self.options = options

    def encode_queries(self, queries: Sequence[str], **_: Any) -> Tensor:
        """(Q, D) float32."""
        return torch.as_tensor(self.encoder.encode_query(list(queries), **self.options))

    def encode_corpus(self, corpus: Sequence[Mapping[str, str]], **_: Any) -> Tensor:
        """Passages {"title": …, "text": …}, the title before the text with a blank, as beir's own models do: (N, D) float32."""
        texts = [f"{passage.get('title') or ''} {passage['text']}".strip() for passage in corpus]
        return torch.as_tensor(self.encoder.encode_document(texts, **self.options))
