"""The cross-encoder: query and passage are read together, and every token may look at every other.

A bi-encoder must say all about a passage before it knows the question. Here the two texts stand in one
input, so the model can match word with word before it judges:

    [CLS] query [SEP] passage [SEP]  ->  transformer  ->  hidden of [CLS]  ->  one number

The price: nothing can be computed ahead. A thousand passages cost a thousand passes for every query, so a
cross-encoder does not search; it orders again what a cheaper search has found (`workbook.rerank`).

Letters: B pairs in a batch, T tokens, D hidden size, N pairs, Q queries.

Taught in 15.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.encoder import by_length, evaluating, find_model, load_model, pad_id_of, rectangle, save_model
from workbook.encoder.hugging_face import as_tokenizer, load_whole, read_config
from workbook.encoder.transformer import TransformerEncoder, bert_config, bert_name, bert_start, take_weights
from workbook.support.checks import check_positive
from workbook.support.precision import at_least_float32, without_autocast
from workbook.train import History, check_tuples, hash_of_columns, loss_name, optimize
from workbook.train.fit import AT_A_TIME

Pair = tuple[str, str]
CERTAIN = 100.0  # as a label: its softmax against labels of 0 is 1 at that passage
PAIRS_AT_A_TIME = 8_192  # that are tokenized and sorted by length together


class CrossEncoder(nn.Module):
    """Two texts in, one score out.

        score = v · tanh(W hidden_[CLS] + b) + c

    The score is a *logit*: any number, larger means more relevant, comparable within one query. It is no
    probability, and a score of 8.4 is no error: `probabilities` gives σ(score), between 0 and 1, which means
    what it says only after a pointwise training. (Readers of sentence-transformers#1004 took the one for
    the other; there, the model's configuration decides which of them `predict` returns.)

    Args:
        tokenizer: a `tokenizers.Tokenizer` that joins two texts with their special tokens, as
            `train_tokenizer` makes it.
        backbone: a `TransformerEncoder`.
        max_length: tokens of both texts together, special ones included. What is too long is cut from the
            end of the longer text, until both are equally long.
        dropout: share of the pooled vector dropped in training; the backbone's by default.
    Raises:
        ValueError: max_length has no room for two texts, or is more than the backbone takes, or that has one segment.

    Equal to `BertForSequenceClassification` with one label. Source: Nogueira and Cho 2019.
    """

    def __init__(
        self, tokenizer: Tokenizer, backbone: TransformerEncoder, max_length: int = 256, dropout: float | None = None
    ):
        super().__init__()
        if backbone.config["num_segments"] < 2:
            raise ValueError("two texts need num_segments of at least 2, got a backbone with 1")
        special = tokenizer.num_special_tokens_to_add(True)
        if not special + 2 <= max_length <= backbone.max_length:
            raise ValueError(
                f"max_length must have room for {special} special tokens and two texts and be at most the backbone's "
                f"{backbone.max_length}, got {max_length}"
            )
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())  # our own copy: its settings are changed below
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length, strategy="longest_first")
        self.pad_id = pad_id_of(tokenizer)
        self.max_length = max_length
        self.backbone = backbone
        D = backbone.hidden_size
        self.pooler = nn.Linear(D, D)
        self.classifier = nn.Linear(D, 1)
        self.dropout = nn.Dropout(backbone.config["dropout"] if dropout is None else dropout)
        for layer in (self.pooler, self.classifier):
            bert_start(layer)

    @torch.no_grad()
    def start_from_words(self, words: Tensor, deviation: float = 0.2) -> "CrossEncoder":
        """Let every token look for its like in the other text, before the training begins.

            word ← words                    near words have near vectors
            W_query, W_key ← identity       in the first block: a token attends to itself and its like,
            W_value, W_output ← identity    and takes that over, with the segment vector that says where it stood:
            segment ← as long as the words  so a query token knows whether the passage answers it, and [CLS] collects
            other matrices ← deviation 1/√D

        From a random start, matching is the last thing to be learned: the gradient that would align queries and
        keys is small as long as they are not. A pretrained model has learned it; this start hands it over.
        BERT's deviation of 0.02 suits its 768 dimensions; with 128, [CLS] hardly depends on what it reads.

        Args:
            words: as in `TransformerEncoder.start_from_words`.
            deviation: of the new word vectors and segment vectors.
        Returns:
            the encoder itself, changed in place.
        Raises:
            ValueError: as in `TransformerEncoder.start_from_words`.
        """
        self.backbone.start_from_words(words, deviation)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=self.backbone.hidden_size**-0.5)
        nn.init.normal_(self.backbone.embeddings.segment.weight, std=deviation)
        for number, block in enumerate(self.backbone.blocks):
            attention: Any = block.attention
            for layer in (attention.value, attention.output, *((attention.query, attention.key) if not number else ())):
                nn.init.eye_(layer.weight)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.classifier.weight.device

    def token_ids(self, pairs: Sequence[Pair]) -> tuple[list[list[int]], list[list[int]]]:
        """The token ids and the segment ids of each pair, cut to max_length, without padding.

        Segment 0 is [CLS] query [SEP], segment 1 is passage [SEP].

        Raises:
            TypeError: something else than pairs of strings.
        """
        _check_pairs(pairs)
        encoded = self.tokenizer.encode_batch_fast([(first, second) for first, second in pairs])
        return [encoding.ids for encoding in encoded], [encoding.type_ids for encoding in encoded]

    def pad(self, ids: Sequence[Any], segments: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Fill up to the longest: input_ids, mask and segment_ids, each (B, T)."""
        input_ids, mask = rectangle([torch.as_tensor(tokens) for tokens in ids], self.pad_id)
        segment_ids, _ = rectangle([torch.as_tensor(numbers) for numbers in segments], 0)
        return input_ids, mask, segment_ids

    def forward(self, input_ids: Tensor, mask: Tensor, segment_ids: Tensor) -> Tensor:
        """input_ids, mask and segment_ids, each (B, T) -> one logit per pair, (B,)."""
        first = self.backbone(input_ids, mask, segment_ids)[:, 0]  # (B, D), the hidden state of [CLS]
        # The score itself in float32 or more: half precision would tie passages that the hidden states tell apart.
        pooled = at_least_float32(self.dropout(self.pooler(first).tanh()))  # (B, D)
        with without_autocast(pooled):
            logits = F.linear(pooled, self.classifier.weight.to(pooled), self.classifier.bias.to(pooled))
        return logits[:, 0]  # (B, 1) -> (B,)

    @torch.no_grad()
    def predict(self, pairs: Sequence[Pair], batch_size: int = 32) -> np.ndarray:
        """The score of each pair, as a logit: any number, larger means more relevant.

        Args:
            pairs: N tuples (query, passage).
            batch_size: pairs that are read at a time, of similar length.
        Returns:
            (N,) float32, in the order of `pairs`.
        Raises:
            TypeError: something else than pairs of strings.
            ValueError: batch_size is not positive.

        Equal to sentence-transformers' `CrossEncoder.predict` with `activation_fn=Identity`.
        """
        check_positive(batch_size=batch_size)
        _check_pairs(pairs)
        scores = np.zeros(len(pairs), dtype=np.float32)
        with evaluating(self):
            for start in range(0, len(pairs), PAIRS_AT_A_TIME):
                ids, segments = self.token_ids(pairs[start : start + PAIRS_AT_A_TIME])
                for rows in by_length(ids, batch_size):
                    batch = self.pad([ids[row] for row in rows], [segments[row] for row in rows])
                    scores[start + rows] = self(*(x.to(self.device) for x in batch)).float().cpu().numpy()
        return scores

    def probabilities(self, pairs: Sequence[Pair], batch_size: int = 32) -> np.ndarray:
        """σ(score) of each pair, (N,) between 0 and 1: the share of such pairs that are relevant, as in training.

        The order is that of the scores. A pairwise or listwise training fixes only the order, so there the
        number is between 0 and 1 and means no more than that.
        """
        return torch.from_numpy(self.predict(pairs, batch_size)).sigmoid().numpy()

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load`, sentence-transformers and transformers read.

        A model that was saved there is replaced in one step.

        Raises:
            FileExistsError: the folder holds something else.
        """
        weights = {theirs: self.get_parameter(ours) for ours, theirs in self._bert_names().items()}
        config = {
            **bert_config(self.backbone.config),
            "architectures": ["BertForSequenceClassification"],
            "id2label": {"0": "LABEL_0"},
            "label2id": {"LABEL_0": 0},
            "classifier_dropout": self.dropout.p,
            # Else sentence-transformers puts a sigmoid on a single label.
            "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
        }
        ours = {"max_length": self.max_length, "dropout": self.dropout.p, "backbone": self.backbone.config}
        save_model(folder, weights, config, self.tokenizer, self.pad_id, {"cross_encoder": ours})

    @classmethod
    def load(cls, folder: str | Path) -> "CrossEncoder":
        """Read a cross-encoder that `save` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: the folder holds no cross-encoder.
            ValueError: a file in it is damaged.
        """
        settings, weights, tokenizer = load_model(folder, "cross_encoder")
        try:
            backbone = TransformerEncoder(**settings.pop("backbone"))
            encoder = cls(tokenizer, backbone, **settings)
            take_weights(encoder, weights, encoder._bert_names())
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} is damaged ({error}); save the cross-encoder again") from error
        return encoder.eval()

    def _bert_names(self) -> dict[str, str]:
        """Our name of each weight -> its name in `BertForSequenceClassification`."""
        names = {f"backbone.{name}": f"bert.{bert_name(name)}" for name, _ in self.backbone.named_parameters()}
        for kind in ("weight", "bias"):
            names |= {f"pooler.{kind}": f"bert.pooler.dense.{kind}", f"classifier.{kind}": f"classifier.{kind}"}
        return names

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | Path, max_length: int | None = None, allow_download: bool = False
    ) -> "CrossEncoder":
        """Take over a Hugging Face BERT for sequence classification, such as the ms-marco-MiniLM rerankers.

        Args:
            name_or_folder: a local folder, or a name whose files are in the hub's cache.
            max_length: the model's own by default.
            allow_download: fetch the files from the hub when they are not in its cache.
        Returns:
            a cross-encoder in evaluation mode, with sentence-transformers' scores.
        Raises:
            FileNotFoundError: the model is neither a folder nor in the cache.
            ValueError: the model is built in another way than this one, and the message names the field; or weights
                are missing, or there are some that it has no place for.
        """
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        folder = find_model(name_or_folder, allow_download)
        fast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        files = ("sentence_bert_config.json", "config_sentence_transformers.json")
        said = {field: value for file in files for field, value in read_config(folder / file).items()}
        _check_habits(AutoConfig.from_pretrained(folder, local_files_only=True), fast, said)
        model = load_whole(AutoModelForSequenceClassification, folder, unused=(), spare=False)
        if "token_type_ids" not in fast.model_input_names:
            # Every token is of segment 0, then. A second segment that equals it says as little.
            first = model.bert.embeddings.token_type_embeddings.weight.detach()[:1]
            model.bert.embeddings.token_type_embeddings = nn.Embedding(2, first.shape[1], _weight=first.repeat(2, 1))
            model.config.type_vocab_size = 2
        longest = said.get("max_seq_length") or min(fast.model_max_length, model.config.max_position_embeddings)
        backbone = TransformerEncoder.from_bert(model.bert)
        encoder = cls(as_tokenizer(fast), backbone, max_length or longest, model.config.classifier_dropout)
        take_weights(encoder, model.state_dict(), encoder._bert_names())
        return encoder.eval()


def _check_habits(config: Any, tokenizer: Any, said: Mapping[str, Any]) -> None:
    """Refuse what would give other scores than sentence-transformers' in silence."""
    habits = {
        "model_type": (config.model_type, "bert"),
        "num_labels": (config.num_labels, 1),
        "padding_side": (tokenizer.padding_side, "right"),
        "truncation_side": (tokenizer.truncation_side, "right"),
        "default_prompt_name": (said.get("default_prompt_name"), None),
        "do_lower_case": (said.get("do_lower_case", False), False),
        "processing_kwargs": (said.get("processing_kwargs") or {}, {}),
    }
    for field, (found, needed) in habits.items():
        if found != needed:
            raise ValueError(
                f"expected a BERT with one label whose {field} is {needed!r}, got {found!r}; give `rerank` and "
                "`teacher_scores` any other model as it is: they ask for nothing but predict(pairs)"
            )


def fit_cross_encoder(
    encoder: CrossEncoder,
    tuples: Sequence[tuple[str, ...]],
    labels: Tensor | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    steps: int = 100,
    batch_size: int = 16,
    lr: float = 1e-4,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> History:
    """Train a cross-encoder on labelled pairs, or on lists of passages for one query.

    The data says which losses fit. Pairs are judged one by one (pointwise): the logit learns to be a
    log-odds. Lists are judged against each other (pairwise, listwise): only differences within a list
    count, which is all that a ranking needs.

    Args:
        encoder: trained in place, on the device it is on.
        tuples: N pairs (query, passage), or N lists (query, passage_1, …, passage_n), all of one length.
        labels: (N,) for pairs; (N, n) for lists, by default 1 for the first passage and 0 for the others, so
            that the same tuples (query, positive, negative, …) serve here and in `workbook.train.fit`.
        loss: called as loss(logits (B,), labels (B,)) for pairs, `pointwise_loss` by default; as
            loss(logits (B, n), labels (B, n)) for lists, `listwise_loss` by default. Where labels are left to
            their default too, the first passage is labelled CERTAIN, for which that loss is the softmax
            cross-entropy: with 1 and 0 it would be content with a share of e / (e + n - 1). `margin_loss` learns from
            a teacher's scores as labels.
        steps, lr, seed: as in `workbook.train.optimize`.
        batch_size: pairs or lists in a batch, at most.
        dtype: `torch.bfloat16` runs the encoder under autocast; the loss always sees float32.
        options: passed on to `optimize`.
    Returns:
        one record {"step", "loss", "lr"} for each step.
    Raises:
        ValueError: there are no tuples, they differ in length, or labels do not belong to them.
        FloatingPointError: as in `optimize`.

    Source: Nogueira and Cho 2019 (pointwise); Burges et al. 2005 (pairwise); Cao et al. 2007 (listwise).
    """
    n = check_tuples(tuples)
    if labels is None:
        if n == 1:
            raise ValueError("labels are needed for pairs (query, passage): 1 = relevant, 0 = not; got none")
        labels = torch.zeros(len(tuples), n)
        labels[:, 0] = CERTAIN if loss is None else 1
    if labels.shape != ((len(tuples),) if n == 1 else (len(tuples), n)):
        raise ValueError(
            f"labels must give one number for each passage of {len(tuples)} tuples, got {tuple(labels.shape)}"
        )
    if loss is None:
        from workbook.losses import listwise_loss, pointwise_loss

        loss = pointwise_loss if n == 1 else listwise_loss

    ids: list[Tensor] = []
    segments: list[Tensor] = []
    for start in range(0, len(tuples), 1024):
        pairs = [(query, passage) for query, *passages in tuples[start : start + 1024] for passage in passages]
        for column, found in zip((ids, segments), encoder.token_ids(pairs), strict=True):
            column += [torch.tensor(numbers) for numbers in found]
    lengths = np.array([len(tokens) for tokens in ids]).reshape(len(tuples), n).max(axis=1)

    def loss_of(rows: np.ndarray) -> Tensor:
        places = (rows[:, None] * n + np.arange(n)).ravel()
        logits = _logits(encoder, [ids[i] for i in places], [segments[i] for i in places], dtype)
        wanted = labels[torch.from_numpy(rows)].to(logits.device)
        return loss(logits.view(wanted.shape), wanted)

    settings = {"loss": loss_name(loss), "dtype": str(dtype), "data": hash_of_columns([ids, [labels.cpu().flatten()]])}
    return optimize(encoder, loss_of, lengths, steps, batch_size, lr, seed, settings=settings, **options)


def _logits(encoder: CrossEncoder, ids: list[Tensor], segments: list[Tensor], dtype: torch.dtype | None) -> Tensor:
    """The logits of some pairs, (B,); on a processor a few pairs of similar length at a time, as in `workbook.train`."""
    by_length = np.argsort([len(tokens) for tokens in ids], kind="stable")
    groups = math.ceil(len(ids) / AT_A_TIME) if encoder.device.type == "cpu" else 1
    logits = []
    with torch.autocast(encoder.device.type, torch.bfloat16, enabled=dtype is not None):
        for group in np.array_split(by_length, groups):
            batch = encoder.pad([ids[i] for i in group], [segments[i] for i in group])
            logits.append(encoder(*(x.to(encoder.device) for x in batch)))
    return torch.cat(logits)[np.argsort(by_length)]


def _check_pairs(pairs: Sequence[Pair]) -> None:
    for row, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise TypeError(
                f"expected pairs (query, passage) of strings, got {pair!r} at position {row}; for one pair, predict([pair])"
            )
