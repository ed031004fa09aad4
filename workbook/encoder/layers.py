"""What a pooled vector may still pass on its way out of an encoder: a linear layer, and scaling to length 1.

Letters: B texts, D dimensions.

Taught in 22.
"""

from torch import Tensor, nn

from workbook.similarity import normalize


class Dense(nn.Module):
    """A linear layer and an activation: to another number of dimensions, or into another space.

        y = activation(W x + b)

    Args:
        in_features, out_features: D before and after.
        bias: whether there is a b.
        activation: the name of a class of `torch.nn` that takes no arguments, such as "Tanh".
    Raises:
        ValueError: there is no such activation.

    Equal to sentence-transformers `Dense`, and saved as such.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, activation: str = "Tanh"):
        super().__init__()
        function = getattr(nn, activation, None)
        known = ("torch.nn.modules.activation", "torch.nn.modules.linear")
        if not isinstance(function, type) or function.__module__ not in known:
            raise ValueError(
                f"activation must be a class of torch.nn such as Tanh, GELU or Identity, got {activation!r}"
            )
        self.linear = nn.Linear(in_features, out_features, bias)
        self.activation = function()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, D) -> (B, out_features)."""
        y: Tensor = self.activation(self.linear(x))
        return y


class Normalize(nn.Module):
    """`normalize` as a layer, for where it is not the last one: (B, D) -> (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, D) -> x / |x|."""
        return normalize(x)
