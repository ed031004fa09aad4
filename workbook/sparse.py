"""Learned sparse retrieval: a language model writes the words a text should be found by, and how much.

SPLADE reads a text with a masked language model. At every position the model says how likely each of
the V words of its vocabulary would be there; the strongest voice for each word becomes its weight.
Words that the text does not hold get weight too ("myocardial infarction" may weigh "heart"), and most
words get none: the vector has V dimensions of which a few dozen are not zero. So search needs no
neighbours in space, only the inverted index that keyword search has used for decades.

Letters: B texts in a batch, T tokens, D hidden size, V words of the vocabulary, N passages, Q queries,
K results.

Taught in 16.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from workbook.encoder import TextEncoder, by_length, check_texts, evaluating, load_model, save_model
from workbook.encoder.text_encoder import behind
from workbook.encoder.transformer import TransformerEncoder, bert_config, bert_name, take_weights
from workbook.index.inverted import SparseVectors
from workbook.pretraining import LanguageModelHead
from workbook.similarity import dot_score
from workbook.support.checks import check_positive
from workbook.support.frontend import budgeted
from workbook.train import History, fit

SETTINGS = ("max_length", "query_prompt", "document_prompt", "padding_side")
TEXTS_AT_A_TIME = 8_192  # that are tokenized and sorted by length together


def splade_pool(logits: Tensor, mask: Tensor) -> Tensor:
    """SPLADE's pooling: how strongly the text, at its strongest token, speaks for each word.

        w_v = max_t  log(1 + max(0, logits_tv))  =  log(1 + max(0, max_t logits_tv))

    The logarithm keeps one loud word from drowning the others. It never changes an order, so the maximum
    over the tokens can be taken first: the same numbers for a T-th of the work.

    Args:
        logits: (B, T, V), of a masked language model.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, V), none negative; zeros for a text without tokens.
    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `SpladePooling`. Source: Formal et al. 2021 (SPLADE v2).
    """
    if logits.ndim != 3 or mask.shape != logits.shape[:2]:
        raise ValueError(f"logits must be (B, T, V) and mask (B, T), got {tuple(logits.shape)} and {tuple(mask.shape)}")
    strongest = logits.masked_fill(~mask.bool()[:, :, None], 0.0).max(dim=1).values  # (B, V)
    return strongest.relu().log1p()


def flops(weights: Tensor) -> Tensor:
    """FLOPS regularizer: what a search with these vectors costs, smoothly.

        flops = sum_v  ( mean_i w_iv )²

    A word costs its posting list for every query that holds it, so it costs the square of how common it
    is. Against L1, which presses on all weights alike, this presses on the words that everybody uses.

    Args:
        weights: (B, V), none negative.
    Returns:
        a scalar.

    Equal to sentence-transformers `FlopsLoss`. Source: Paria et al. 2020.
    """
    return weights.mean(dim=0).square().sum()


def l1(weights: Tensor) -> Tensor:
    """Mean sum of the weights of a text, mean_i sum_v |w_iv|: (B, V) -> a scalar. For short queries."""
    return weights.abs().sum(dim=1).mean()


class SpladeEncoder(TextEncoder):
    """A text encoder whose dimensions are the words of its vocabulary.

        hidden_t = backbone(text)                                       (T, D)
        logits_tv = word_v · LayerNorm(GELU(W hidden_t + b)) + bias_v    (T, V), word_v the input embedding of v
        w = splade_pool(logits)                                         (V,)

    Backbone and head are those of masked language modelling (`workbook.pretraining.LanguageModelHead`), with
    their tied embeddings: to speak for a word is to point at it.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        backbone: a `TransformerEncoder`.
        max_length, query_prompt, document_prompt, padding_side: as in `TextEncoder`.
    Raises:
        ValueError: padding_side is neither.

    Equal to sentence-transformers `SparseEncoder` after `from_bert`. Source: Formal et al. 2021.
    """

    regularized_steps: Tensor

    def __init__(self, tokenizer: Tokenizer, backbone: TransformerEncoder, max_length: int = 128, **settings: Any):
        super().__init__(tokenizer, backbone, splade_pool, normalize=False, max_length=max_length, **settings)
        self.vocab_size = backbone.embeddings.word.num_embeddings
        self.head = LanguageModelHead(backbone.hidden_size, self.vocab_size, backbone.config["layer_norm_eps"])
        self.register_buffer("regularized_steps", torch.zeros((), dtype=torch.long))  # see `fit_splade`

    @torch.no_grad()
    def start_from_words(self, words: Tensor, bias: float = -2.0) -> "SpladeEncoder":
        """Let every token speak for itself and for the words near to it, before the training begins.

            word ← words,   W ← identity,   bias_v ← bias

        A masked language model knows how to name a word. A fresh one names all V of them, in every text and
        about equally loudly, and the training has to silence them first. From this start the encoder is a keyword
        search with a few neighbours of each word, and the training improves on that.

        Args:
            words: as in `TransformerEncoder.start_from_words`.
            bias: a word is in the vector when some token's product with it is above -bias; the lower, the sparser.
        Returns:
            the encoder itself, changed in place.
        Raises:
            ValueError: as in `TransformerEncoder.start_from_words`.
        """
        self.backbone.start_from_words(words)  # type: ignore[operator]
        torch.nn.init.eye_(self.head.dense.weight)
        torch.nn.init.zeros_(self.head.dense.bias)
        torch.nn.init.constant_(self.head.bias, bias)
        return self

    def logits(self, hidden: Tensor) -> Tensor:
        """How much each token speaks for each word: (..., D) -> (..., V)."""
        logits: Tensor = self.head(hidden, self.backbone.embeddings.word.weight)  # type: ignore[union-attr]
        return logits

    def forward(self, input_ids: Tensor, mask: Tensor, skip: int | None = None) -> Tensor:
        """input_ids (B, T), mask (B, T) -> one weight per word, (B, V); the first `skip` tokens of a text say nothing.

        One text at a time meets the vocabulary, without its padding: the (B, T, V) logits, the largest tensor
        by far, never exist at once, neither here nor for the backward pass, which needs only the places of
        the maxima.
        """
        hidden = self.backbone(input_ids, mask)  # (B, T, D)
        strongest = [
            self.logits(h[m]).max(dim=0).values if m.any() else h.new_zeros(self.vocab_size)
            for h, m in zip(hidden, behind(mask, skip).bool(), strict=True)
        ]
        return torch.stack(strongest).relu().log1p()

    @torch.no_grad()
    def encode(  # type: ignore[override]
        self, texts: Sequence[str], prompt: str | None = None, batch_size: int = 32, top_k: int | None = None
    ) -> SparseVectors:
        """Encode texts in batches of similar length; only the weights above zero are kept.

        Args:
            texts: N strings.
            prompt: what to put before each text.
            batch_size: how many are encoded at a time; memory is batch_size · V weights beside the result.
            top_k: keep at most this many words of each text, the heaviest.
        Returns:
            N sparse vectors, in the order of `texts`.
        Raises:
            TypeError: `texts` is a single string.
            ValueError: batch_size or top_k is not positive.
        """
        check_positive(batch_size=batch_size, top_k=top_k)
        check_texts(texts)
        parts = []
        with evaluating(self):
            for start in range(0, len(texts), TEXTS_AT_A_TIME):
                some = [f"{prompt or ''}{text}" for text in texts[start : start + TEXTS_AT_A_TIME]]
                parts.append(self._encode_some(some, batch_size, top_k))
        return SparseVectors.concatenate(parts, self.vocab_size)

    def _encode_some(self, texts: Sequence[str], batch_size: int, top_k: int | None) -> SparseVectors:
        ids = self.token_ids(texts)
        places, batches = list(by_length(ids, batch_size)), []
        for rows in places:
            weights = self.embed([ids[row] for row in rows]).float().cpu()  # (B, V)
            if top_k is not None and top_k < self.vocab_size:
                kept = weights.topk(top_k, dim=1)
                weights = torch.zeros_like(weights).scatter_(1, kept.indices, kept.values)
            batches.append(SparseVectors.from_dense(weights.numpy()))
        return SparseVectors.concatenate(batches, self.vocab_size).take(np.argsort(np.concatenate(places)))

    def words(self, vector: SparseVectors, row: int = 0) -> dict[str, float]:
        """The words of one sparse vector and their weights, heaviest first."""
        ids, weights = vector[row]
        order = np.argsort(-weights, kind="stable")
        return {str(self.tokenizer.id_to_token(int(ids[i]))): float(weights[i]) for i in order}

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load`, sentence-transformers and transformers read, as a masked language model.

        A model that was saved there is replaced in one step.

        Raises:
            FileExistsError: the folder holds something else.
        """
        weights = {theirs: self.get_parameter(ours) for ours, theirs in self._bert_names().items()}
        config = {**bert_config(self.backbone.config), "architectures": ["BertForMaskedLM"]}  # type: ignore[arg-type]
        ours = {"backbone": self.backbone.config, "encoder": {name: getattr(self, name) for name in SETTINGS}}
        save_model(folder, weights, config, self.tokenizer, self.pad_id, {"splade": ours})

    @classmethod
    def load(cls, folder: str | Path) -> "SpladeEncoder":
        """Read an encoder that `save` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: the folder holds no SPLADE encoder.
            ValueError: a file in it is damaged.
        """
        settings, weights, tokenizer = load_model(folder, "splade")
        try:
            encoder = cls(tokenizer, TransformerEncoder(**settings["backbone"]), **settings["encoder"])
            take_weights(encoder, weights, encoder._bert_names())
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} is damaged ({error}); save the encoder again") from error
        return encoder.eval()

    def _bert_names(self) -> dict[str, str]:
        """Our name of each weight -> its name in `BertForMaskedLM`."""
        parts = {"dense": "transform.dense", "norm": "transform.LayerNorm"}
        names = {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in parts.items() for kind in ("weight", "bias")}
        head = {f"head.{ours}": f"cls.predictions.{theirs}" for ours, theirs in {"bias": "bias", **names}.items()}
        return head | {f"backbone.{name}": f"bert.{bert_name(name)}" for name, _ in self.backbone.named_parameters()}

    @classmethod
    def from_bert(cls, tokenizer: Tokenizer, hf_model: Any, **settings: Any) -> "SpladeEncoder":
        """Take the weights of a Hugging Face `BertForMaskedLM`, such as a published SPLADE model.

        Args:
            tokenizer: the model's own, as a `tokenizers.Tokenizer`.
            hf_model: a `transformers.BertForMaskedLM` with tied embeddings.
            settings: as in `SpladeEncoder`.
        Returns:
            an encoder in evaluation mode.
        Raises:
            ValueError: the model is built in another way than BERT, or its embeddings are not tied.
        """
        encoder = cls(tokenizer, TransformerEncoder.from_bert(hf_model.bert), **settings)
        if not torch.equal(hf_model.get_output_embeddings().weight, hf_model.get_input_embeddings().weight):
            raise ValueError(
                "expected output embeddings tied to the input embeddings (tie_word_embeddings), got others"
            )
        take_weights(encoder, hf_model.state_dict(), encoder._bert_names())
        return encoder.eval()


