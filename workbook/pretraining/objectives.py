"""Pre-training: what a transformer can learn from text that nobody has labelled.

Hide some tokens and let the model guess them (masked language modelling), or let it guess each next
token (language modelling). Both teach what words do beside one another; neither says that one vector
should stand for a text. `workbook.pretraining.retromae` mends that, and `workbook.pretraining.pairs` goes another
way: pairs cut out of single texts, for the contrastive loss.

Letters: B texts, T token positions, D hidden size, V vocabulary entries, N texts in all.

Taught in 10.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.encoder import TextEncoder, TransformerEncoder, bert_start, rectangle
from workbook.support.precision import at_least_float32
from workbook.train import History, hash_of_columns, optimize, share

IGNORED = -100  # the label of a token that is not to be guessed, as in PyTorch and transformers


def mask_tokens(
    input_ids: Tensor,
    mask: Tensor,
    generator: torch.Generator | None = None,
    rate: float = 0.15,
    *,
    mask_id: int,
    vocab_size: int,
    special_ids: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be guessed, and hide most of them.

    Each token is chosen with probability `rate`. Of the chosen, 80 % become [MASK], 10 % a random
    token, and 10 % stay as they are: the model cannot tell which of the tokens it sees are true, so it
    has to know something about all of them. Later it will never see a [MASK].

    Args:
        input_ids: (B, T) token ids; they are not changed.
        mask: (B, T), 1 = token, 0 = padding.
        generator: where the random numbers come from; None takes torch's own, which `optimize` seeds,
            saves with each checkpoint and puts back.
        rate: share of the tokens to choose.
        mask_id: the id of [MASK].
        vocab_size: V; random tokens come from all of them, special ones included, as in BERT.
        special_ids: ids that are never chosen, such as [CLS] and [SEP].
    Returns:
        input_ids with the chosen tokens hidden, and labels, both (B, T); labels hold the true id where
        a token was chosen and `IGNORED` elsewhere.
    Raises:
        ValueError: rate is not a probability, or the shapes do not belong together.

    Equal to transformers `DataCollatorForLanguageModeling`, token for token from the same generator.
    Source: Devlin et al. 2019.
    """
    if not 0 <= rate <= 1 or input_ids.shape != mask.shape:
        raise ValueError(
            f"rate must lie between 0 and 1 and mask be of input_ids' shape {tuple(input_ids.shape)}, "
            f"got {rate} and {tuple(mask.shape)}; 15 % is 0.15"
        )
    may_be_chosen = mask.bool() & ~torch.isin(input_ids, input_ids.new_tensor(list(special_ids)))
    chosen = _drawn(rate * may_be_chosen.float(), generator)  # (B, T)
    labels = input_ids.masked_fill(~chosen, IGNORED)
    hidden = chosen & _drawn(torch.full_like(chosen, 0.8, dtype=torch.float32), generator)
    swapped = chosen & ~hidden & _drawn(torch.full_like(chosen, 0.5, dtype=torch.float32), generator)
    any_token = torch.randint(vocab_size, input_ids.shape, generator=generator, device=input_ids.device)
    return torch.where(swapped, any_token, input_ids.masked_fill(hidden, mask_id)), labels


