"""RetroMAE: one vector must be enough to write the text anew.

Masked language modelling lets tokens help each other, so no single vector has to know the text. Here the
encoder hides few tokens and says the text in the vector of its first token; a decoder of one layer, too
weak to guess by itself, gets that vector and few of the tokens, and must reconstruct the others. It can
only succeed if the vector says what the text is about. After the training the decoder is thrown away.

In enhanced decoding every token is reconstructed, each from a sample of the others that is its own:

    h     the sentence vector, from the text with `encoder_rate` of its tokens hidden     (B, D)
    H1    h + p_i in each row: what is asked, token by token                              (B, T, D)
    H2    h in row 0, the embedding of x_j in the others: what may be looked at           (B, T, D)
    M     whether token i may look at row j: never at itself, always at row 0 (which is   (B, T, T)
          h), and at each of the others with probability 1 - `decoder_rate`

    A = softmax((H1 W_Q)(H2 W_K)ᵀ / √S + log M) (H2 W_V),   loss = loss_encoder + loss_decoder

with x_j tokens, p_i positions, S dimensions of a head. A passes through the rest of a transformer layer,
with H1 as the residual, and then through the head of the language model.

Letters: B texts, T token positions, D hidden size, H heads, V vocabulary entries.

Taught in 10.
"""

import torch
from torch import Tensor

from workbook.encoder import EncoderBlock, TextEncoder, attention_mask, bert_start, token_positions
from workbook.pooling import cls_pool
from workbook.pretraining.objectives import MaskedLanguageModel, guess_loss, hide_special, seeded_weights


class RetroMAE(MaskedLanguageModel):
    """An encoder, a weak decoder that starts from one vector, and the two losses together.

    Args:
        encoder: a `TextEncoder` around a `TransformerEncoder`, padded on the right. Its [CLS] vector is
            what learns to stand for the text, so fine-tune it with `cls_pool`.
        encoder_rate: share of the tokens hidden from the encoder; 0.15 to 0.3 in the paper.
        decoder_rate: share of the tokens hidden from the decoder; 0.5 to 0.7 in the paper.
        enhanced: every token reconstructed from a sample of its own; otherwise the decoder sees one masked
            text and reconstructs the tokens that are masked there.
        seed: of the first weights of head and decoder; the global random state is left as it was.
    Raises:
        ValueError: a rate is not a probability, padding is on the left, or the backbone does not fit.

    The authors hide whole words; here, as in `mask_tokens`, each token is drawn for itself. Enhanced
    decoding holds a logit for every token of a batch, B · T · V numbers.

    Source: Xiao et al. 2022.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        encoder_rate: float = 0.3,
        decoder_rate: float = 0.5,
        enhanced: bool = True,
        seed: int = 0,
    ):
        super().__init__(encoder, encoder_rate, seed)
        if not 0 <= encoder_rate <= 1 or not 0 <= decoder_rate <= 1 or encoder.padding_side != "right":
            raise ValueError(
                f"expected two rates between 0 and 1 and padding on the right, where [CLS] is at position 0, "
                f"got {encoder_rate}, {decoder_rate} and padding on the {encoder.padding_side}"
            )
        self.decoder_rate, self.enhanced = decoder_rate, enhanced
        self.settings |= {"objective": "retromae", "decoder_rate": decoder_rate, "enhanced": enhanced}
        config = self.backbone.config
        sizes = {name: config[name] for name in ("hidden_size", "num_heads", "intermediate_size")}
        habits = {name: config[name] for name in ("dropout", "attention_dropout", "layer_norm_eps")}
        with seeded_weights(seed + 1):
            self.decoder = EncoderBlock(**sizes, **habits)
            self.decoder.apply(bert_start)
        self.decoder.to(self.word)

    def loss(self, input_ids: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of both reconstructions: (B, T), (B, T) -> a scalar."""
        hidden_ids, labels = self.hide(input_ids, mask, self.rate, generator)
        hidden = self.backbone(hidden_ids, mask)  # (B, T, D)
        encoder_loss = guess_loss(hidden, labels, self.head, self.word)
        decoded, asked = self.decode(cls_pool(hidden, mask), input_ids, mask, generator)
        return encoder_loss + guess_loss(decoded, asked, self.head, self.word)

    def decode(
        self, sentence: Tensor, input_ids: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reconstruct a text from one vector and a little of its tokens.

        Args:
            sentence: (B, D), h.
            input_ids: (B, T), the true tokens.
            mask: (B, T), 1 = token, 0 = padding.
            generator: draws what the decoder may see.
        Returns:
            decoded (B, T, D), and labels (B, T) of what was asked.
        """
        if not self.enhanced:
            seen_ids, labels = self.hide(input_ids, mask, self.decoder_rate, generator)
            seen = self._under(sentence, seen_ids, mask)
            return self.decoder(seen, attention_mask(mask)), labels
        H1 = sentence[:, None] + self.backbone.embeddings.position(token_positions(mask))  # (B, T, D)
        H2 = self._under(sentence, input_ids, mask)
        M = decoding_mask(mask, self.decoder_rate, generator)
        return self.decoder(H1, M, H2), hide_special(input_ids, mask, self.special)

    def _under(self, sentence: Tensor, input_ids: Tensor, mask: Tensor) -> Tensor:
        """The embeddings of a text, with h in the place of [CLS]: (B, T, D)."""
        embedded = self.backbone.embeddings(input_ids, mask)
        return torch.cat([sentence[:, None], embedded[:, 1:]], dim=1)


def decoding_mask(mask: Tensor, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """For each token a sample of what it may look at: (B, T) -> (B, 1, T, T) of booleans.

        M_ij = 1 where j = 0, or where j ≠ i is a token and is in the sample of row i

    Each row's sample holds every token with probability 1 - rate. Row 0 belongs to [CLS], which is not
    reconstructed; it looks at itself.

    Args:
        mask: (B, T), 1 = token, 0 = padding, on the right.
        rate: share of the tokens that a row does not see.
        generator: draws the samples; None takes torch's own.

    Source: Xiao et al. 2022, equation 7.
    """
    B, T = mask.shape
    drawn = torch.bernoulli(torch.full((B, T, T), 1.0 - rate, device=mask.device), generator=generator).bool()
    itself = torch.eye(T, dtype=torch.bool, device=mask.device)
    M = drawn & ~itself & mask.bool()[:, None, :]
    M[:, :, 0] = True
    return M[:, None]
