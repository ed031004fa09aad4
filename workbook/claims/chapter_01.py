"""Claim 2: the encoder built in chapter 01 is BERT."""

import torch
from torch import Tensor

from workbook.claims.claim import Claim, Measurements, Verdict
from workbook.encoder.transformer import TransformerEncoder

LENGTHS = (17, 17, 9, 1)  # four texts in a rectangle: full rows, a short one, a single token


def measure_equal_to_bert(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The largest difference between ours and BERT's vectors on any token of padded batches.

    Args:
        budget: "record" for four sizes of model, "notebook" for the smallest.
        seeds: of the weights and the texts.
    Returns:
        how many models were compared; the largest difference in single and in double precision, and with one
        detail of BERT changed (the tanh form of GELU); and the smallest difference with that detail changed.
    """
    sizes = [(32, 2, 4)] if budget == "notebook" else [(32, 2, 4), (96, 3, 6), (384, 6, 12), (768, 12, 12)]
    found: dict[str, list[float]] = {"float32": [], "float64": [], "tanh GELU": []}
    for seed in seeds:
        for hidden_size, num_layers, num_heads in sizes:
            theirs, input_ids, mask = _bert(seed, hidden_size, num_layers, num_heads)
            ours = TransformerEncoder.from_bert(theirs)
            with torch.no_grad():
                expected = theirs(input_ids, mask).last_hidden_state
                found["float32"].append(_largest(ours(input_ids, mask) - expected, mask))
                theirs, ours = theirs.double(), ours.double()
                expected = theirs(input_ids, mask).last_hidden_state
                found["float64"].append(_largest(ours(input_ids, mask) - expected, mask))
                approximate = _bert(seed, hidden_size, num_layers, num_heads, "gelu_pytorch_tanh")[0].double()
                found["tanh GELU"].append(_largest(approximate(input_ids, mask).last_hidden_state - expected, mask))
    return {"models": len(found["float32"]), "largest difference": {k: max(v) for k, v in found.items()}} | {
        "smallest difference with tanh GELU": min(found["tanh GELU"])
    }


def decide_equal_to_bert(m: Measurements) -> Verdict:
    """Holds when only rounding is left and the changed detail shows; is misleading otherwise."""
    single, double = m["largest difference"]["float32"], m["largest difference"]["float64"]
    changed = m["smallest difference with tanh GELU"]
    holds = single < 2e-5 and double < 1e-12 and changed > 1e-6
    because = (
        f"{m['models']} models: at most {single:.1e} apart in single and {double:.1e} in double precision; "
        f"with another GELU at least {changed:.1e}"
    )
    return Verdict("holds" if holds else "misleading", because)


def _bert(seed: int, hidden_size: int, num_layers: int, num_heads: int, activation: str = "gelu"):
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    # Larger weights than BERT's start, so that attention is far from uniform and every part matters.
    config = BertConfig(
        vocab_size=500,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=64,
        hidden_act=activation,
        initializer_range=0.1,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    input_ids = torch.randint(0, 500, (len(LENGTHS), max(LENGTHS)))
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    return model, input_ids, mask


def _largest(difference: Tensor, mask: Tensor) -> float:
    return float(difference[mask.bool()].abs().max())


CLAIMS = (
    Claim(
        id=2,
        chapter="01",
        statement="A from-scratch encoder block computes exactly what BERT computes.",
        rule=(
            "holds when, over every token of padded batches, the two differ by less than 2e-5 in single and 1e-12 in double precision, so "
            "that only rounding is left, while one changed detail (the tanh form of GELU) shows as more than 1e-6; misleading otherwise"
        ),
        measure=measure_equal_to_bert,
        decide=decide_equal_to_bert,
    ),
)
