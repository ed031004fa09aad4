"""The transformer encoder, from its parts: embeddings, attention, feed-forward, residuals, LayerNorm.

Letters: B texts, T token positions, D hidden size, H heads, S = D / H dimensions per head.
`mask` is (B, T), 1 for a token and 0 for padding. The layout is BERT's (post-LayerNorm, exact GELU),
so weights of any BERT model fit in; with `causal=True` the same blocks read from left to right only.

Taught in 01.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.support.checks import misfit


def token_positions(mask: Tensor) -> Tensor:
    """Number the tokens of each text from 0; padding, on either side, is not counted.

        position_t = (tokens up to and including t) - 1

    Args:
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, T) integers; padding before the first token gets 0.
    """
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)


class Embeddings(nn.Module):
    """Where tokens become vectors: word + position + segment, then LayerNorm.

        hidden_t = LayerNorm(word[id_t] + position[t] + segment[segment_id_t])

    Position t is the token's own number, counted from the first token, so left padding changes
    nothing. The segment vector tells two texts apart that are read together; one text is all segment 0.

    Source: Devlin et al. 2019.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        max_length: int,
        dropout: float,
        num_segments: int,
        layer_norm_eps: float,
    ):
        super().__init__()
        self.word = nn.Embedding(vocab_size, hidden_size)
        self.position = nn.Embedding(max_length, hidden_size)
        self.segment = nn.Embedding(num_segments, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: Tensor, mask: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """input_ids (B, T), mask (B, T), segment_ids (B, T) or None for all 0 -> hidden (B, T, D)."""
        word = self.word(input_ids)  # (B, T, D)
        position = self.position(token_positions(mask))  # (B, T, D)
        segment = self.segment.weight[0] if segment_ids is None else self.segment(segment_ids)  # (D,) or (B, T, D)
        hidden: Tensor = self.dropout(self.norm(word + position + segment))
        return hidden


def attention_mask(mask: Tensor, causal: bool = False) -> Tensor:
    """Who may look at whom: (B, T) -> (B, 1, T, T) of booleans, True where row may look at column.

    Nobody looks at padding. Under a causal mask nobody looks ahead. Every position may look at
    itself, so that a row of padding has something to attend to and stays finite.
    """
    T = mask.shape[1]
    allowed = mask.bool()[:, None, None, :].expand(-1, 1, T, T)  # columns that are tokens, for every row
    if causal:
        allowed = allowed & torch.ones(T, T, dtype=torch.bool, device=mask.device).tril()
    # A row of padding without any column would be a softmax over nothing, NaN: it looks at itself.
    return allowed | torch.eye(T, dtype=torch.bool, device=mask.device) & ~mask.bool()[:, None, :, None]


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut every token's vector into one slice per head: head h gets dimensions h·S to (h+1)·S.

    Args:
        x: (B, T, D), D = H · S.
        num_heads: H.
    Returns:
        (B, H, T, S): for each head, all tokens.
    """
    B, T, D = x.shape
    return x.view(B, T, num_heads, D // num_heads).transpose(1, 2)  # (B, T, D) -> (B, T, H, S) -> (B, H, T, S)


def attention_weights(query: Tensor, key: Tensor, allowed: Tensor | None = None) -> Tensor:
    """How much each token takes from every other, written out.

        attn_weights = softmax(query keyᵀ / √S)   over the allowed columns

    Args:
        query: (..., T, S).
        key: (..., T, S).
        allowed: booleans that broadcast to (..., T, T), True where row may look at column; None allows all.
    Returns:
        (..., T, T): row t says what token t takes from each token; it sums to 1.

    Source: Vaswani et al. 2017.
    """
    attn_scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (..., T, T)
    if allowed is not None:
        attn_scores = attn_scores.masked_fill(~allowed, float("-inf"))
    return attn_scores.softmax(dim=-1)


def attention(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Mix the values by the attention weights: what the fused kernel computes, in one readable line.

        attention(query, key, value) = softmax(query keyᵀ / √S) value

    Args:
        query, key, value: (..., T, S).
        allowed: as in `attention_weights`.
    Returns:
        (..., T, S).

    Equal to `torch.nn.functional.scaled_dot_product_attention`.
    """
    return attention_weights(query, key, allowed) @ value


class Attention(nn.Module):
    """Multi-head self-attention: each token gathers from the tokens it attends to.

        attn_scores = Q Kᵀ / √S,   attn_weights = softmax(attn_scores),   context = attn_weights V

    `attention` above writes these three lines out. Here PyTorch's fused kernel computes them in one
    pass, without ever holding the (B, H, T, T) weights; a test holds the two equal.

    Source: Vaswani et al. 2017.
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)
        self.dropout = dropout

    def forward(self, hidden: Tensor, allowed: Tensor, source: Tensor | None = None) -> Tensor:
        """hidden (B, T, D), allowed (B, 1, T or 1, T) -> (B, T, D); gathers from source (B, T, D) if there is one."""
        source = hidden if source is None else source
        q = split_heads(self.query(hidden), self.num_heads)  # (B, H, T, S): what each token asks
        k = split_heads(self.key(source), self.num_heads)  # (B, H, T, S): what each token offers
        v = split_heads(self.value(source), self.num_heads)  # (B, H, T, S): what it hands over
        dropout = self.dropout if self.training else 0.0  # of the weights; the kernel does not know the mode
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout)  # (B, H, T, S)
        context = context.transpose(1, 2).flatten(2)  # (B, T, H, S) -> (B, T, D): the heads side by side again
        mixed: Tensor = self.output(context)
        return mixed

    def weights(self, hidden: Tensor, allowed: Tensor) -> Tensor:
        """The attention weights that `forward` never holds: (B, H, T, T), rows sum to 1."""
        q, k = (split_heads(project(hidden), self.num_heads) for project in (self.query, self.key))
        return attention_weights(q, k, allowed)


class EncoderBlock(nn.Module):
    """One layer: attention, then a feed-forward net on each token; each added to its input and normalized.

        hidden = LayerNorm(hidden + Attention(hidden))
        hidden = LayerNorm(hidden + W₂ GELU(W₁ hidden))

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        dropout: float,
        attention_dropout: float | None = None,
        layer_norm_eps: float = 1e-12,
    ):
        super().__init__()
        self.attention = Attention(hidden_size, num_heads, dropout if attention_dropout is None else attention_dropout)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.expand = nn.Linear(hidden_size, intermediate_size)
        self.contract = nn.Linear(intermediate_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, allowed: Tensor, source: Tensor | None = None) -> Tensor:
        """hidden (B, T, D) -> (B, T, D); allowed and source as in `Attention`."""
        # Each step adds to what is there (the residual), so its gradient reaches the first layer undiminished.
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, allowed, source)))
        hidden = self.norm(hidden + self.dropout(self.contract(F.gelu(self.expand(hidden)))))
        return hidden


