"""Models that write: behind a server, on this machine, or recorded.

Taught in 12.
"""

from workbook.llm.http import LLMError, post_json
from workbook.llm.models import LocalModel, OpenAICompatible
from workbook.llm.recorded import Model, Recorded, answer_key, check_prompts

__all__ = [
    "LLMError", "LocalModel", "Model", "OpenAICompatible", "Recorded", "answer_key", "check_prompts", "post_json",
]  # fmt: skip
