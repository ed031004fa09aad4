"""ColBERT: an encoder that keeps one short vector per token, and how it is trained.

Letters: B pairs in a batch, Q queries of S tokens, N passages of T tokens (L tokens in all), D dimensions,
M negatives of a pair.

Taught in 14. How the vectors are compared stands in `workbook.late_interaction.maxsim`.
"""

import shutil
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer
from torch import Tensor, nn

from workbook.encoder import HuggingFaceBackbone, StaticEncoder, TextEncoder, TransformerEncoder, evaluating
from workbook.encoder.tokenizer import by_length, check_texts
from workbook.late_interaction.maxsim import colbert_loss
from workbook.similarity import normalize
from workbook.support.files import read_saved, replace_folder, write_json, write_safetensors
from workbook.train import History, check_tuples, hash_of_columns, optimize

COLBERT_FILE = "colbert.json"


class ColbertEncoder(nn.Module):
    """One short vector per token: a backbone, a linear projection, and length 1 for every token.

        q = normalize(W · backbone([CLS] [Q] tokens [SEP] [MASK] … [MASK]))
        d = normalize(W · backbone([CLS] [D] tokens [SEP])),  without punctuation

    A marker tells the backbone which side it reads. A query is filled up with [MASK] to `query_length`: a
    masked language model answers a [MASK] with what could stand there, so these extra vectors ask for words
    that the query does not hold. Punctuation is read, and then left out: no query needs to find a comma.

    Args:
        tokenizer: a `tokenizers.Tokenizer`. Markers that it lacks are added to a copy.
        backbone: (input_ids (B, T), mask (B, T)) -> hidden (B, T, hidden size). It becomes part of the encoder;
            for new markers its table of word vectors grows, and they start as the mean of the others.
        embedding_size: D.
        query_length: S, special tokens and marker included; longer queries are cut.
        document_length: longer passages are cut to this many tokens, special ones and marker included.
        query_expansion: fill queries up with [MASK]. Otherwise they are filled up with vectors of zeros, which add
            nothing to a score.
        skiplist_words: tokens that a passage does not keep.
        query_prefix, document_prefix: the two markers; "" for a side that has none.
    Raises:
        ValueError: a length leaves no room for text, the tokenizer has no [MASK], or the backbone cannot grow.

    Relations: [MASK]s are tokens like any other; pylate, with attend_to_expansion_tokens=False, hides them from
    the rest. Source: Khattab and Zaharia 2020; lengths and markers as in pylate.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        backbone: nn.Module,
        embedding_size: int = 128,
        query_length: int = 32,
        document_length: int = 180,
        query_expansion: bool = True,
        skiplist_words: Sequence[str] = tuple(string.punctuation),
        query_prefix: str = "[Q]",
        document_prefix: str = "[D]",
    ):
        super().__init__()
        if min(query_length, document_length) < 4:
            raise ValueError(
                f"lengths must be at least 4, room for two special tokens, the marker and a word; "
                f"got query_length={query_length}, document_length={document_length}"
            )
        longest = getattr(backbone, "max_length", None)
        if longest is not None and max(query_length, document_length) > longest:
            raise ValueError(
                f"the backbone reads at most max_length = {longest} tokens, got query_length={query_length}, "
                f"document_length={document_length}; give shorter ones"
            )
        tokenizer = Tokenizer.from_str(tokenizer.to_str())
        prefixes = [prefix for prefix in (query_prefix, document_prefix) if prefix]
        new = [prefix for prefix in prefixes if tokenizer.token_to_id(prefix) is None]
        tokenizer.add_special_tokens([AddedToken(prefix, normalized=False) for prefix in new])
        if new:
            _grow(backbone, tokenizer.get_vocab_size())
        self.query_marker, self.document_marker = _known(tokenizer, query_prefix), _known(tokenizer, document_prefix)
        # Truncated to one less than the length where a marker comes in afterwards.
        self.documents = TextEncoder(tokenizer, backbone, max_length=document_length - len(self.document_marker))
        self.query_tokenizer = Tokenizer.from_str(self.documents.tokenizer.to_str())
        self.query_tokenizer.enable_truncation(query_length - len(self.query_marker))
        self.projection = nn.Linear(int(backbone.hidden_size), embedding_size, bias=False)  # type: ignore[arg-type]
        self.settings = {
            "query_length": query_length, "document_length": document_length, "query_expansion": query_expansion,
            "skiplist_words": list(skiplist_words), "query_prefix": query_prefix, "document_prefix": document_prefix,
        }  # fmt: skip
        self.embedding_size, self.query_length = embedding_size, query_length
        self.skiplist = torch.tensor(sorted(set(_known(tokenizer, *skiplist_words))), dtype=torch.long)
        mask_ids = _known(tokenizer, "[MASK]", "<mask>")
        if query_expansion and not mask_ids:
            raise ValueError("the tokenizer has no [MASK] to fill queries up with; give query_expansion=False")
        self.fill = mask_ids[:1] * query_length if query_expansion else []

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> vectors of length 1, (B, T, D); zeros where mask is 0."""
        vectors = normalize(self.projection(self.documents.backbone(input_ids, mask)))
        return vectors.masked_fill(~mask.bool()[:, :, None], 0.0)

    @torch.no_grad()
    def encode_query(self, texts: Sequence[str], batch_size: int = 256) -> Tensor:
        """Queries -> (Q, S, D) float32 on the processor, S = query_length.

        Raises:
            TypeError: `texts` is a single string.
        """
        ids = self.query_ids(texts)
        vectors = torch.zeros(len(ids), self.query_length, self.embedding_size)
        with evaluating(self):
            for start in range(0, len(ids), batch_size):
                batch = self(*self.pad(ids[start : start + batch_size])).float().cpu()
                vectors[start : start + batch_size, : batch.shape[1]] = batch
        return vectors

    @torch.no_grad()
    def encode_document(self, texts: Sequence[str], batch_size: int = 64) -> tuple[Tensor, Tensor]:
        """Passages -> ragged vectors, encoded in batches of similar length.

        Args:
            texts: N passages; an empty one keeps its special tokens.
            batch_size: how many are encoded at a time.
        Returns:
            (L, D) float32 on the processor, and lengths (N,) that sum to L.
        Raises:
            TypeError: `texts` is a single string.
        """
        ids = self.document_ids(texts)
        kept = [torch.from_numpy(~np.isin(tokens, self.skiplist)) for tokens in ids]  # N times (T,)
        lengths = torch.tensor([int(keep.sum()) for keep in kept], dtype=torch.long)
        starts = (lengths.cumsum(0) - lengths).tolist()
        flat = torch.empty(int(lengths.sum()), self.embedding_size)
        with evaluating(self):
            for rows in by_length(ids, batch_size):
                batch = self(*self.pad([ids[row] for row in rows])).float().cpu()  # (B, T, D)
                for row, vectors in zip(rows, batch, strict=True):
                    flat[starts[row] : starts[row] + lengths[row]] = vectors[: len(ids[row])][kept[row]]
        return flat, lengths

    def query_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each query, marker and [MASK]s included."""
        ids = self._mark(self.query_tokenizer, texts, self.query_marker)
        return [(tokens + self.fill)[: self.query_length] for tokens in ids]

    def document_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each passage, marker and punctuation included."""
        return self._mark(self.documents.tokenizer, texts, self.document_marker)

    def query_tokens(self, text: str) -> list[str]:
        """The tokens behind the vectors of a query, in their order."""
        return [str(self.query_tokenizer.id_to_token(i)) for i in self.query_ids([text])[0]]

    def document_tokens(self, text: str) -> list[str]:
        """The tokens behind the vectors of a passage, without the skipped ones."""
        skipped = set(self.skiplist.tolist())
        return [str(self.query_tokenizer.id_to_token(i)) for i in self.document_ids([text])[0] if i not in skipped]

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Lists of ids -> input_ids (B, T), mask (B, T), where the weights lie."""
        input_ids, mask = self.documents.pad(ids)
        return input_ids.to(self.documents.device), mask.to(self.documents.device)

    def keep(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Which tokens of passages take part in MaxSim: (B, T), (B, T) -> (B, T) of booleans."""
        return mask.bool() & ~torch.isin(input_ids, self.skiplist.to(input_ids.device))

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load_colbert` reads and, for a BERT-like backbone, pylate and sentence-transformers.

        Raises:
            FileExistsError: the folder holds something else than a saved ColbertEncoder.
        """
        with replace_folder(folder, COLBERT_FILE) as new:
            self.documents.save(new)
            _write_projection(self, new)

    def _mark(self, tokenizer: Tokenizer, texts: Sequence[str], marker: list[int]) -> list[list[int]]:
        check_texts(texts)
        special = self.documents.add_special_tokens
        encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)
        place = 1 if special else 0  # behind [CLS]
        return [[*e.ids[:place], *marker, *e.ids[place:]] for e in encoded]


def load_colbert(folder: str | Path) -> ColbertEncoder:
    """Read an encoder that `ColbertEncoder.save` wrote.

    Raises:
        FileNotFoundError: the folder holds no ColbertEncoder.
        ValueError: a file in it is damaged.
    """
    with read_saved(folder, COLBERT_FILE, "ColbertEncoder", "ColbertEncoder.save") as settings:
        documents = TextEncoder.load(folder)
        weight = load_file(Path(folder) / "1_Dense/model.safetensors")["linear.weight"]
        encoder = ColbertEncoder(documents.tokenizer, documents.backbone, len(weight), **settings)
        encoder.projection.load_state_dict({"weight": weight})
    return encoder.eval()


def fit_colbert(
    encoder: ColbertEncoder,
    pairs: Sequence[tuple[str, ...]],
    steps: int = 100,
    batch_size: int = 32,
    lr: float = 1e-3,
    seed: int = 0,
    temperature: float = 1.0,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> History:
    """Train a ColbertEncoder on pairs: the loop is `workbook.train.optimize`, the loss `colbert_loss`.

    Args:
        encoder: trained in place, on the device it is on.
        pairs: N tuples (query, positive) or (query, positive, negative, …), all of one length. A batch of B with
            M negatives each lets every query choose among B · (1 + M) passages.
        steps, batch_size, lr, seed: as in `workbook.train.fit`.
        temperature: divides the MaxSim scores.
        dtype: `torch.bfloat16` runs the encoder under autocast; scores and loss are float32.
        options: passed on to `optimize`, such as checkpoint and on_step.
    Returns:
        one record {"step", "loss", "lr", "grad_norm"} for each step.
    Raises:
        ValueError: there are no pairs, they differ in length, or a number is out of range.
    """
    check_tuples(pairs)
    queries, *columns = zip(*pairs, strict=True)
    query_ids, ids = encoder.query_ids(queries), [encoder.document_ids(column) for column in columns]
    lengths = np.array([[len(tokens) for tokens in column] for column in ids]).max(axis=0)  # (N,)
    device = encoder.documents.device

    def loss_of(rows: np.ndarray) -> Tensor:
        input_ids, mask = encoder.pad([column[row] for column in ids for row in rows])  # (B · (1 + M), T)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype is not None):
            query = encoder(*encoder.pad([query_ids[row] for row in rows]))  # (B, S, D)
            passages = encoder(input_ids, mask)
        return colbert_loss(query.float(), passages.float(), encoder.keep(input_ids, mask), temperature)

    columns_of_ids = [[torch.tensor(tokens) for tokens in column] for column in (query_ids, *ids)]
    settings = {"temperature": temperature, "dtype": str(dtype), "pairs": hash_of_columns(columns_of_ids)}
    return optimize(encoder, loss_of, lengths, steps, batch_size, lr, seed, settings=settings, **options)


def _known(tokenizer: Tokenizer, *tokens: str) -> list[int]:
    """The ids of those tokens that the vocabulary holds."""
    return [i for token in tokens if (i := tokenizer.token_to_id(token)) is not None]


def _grow(backbone: Any, vocab_size: int) -> None:
    """Give new tokens a row in the table of word vectors: the mean of all others."""
    if isinstance(backbone, TransformerEncoder | StaticEncoder):
        owner = backbone.embeddings if isinstance(backbone, TransformerEncoder) else backbone
        grown = _with_means(owner.word.weight, vocab_size)
        owner.word = nn.Embedding(len(grown), grown.shape[1], _weight=grown)
        backbone.config["vocab_size"] = len(grown)
    elif isinstance(backbone, HuggingFaceBackbone):
        grown = _with_means(backbone.model.get_input_embeddings().weight, vocab_size)
        with torch.random.fork_rng(devices=[]):  # transformers draws new rows; the means replace them
            backbone.model.resize_token_embeddings(len(grown))
        backbone.model.get_input_embeddings().weight.data.copy_(grown)
    else:
        raise ValueError(
            f"cannot add the markers to a backbone of type {type(backbone).__name__}; give markers that its tokenizer "
            'has, such as query_prefix="[unused0]"'
        )


def _with_means(table: Tensor, vocab_size: int) -> Tensor:
    missing = max(0, vocab_size - len(table))
    return torch.cat([table.detach(), table.detach().mean(dim=0, keepdim=True).expand(missing, -1)])


def _write_projection(encoder: ColbertEncoder, folder: Path) -> None:
    """What `TextEncoder.save` has no place for, in pylate's layout."""
    D, hidden_size = encoder.projection.weight.shape
    for part in ("1_Pooling", "2_Normalize"):
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
    (folder / "1_Dense").mkdir()
    write_safetensors(folder / "1_Dense/model.safetensors", {"linear.weight": encoder.projection.weight})
    dense = {"in_features": hidden_size, "out_features": D, "bias": False}
    write_json(folder / "1_Dense/config.json", dense | {"activation_function": "torch.nn.modules.linear.Identity"})
    kinds = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
    modules = [{"idx": i, "name": str(i), "path": path, "type": kinds[path]} for i, path in enumerate(kinds)]
    write_json(folder / "modules.json", modules)
    write_json(folder / COLBERT_FILE, encoder.settings)
    theirs = {name: value for name, value in encoder.settings.items() if name != "query_expansion"}
    theirs |= {"do_query_expansion": encoder.settings["query_expansion"], "attend_to_expansion_tokens": True}
    theirs |= {"model_type": "ColBERT", "similarity_fn_name": "MaxSim", "prompts": {}}
    write_json(folder / "config_sentence_transformers.json", theirs)