class LanguageModelHead(nn.Module):
    """From a token's vector to a score for every entry of the vocabulary.

        logits = LayerNorm(GELU(W hidden)) wordᵀ + bias

    `word` is the table of word embeddings that stands at the other end of the model: the weights are
    tied, so a token is guessed by the similarity to its own embedding.

    Args:
        hidden_size: D.
        vocab_size: V.
        layer_norm_eps: as in `TransformerEncoder`.

    Source: Press and Wolf 2017 (tying); Devlin et al. 2019.
    """

    def __init__(self, hidden_size: int, vocab_size: int, layer_norm_eps: float = 1e-12):
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dense.apply(bert_start)

    def forward(self, hidden: Tensor, word: Tensor) -> Tensor:
        """hidden (..., D), word (V, D) -> logits (..., V)."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), word, self.bias)


class MaskedLanguageModel(nn.Module):
    """An encoder with a head that guesses hidden tokens.

    Args:
        encoder: a `TextEncoder` around a `TransformerEncoder`; training this model trains its backbone.
        rate: share of the tokens to be guessed.
        seed: of the head's first weights; the global random state is left as it was.
    Raises:
        ValueError: the backbone sees no context, or the tokenizer has no [MASK].

    Equal to transformers `BertForMaskedLM`. Source: Devlin et al. 2019.
    """

    def __init__(self, encoder: TextEncoder, rate: float = 0.15, seed: int = 0):
        super().__init__()
        transformer_of(encoder, causal=False)
        self.encoder, self.rate = encoder, rate
        self.special = special_ids(encoder.tokenizer)
        self.mask_id = mask_id(encoder.tokenizer)
        self.settings: dict[str, Any] = {"objective": "mlm", "rate": rate}
        V, D = self.word.shape
        with seeded_weights(seed):
            self.head = LanguageModelHead(D, V, self.backbone.config["layer_norm_eps"]).to(self.word)

    @property
    def backbone(self) -> TransformerEncoder:
        """The encoder's transformer."""
        return transformer_of(self.encoder, causal=False)

    @property
    def word(self) -> Tensor:
        """The word embeddings (V, D), which are the head's decoder too."""
        return self.backbone.embeddings.word.weight

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> logits (B, T, V)."""
        logits: Tensor = self.head(self.backbone(input_ids, mask), self.word)
        return logits

    def hide(
        self, input_ids: Tensor, mask: Tensor, rate: float, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """`mask_tokens` with this encoder's vocabulary."""
        return mask_tokens(
            input_ids, mask, generator, rate, mask_id=self.mask_id, vocab_size=len(self.word), special_ids=self.special
        )

    def loss(self, input_ids: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Hide tokens and say how badly they are guessed: (B, T), (B, T) -> a scalar."""
        hidden_ids, labels = self.hide(input_ids, mask, self.rate, generator)
        return guess_loss(self.backbone(hidden_ids, mask), labels, self.head, self.word)


class NextTokenModel(nn.Module):
    """A causal encoder that guesses each next token: how the backbone of an LLM embedder was trained.

        logits_t = hidden_t wordᵀ,   label_t = input_ids_{t+1}

    Args:
        encoder: a `TextEncoder` around a `TransformerEncoder` with causal=True.
    Raises:
        ValueError: the backbone sees what it should guess.

    Source: Radford et al. 2019 (GPT-2, with tied weights).
    """

    def __init__(self, encoder: TextEncoder):
        super().__init__()
        transformer_of(encoder, causal=True)
        self.encoder = encoder
        self.special = special_ids(encoder.tokenizer)
        self.settings: dict[str, Any] = {"objective": "next token"}

    def loss(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """How badly the next tokens are guessed: (B, T), (B, T) -> a scalar."""
        backbone = transformer_of(self.encoder, causal=True)
        word = backbone.embeddings.word.weight
        follows = (mask[:, :-1].bool() & mask[:, 1:].bool()).to(mask)  # (B, T - 1)
        labels = hide_special(input_ids[:, 1:], follows, self.special)
        return guess_loss(backbone(input_ids, mask)[:, :-1], labels, F.linear, word)


def pretrain(
    model: MaskedLanguageModel | NextTokenModel,
    texts: Sequence[str],
    steps: int = 100,
    batch_size: int = 32,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> History:
    """Train a model on texts alone, in batches of similar length, with the loop that is under `fit` too.

    Args:
        model: a `MaskedLanguageModel`, `NextTokenModel` or `workbook.pretraining.retromae.RetroMAE`. Its encoder is
            trained in place; the head is only needed here.
        texts: N texts. Keep evaluation texts out of them (`workbook.training_data.decontaminate`).
        steps, batch_size, options: as in `workbook.train.optimize`: lr, seed, checkpoint, on_step and so on.
        dtype: `torch.bfloat16` runs the model under autocast; the loss sees float32. Do not put autocast around the
            whole training instead: it keeps its copies of the weights, and every step would read the first ones.
    Returns:
        one record {"step", "loss", "lr"} for each step.
    Raises:
        ValueError: there are no texts, or a number is out of range.

    What is hidden is drawn anew in each step, from the random state that `optimize` seeds and saves: a
    run that is stopped and resumed ends in the same weights.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts must hold at least one text, got {texts!r}; is the split's name right?")
    encoder = model.encoder
    ids: list[Tensor] = []
    for start in range(0, len(texts), 1024):  # the tokenizer's own records are large
        ids += [torch.tensor(tokens) for tokens in encoder.token_ids(texts[start : start + 1024])]
    device = next(model.parameters()).device

    def loss_of(rows: np.ndarray) -> Tensor:
        here = share(rows)  # under torchrun a part of them
        input_ids, mask = rectangle([ids[row] for row in here], encoder.pad_id, encoder.padding_side)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype is not None):
            return model.loss(input_ids.to(device), mask.to(device))

    settings = {**model.settings, "texts": hash_of_columns([ids])}
    settings |= {} if dtype is None else {"dtype": str(dtype)}
    lengths = np.array([len(tokens) for tokens in ids])
    return optimize(model, loss_of, lengths, steps, batch_size, settings=settings, **options)