class TransformerEncoder(nn.Module):
    """Token ids in, one vector per token out.

    Args:
        vocab_size: how many tokens there are.
        hidden_size: D.
        num_layers: how many blocks stand on one another.
        num_heads: H; must divide hidden_size.
        intermediate_size: width of the feed-forward net; 4 D by default, as in BERT.
        max_length: the longest text, in tokens.
        causal: each token sees only itself and what stands before it, as in a decoder.
        dropout: share of values dropped in training.
        attention_dropout: share of attention weights dropped in training; as `dropout` by default.
        num_segments: how many texts can be told apart that are read together.
        layer_norm_eps: added to the variance in each LayerNorm.
    Raises:
        ValueError: num_heads does not divide hidden_size.

    Equal to Hugging Face `BertModel` after `from_bert`.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        intermediate_size: int | None = None,
        max_length: int = 512,
        causal: bool = False,
        dropout: float = 0.0,
        attention_dropout: float | None = None,
        num_segments: int = 2,
        layer_norm_eps: float = 1e-12,
    ):
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(
                f"num_heads must divide hidden_size, got {num_heads} heads for {hidden_size}; "
                "each head takes an equal slice of the vector"
            )
        width = intermediate_size or 4 * hidden_size
        self.config: dict[str, Any] = {
            "vocab_size": vocab_size, "hidden_size": hidden_size, "num_layers": num_layers, "num_heads": num_heads,
            "intermediate_size": width, "max_length": max_length, "causal": causal, "dropout": dropout,
            "attention_dropout": dropout if attention_dropout is None else attention_dropout,
            "num_segments": num_segments, "layer_norm_eps": layer_norm_eps,
        }  # fmt: skip
        self.causal, self.hidden_size, self.max_length = causal, hidden_size, max_length
        self.embeddings = Embeddings(vocab_size, hidden_size, max_length, dropout, num_segments, layer_norm_eps)
        self.blocks = nn.ModuleList(
            EncoderBlock(hidden_size, num_heads, width, dropout, attention_dropout, layer_norm_eps)
            for _ in range(num_layers)
        )
        self.apply(bert_start)

    def forward(self, input_ids: Tensor, mask: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """Encode a batch.

        Args:
            input_ids: (B, T) token ids.
            mask: (B, T), 1 = token, 0 = padding, on either side.
            segment_ids: (B, T), 0 = first text, 1 = second, where two are read together; None means one text.
        Returns:
            hidden (B, T, D). Positions of padding hold values without meaning.
        Raises:
            ValueError: the shapes do not belong together, or a text is longer than max_length.
        """
        self._check(input_ids, mask)
        allowed = attention_mask(mask, self.causal)  # (B, 1, T, T)
        hidden = self.embeddings(input_ids, mask, segment_ids)  # (B, T, D)
        for block in self.blocks:
            hidden = block(hidden, allowed)  # (B, T, D)
        return hidden  # type: ignore[no-any-return]

    def attention_maps(self, input_ids: Tensor, mask: Tensor, segment_ids: Tensor | None = None) -> list[Tensor]:
        """The attention weights of every layer, each (B, H, T, T): row t says where token t looks."""
        allowed = attention_mask(mask, self.causal)
        hidden, maps = self.embeddings(input_ids, mask, segment_ids), list[Tensor]()
        for block in self.blocks:
            maps.append(block.attention.weights(hidden, allowed))  # type: ignore[operator,union-attr]
            hidden = block(hidden, allowed)
        return maps

    def _check(self, input_ids: Tensor, mask: Tensor) -> None:
        if input_ids.ndim != 2 or mask.shape != input_ids.shape:
            raise ValueError(
                f"input_ids and mask must both be (B, T), got {tuple(input_ids.shape)} and {tuple(mask.shape)}; "
                "did you tokenize queries and passages separately?"
            )
        # A batch no wider than max_length holds no longer text, so its values need no look, which a graph cannot take.
        if mask.shape[1] > self.max_length and int(mask.sum(dim=1).max()) > self.max_length:
            raise ValueError(
                f"a text must have at most max_length = {self.max_length} tokens, got {int(mask.sum(dim=1).max())}; "
                "truncate when tokenizing"
            )

    @torch.no_grad()
    def start_from_words(self, words: Tensor, deviation: float = 0.06) -> "TransformerEncoder":
        """Take over word vectors that a cheaper encoder has learned, before the training begins.

            word ← words Vᵀ · deviation / std(words Vᵀ),   V the D directions in which the words reach furthest

        A bag of vectors learns what words mean in seconds, a transformer in hours. With these vectors it has
        only to learn what to do with them.

        Args:
            words: (V, at least D), such as the `word.weight` of a trained `StaticEncoder` with the same tokenizer.
            deviation: of the new word vectors. Positions start at 0.02; words must be heard above them.
        Returns:
            the encoder itself, changed in place.
        Raises:
            ValueError: there are other words here, or the vectors are shorter than D.
        """
        V, D = self.embeddings.word.weight.shape
        if words.ndim != 2 or len(words) != V or words.shape[1] < D:
            raise ValueError(
                f"words must be (V, at least D) = ({V}, {D} or more), got {tuple(words.shape)}; train them with the same "
                "tokenizer, and with vectors no shorter than those of the transformer"
            )
        if words.shape[1] > D:
            _, directions = torch.linalg.eigh(words.T @ words)  # in ascending order
            words = words @ directions[:, -D:]  # (V, D)
        self.embeddings.word.weight.copy_(words * (deviation / words.std()))
        return self

    @classmethod
    def from_bert(cls, hf_model: Any) -> "TransformerEncoder":
        """Take the weights of a Hugging Face `BertModel`.

        Args:
            hf_model: a `transformers.BertModel`; its pooler, if any, is left out.
        Returns:
            an encoder in evaluation mode that computes what the model computes.
        Raises:
            ValueError: the model is built in another way than this encoder; the message names the field.
        """
        config = hf_model.config
        for field, needed in NEEDED_OF_BERT.items():
            if (found := getattr(config, field, needed)) != needed:
                raise ValueError(
                    f"expected a BERT whose {field} is {needed!r}, got {found!r}; other backbones work through "
                    "TextEncoder.from_pretrained"
                )
        encoder = cls(**{ours: getattr(config, theirs) for ours, theirs in BERT_FIELDS.items()})
        names = {name: bert_name(name) for name, _ in encoder.named_parameters()}
        take_weights(encoder, hf_model.state_dict(), names)
        return encoder.eval()


def bert_start(module: nn.Module) -> None:
    """BERT's start: normal with deviation 0.02, biases zero. For `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


