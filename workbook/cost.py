"""What a forward pass costs, in multiply-adds, counted from the shapes.

Letters: T tokens of a text, D hidden size, I intermediate size, L layers. One multiply-add is one
product and one sum; hardware sheets often count it as two operations.

Taught in 01.
"""


def multiply_adds(
    tokens: int, hidden_size: int, num_layers: int, intermediate_size: int | None = None
) -> dict[str, int]:
    """Count the multiply-adds of a transformer encoder for one text, by part.

        projections  = L · 4 T D²       query, key, value, output
        attention    = L · 2 T² D       scores, then the mix of values
        feed_forward = L · 2 T D I      widen, then narrow

    Args:
        tokens: T.
        hidden_size: D.
        num_layers: L.
        intermediate_size: I; 4 D when None, as in BERT.
    Returns:
        The three parts by name. Lookups, LayerNorm, softmax and GELU are left out: they are small.
    Raises:
        ValueError: a number is negative.

    Doubled, it is what `torch.utils.flop_counter` counts.
    """
    T, D, L = tokens, hidden_size, num_layers
    inner = 4 * D if intermediate_size is None else intermediate_size
    if min(T, D, L, inner) < 0:
        raise ValueError(f"tokens and sizes must not be negative, got T={T}, D={D}, L={L}, I={inner}")
    return {
        "projections": L * 4 * T * D * D,
        "attention": L * 2 * T * T * D,
        "feed_forward": L * 2 * T * D * inner,
    }
