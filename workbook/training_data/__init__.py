"""Where pairs come from, and which of them to keep.

Taught in 12.
"""

from workbook.training_data.anchors import anchor_pairs, installed_documentation
from workbook.training_data.clicks import (
    best_pairs,
    click_rates,
    corrected_rates,
    looked_at,
    looked_at_from_random,
    simulate_clicks,
)
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
from workbook.training_data.ruled import SYNONYMS, keyword_queries, rule_paraphrases
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
    "SYNONYMS", "Dropped", "MinHashIndex", "Section", "Sieved", "Written", "anchor_pairs", "best_pairs", "chance_to_meet",
    "click_rates", "corrected_rates", "decontaminate", "find", "first_sentence_rest", "generate_negatives",
    "generate_paraphrases", "generate_queries", "heading_sections", "installed_documentation", "jaccard", "join", "judge_prompt", "keyword_queries",
    "looked_at", "looked_at_from_random", "minhash", "near_duplicates", "negative_prompt", "paraphrase_prompt",
    "parse_judgement", "parse_texts", "query_prompt", "question_answers", "refuse_evaluation_texts",
    "remove_near_duplicates", "round_trip", "rule_paraphrases", "sections", "shingles", "simulate_clicks", "title_body",
    "write_negatives",
]  # fmt: skip