BERT_FIELDS = {  # our settings -> BertConfig's
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_length": "max_position_embeddings",
    "causal": "is_decoder",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "num_segments": "type_vocab_size",
    "layer_norm_eps": "layer_norm_eps",
}
NEEDED_OF_BERT = {  # the fields of BertConfig that no setting of ours stands for
    "model_type": "bert",
    "hidden_act": "gelu",  # the exact one
    "position_embedding_type": "absolute",
    "add_cross_attention": False,
    "pruned_heads": {},
}
BERT_NAMES = {  # our name -> Hugging Face's, in the order in which a vector passes them
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.segment": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "expand": "intermediate.dense",
    "contract": "output.dense",
    "norm": "output.LayerNorm",
}


def bert_name(name: str) -> str:
    """Hugging Face's name of a weight: blocks.0.expand.weight -> encoder.layer.0.intermediate.dense.weight."""
    path, kind = name.rsplit(".", 1)
    if path.startswith("blocks."):
        _, layer, part = path.split(".", 2)
        return f"encoder.layer.{layer}.{BERT_NAMES[part]}.{kind}"
    return f"{BERT_NAMES[path]}.{kind}"


def bert_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Our configuration in Hugging Face's words, as config.json holds it."""
    fixed = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "pad_token_id": 0}
    return fixed | {theirs: config[ours] for ours, theirs in BERT_FIELDS.items()}


@torch.no_grad()
def take_weights(module: nn.Module, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Copy weights into a module: all that are named, or none.

    Args:
        module: changed in place.
        weights: by their own names.
        names: the module's name of each parameter -> the name in `weights`.
    Raises:
        ValueError: a name is missing in `weights`, or has another shape there; the message lists them.
    """
    shapes = {theirs: module.get_parameter(ours).shape for ours, theirs in names.items()}
    missing = [name for name, shape in shapes.items() if name not in weights or weights[name].shape != shape]
    if missing:
        raise ValueError(misfit(missing, weights.keys() - shapes))
    for ours, theirs in names.items():
        module.get_parameter(ours).copy_(weights[theirs])