def splade_loss(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    query_weight: float = 5e-5,
    document_weight: float = 3e-5,
    query_regularizer: Callable[[Tensor], Tensor] = flops,
) -> Tensor:
    """InfoNCE on dot products, plus a price for every word in use.

        loss = mean_i -log( exp(q_i · d_i) / sum_j exp(q_i · d_j) )
               + query_weight · flops(queries) + document_weight · flops(passages)

    No cosine and no temperature: the weights have no fixed length, so the model sets its own scale.

    Args:
        query: (B, V).
        positive: (B, V); row i belongs to query i.
        negatives: (B, M, V), or None.
        query_weight, document_weight: the price; the larger, the sparser.
        query_regularizer: `flops`, or `l1`, which presses on short queries more evenly.
    Returns:
        a scalar.
    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `SpladeLoss` around `SparseMultipleNegativesRankingLoss`.
    Source: Formal et al. 2021, 2022.
    """
    if query.ndim != 2 or query.shape != positive.shape:
        raise ValueError(f"expected two tensors (B, V), got {tuple(query.shape)} and {tuple(positive.shape)}")
    docs = positive if negatives is None else torch.cat([positive, negatives.transpose(0, 1).flatten(0, 1)])
    own = torch.arange(len(query), device=query.device)
    ranking = F.cross_entropy(dot_score(query, docs), own)
    return ranking + query_weight * query_regularizer(query) + document_weight * flops(docs)