def guess_loss(hidden: Tensor, labels: Tensor, head: Callable[[Tensor, Tensor], Tensor], word: Tensor) -> Tensor:
    """The mean cross-entropy of the tokens to be guessed, in float32 or more.

    Only their rows are multiplied by the vocabulary: of 15 %, a sixth of the work.

    Args:
        hidden: (B, T, D).
        labels: (B, T), `IGNORED` where nothing is to be guessed.
        head: gives the logits, (G, D), (V, D) -> (G, V); a `LanguageModelHead`, or the bare product `F.linear`.
        word: (V, D) word embeddings.
    Returns:
        a scalar; 0 where nothing is to be guessed.
    """
    guessed = labels != IGNORED  # (B, T)
    logits = at_least_float32(head(hidden[guessed], word))  # (G, V)
    return F.cross_entropy(logits, labels[guessed], reduction="sum") / max(len(logits), 1)


def hide_special(input_ids: Tensor, mask: Tensor, special: Sequence[int]) -> Tensor:
    """Labels (B, T) that ask for every token but the special ones and padding."""
    asked = mask.bool() & ~torch.isin(input_ids, input_ids.new_tensor(list(special)))
    return input_ids.masked_fill(~asked, IGNORED)


def special_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids of [CLS], [SEP], [PAD], [UNK], [MASK], or whatever a tokenizer calls special."""
    return sorted(number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special)


def mask_id(tokenizer: Tokenizer) -> int:
    """The id of [MASK] (or <mask>).

    Raises:
        ValueError: the tokenizer has none.
    """
    for token in ("[MASK]", "<mask>"):
        if (found := tokenizer.token_to_id(token)) is not None:
            return found
    raise ValueError("the tokenizer has no [MASK]; take one from workbook.encoder.train_tokenizer, or of a BERT model")


def transformer_of(encoder: TextEncoder, causal: bool) -> TransformerEncoder:
    """The backbone of an encoder, if it reads in the way that an objective needs.

    Raises:
        ValueError: it is no `TransformerEncoder`, or reads the other way.
    """
    backbone = encoder.backbone
    if not isinstance(backbone, TransformerEncoder):
        raise ValueError(
            f"expected a TransformerEncoder, which sees a token's neighbours, got {type(backbone).__name__}; "
            "a bag of embeddings cannot guess a token from the others' order"
        )
    if backbone.causal is not causal:
        raise ValueError(
            f"expected a backbone with causal={causal}, got causal={backbone.causal}: masked tokens are guessed from "
            "both sides (MaskedLanguageModel, RetroMAE), the next token from the left (NextTokenModel)"
        )
    return backbone


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Draw first weights from `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _drawn(probability: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.bernoulli(probability, generator=generator).bool()
