"""Encoders of others: what each family expects, and how its models are called.

Taught in 22.
"""

from workbook.zoo.families import Family, family_of, load_pretrained, minilm_from_wheel
from workbook.zoo.openai import OpenAIEmbeddings

__all__ = ["Family", "OpenAIEmbeddings", "family_of", "load_pretrained", "minilm_from_wheel"]
