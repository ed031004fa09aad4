"""Where pairs come from, and which of them to keep.

Taught in 12.
"""

from workbook.training_data.judged import judge_prompt, parse_judgement
from workbook.training_data.near_duplicates import (
    MinHashIndex,
    chance_to_meet,
    find,
    jaccard,
    join,
    minhash,
    near_duplicates,
    shingles,
)
from workbook.training_data.sieves import (
    Dropped,
    Sieved,
    decontaminate,
    refuse_evaluation_texts,
    remove_near_duplicates,
    round_trip,
)
from workbook.training_data.structured import (
    Section,
    first_sentence_rest,
    heading_sections,
    question_answers,
    sections,
    title_body,
)
from workbook.training_data.written import (
    Written,
    generate_negatives,
    generate_paraphrases,
    generate_queries,
    negative_prompt,
    paraphrase_prompt,
    parse_texts,
    query_prompt,
    write_negatives,
)

__all__ = [
    "Dropped", "MinHashIndex", "Section", "Sieved", "Written", "chance_to_meet", "decontaminate", "find",
    "first_sentence_rest", "generate_negatives", "generate_paraphrases", "generate_queries", "heading_sections",
    "jaccard", "join", "judge_prompt", "minhash", "near_duplicates", "negative_prompt", "paraphrase_prompt", "parse_judgement", "parse_texts",
    "query_prompt", "question_answers", "refuse_evaluation_texts", "remove_near_duplicates", "round_trip",
    "sections", "shingles", "title_body", "write_negatives",
]  # fmt: skip
