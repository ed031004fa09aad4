"""Dual encoders: one tower embeds queries, one embeds documents, and the two meet in one space.

A query is short and asked now; a document is long and was embedded last week. So the towers need not be
alike. Shared, one set of weights does both, and only a prompt such as "query: " tells it which it reads.
Separate, each learns its own side, with twice the weights and no knowledge in common at the start. Mixed,
a table of word vectors embeds queries at no cost, while a transformer takes its time over the documents.

Letters: N texts, D dimensions.

Taught in 06.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from workbook.encoder.saving import SETTINGS_FILE
from workbook.encoder.text_encoder import TextEncoder
from workbook.support.files import replace_folder, write_json

TOWERS = ("query", "document")
PAIR_FILE = "towers.json"  # marks a saved pair, as SETTINGS_FILE marks a saved TextEncoder


class DualEncoder(nn.Module):
    """Two text encoders as one retriever: `encode_query` asks one, `encode_document` the other.

    Each tower puts its own prompt before its texts: the query tower its `query_prompt`, the document tower
    its `document_prompt`. `workbook.train.fit` trains each on its side of the pairs, a shared one on both.

    Args:
        query_encoder: the tower for queries.
        document_encoder: the tower for documents; None shares one tower between both.
    Raises:
        ValueError: the towers' vectors do not have the same size D.

    Relations: sentence-transformers' `Router.for_query_document`. Two towers trained apart do not share a
    space, even of the same size: what they say only compares after training together.
    Source: Karpukhin et al. 2020 (DPR, separate towers).
    """

    def __init__(self, query_encoder: TextEncoder, document_encoder: TextEncoder | None = None):
        super().__init__()
        self.query_encoder = query_encoder
        self.document_encoder = query_encoder if document_encoder is None else document_encoder
        sizes = [tower.embedding_size for tower in (self.query_encoder, self.document_encoder)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"both towers must embed into the same number of dimensions, got {sizes[0]} for queries and {sizes[1]} "
                "for documents; build one of them with the hidden_size of the other"
            )
        self.hidden_size = sizes[0]

    @property
    def is_shared(self) -> bool:
        """Whether one tower does both."""
        return self.query_encoder is self.document_encoder

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.query_encoder.device

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Embed N queries with the query tower and its prompt: (N, D) float32. Options as in `TextEncoder.encode`."""
        return self.query_encoder.encode_query(texts, **options)

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Embed N documents with the document tower and its prompt: (N, D) float32. Options as in `TextEncoder.encode`."""
        return self.document_encoder.encode_document(texts, **options)

    def save(self, folder: str | Path) -> None:
        """Write a folder that `DualEncoder.load` reads and, where its parts exist there, sentence-transformers too.

        A shared tower is saved as the `TextEncoder` it is. Separate towers lie in `query/` and `document/`,
        each a saved encoder of its own; the folder changes from the old pair to the new one in one step.

        Args:
            folder: where. It must be new, empty, or hold what was saved by this call before.
        Raises:
            FileExistsError: the folder holds something else.
            ValueError: a tower cannot be saved, or the towers share some of their weights, which would come
                back as two copies.
        """
        _refuse_half_shared(self.query_encoder, self.document_encoder)
        with replace_folder(folder, PAIR_FILE, SETTINGS_FILE) as new:
            if self.is_shared:
                self.query_encoder.save(new)
                return
            self.query_encoder.save(new / "query")
            self.document_encoder.save(new / "document")
            write_json(new / PAIR_FILE, {"towers": TOWERS})
            if all((new / name / "modules.json").exists() for name in TOWERS):
                self._write_router(new)

    def _write_router(self, folder: Path) -> None:
        """The files of a sentence-transformers `Router`, of version 5 and later, around the two towers' own."""
        modules = {name: json.loads((folder / name / "modules.json").read_text("utf-8")) for name in TOWERS}
        # tower -> path of each of its modules, below the folder -> its type
        parts = {name: {f"{name}/{m['path']}".rstrip("/"): m["type"] for m in modules[name]} for name in TOWERS}
        structure = {name: list(types) for name, types in parts.items()}
        types = parts["query"] | parts["document"]
        parameters = {"default_route": "document", "allow_empty_key": True}
        write_json(folder / "router_config.json", {"types": types, "structure": structure, "parameters": parameters})
        router = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}
        write_json(folder / "modules.json", [router])
        prompts = {"query": self.query_encoder.query_prompt, "document": self.document_encoder.document_prompt}
        write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})

    @classmethod
    def load(cls, folder: str | Path) -> "DualEncoder":
        """Read towers that `save` wrote; a saved `TextEncoder` becomes a shared tower.

        Returns:
            a dual encoder in evaluation mode.
        Raises:
            FileNotFoundError: the folder holds no encoder.
            ValueError: a file in it is damaged.
        """
        folder = Path(folder)
        if not (folder / PAIR_FILE).exists():
            return cls(TextEncoder.load(folder)).eval()
        return cls(*(TextEncoder.load(folder / name) for name in TOWERS)).eval()


def _refuse_half_shared(a: TextEncoder, b: TextEncoder) -> None:
    weights = {p.data_ptr() for p in a.parameters()}
    if a is not b and any(p.data_ptr() in weights for p in b.parameters()):
        raise ValueError(
            "the towers share some weights without being one, and would come back as two copies; save them one by one, "
            "or share the whole tower: DualEncoder(encoder)"
        )