def fit_splade(
    encoder: SpladeEncoder,
    pairs: Sequence[tuple[str, ...]],
    query_weight: float = 5e-5,
    document_weight: float = 3e-5,
    rising: float = 1 / 3,
    query_regularizer: Callable[[Tensor], Tensor] = flops,
    steps: int = 100,
    **options: Any,
) -> History:
    """Train a SPLADE encoder on pairs; the price of a word rises from nothing.

        price(step) = weight · min(1, step / (rising · steps))²

    At full price from the start, silence would be the cheapest answer, and a text without words can
    never be found again. So the model first learns what to say and then to say less.

    Args:
        encoder: trained in place.
        pairs, steps, options: as in `workbook.train.fit`.
        query_weight, document_weight, query_regularizer: as in `splade_loss`.
        rising: the share of the steps in which the price rises.
    Returns:
        one record for each step, as `fit`.
    Raises:
        ValueError: as `fit`, or a weight is negative, or rising is not between 0 and 1.

    Source: Paria et al. 2020; Formal et al. 2021.
    """
    if query_weight < 0 or document_weight < 0 or not 0 <= rising <= 1:
        raise ValueError(
            f"weights must not be negative and rising lies in [0, 1], got {query_weight}, {document_weight} and {rising}"
        )
    rising_steps = max(1, round(rising * budgeted(steps)))
    done = encoder.regularized_steps  # a buffer: a run that is resumed goes on with the price it had
    done.zero_()

    def loss(query: Tensor, positive: Tensor, negatives: Tensor | None = None) -> Tensor:
        price = min(1.0, done.item() / rising_steps) ** 2
        done.add_(1)
        weights = price * query_weight, price * document_weight
        return splade_loss(query, positive, negatives, *weights, query_regularizer)

    loss.__qualname__ = f"splade_loss({query_weight}, {document_weight}, {rising}, {query_regularizer.__qualname__})"
    return fit(encoder, pairs, loss=loss, steps=steps, **options)
