"""Moving a model to a domain it has not seen, with all of its weights or a few.

Taught in 18.
"""

from workbook.adapt.adapt import Adaptation, adapt, average_weights, changes, evaluate_encoder, mix_pairs
from workbook.adapt.lora import (
    LoRALinear,
    add_lora,
    extract_lora,
    load_adapter,
    lora_state,
    merge,
    save_adapter,
    trained_parameters,
)

__all__ = [
    "Adaptation", "LoRALinear", "adapt", "add_lora", "average_weights", "changes", "evaluate_encoder", "extract_lora",
    "load_adapter", "lora_state", "merge", "mix_pairs", "save_adapter", "trained_parameters",
]  # fmt: skip
