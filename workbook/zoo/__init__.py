"""Encoders of others: what each family expects, and how its models are called; and real models that come in wheels.

Taught in 22.
"""

from workbook.support.wheels import WHEELS, Wheel, files_of_wheel
from workbook.zoo.families import Family, family_of, load_pretrained, minilm_from_wheel
from workbook.zoo.openai import OpenAIEmbeddings
from workbook.zoo.wordllama import load_wordllama

__all__ = [
    "WHEELS", "Family", "OpenAIEmbeddings", "Wheel", "family_of", "files_of_wheel", "load_pretrained", "load_wordllama",
    "minilm_from_wheel",
]  # fmt: skip
