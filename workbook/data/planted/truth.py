"""The truth: for any query and any passage, the grade and the reason, computed from their numbers.

| grade | the passage |
|---:|---|
| 3 | is about the fact and states it |
| 2 | states it in passing: it is about another fact, or about another thing |
| 1 | gives a rough value only |
| 0 | does not state it |

Only the sixteen passages of the query's own family can have a grade above 0; whatever speaks of the
fact is among them. So all the true matches of a query are found at once, however large the corpus.

Taught in 09.
"""

from typing import NamedTuple

import numpy as np

from workbook.data.planted.kinds import FACETS
from workbook.data.planted.passages import BLOCK, FAMILIES, get_family, make_block, passage_text
from workbook.data.planted.plan import ASKS, DENIES, ROUGHLY
from workbook.data.planted.queries import Query, position
from workbook.data.planted.settings import Settings
from workbook.data.planted.world import NAMESAKE, PER_FAMILY
from workbook.support.content_words import content_words


class Truth(NamedTuple):
    """What is true of a pair.

    Attributes:
        grade: 0 to 3.
        kind: "states", "in passing", "roughly"; or "denies", "asks", "other facet", "sister", "namesake",
            "same kind", "unrelated".
        reason: the same in words.
        copy_of: the passage of the corpus that this one repeats almost word for word, or None.
    """

    grade: int
    kind: str
    reason: str
    copy_of: str | None = None


def relevant(settings: Settings, query: Query) -> dict[str, int]:
    """All true matches of a query: passage id -> grade, in the order of the corpus."""
    block, inside = divmod(query.family, FAMILIES)
    plan = make_block(settings, block).plan
    e, f = query.entity, query.facet
    before = (e - 1) % NAMESAKE  # whose passages compare it with this one
    found = []
    columns = (plan.entity, plan.facet, plan.style, plan.extra, plan.compared)
    rows = zip(*(column[inside].tolist() for column in columns), strict=True)
    for slot, (entity, facet, style, extra, compared) in enumerate(rows):
        grade = 0
        if entity == e:
            grade = _grade(f, facet, style, extra)
        elif compared and facet == f and entity == before and e != NAMESAKE:
            grade = 2
        if grade:
            found.append((position(settings, query.family, slot), grade))
    return {str(at): grade for at, grade in sorted(found) if at < settings.num_passages}


def _grade(asked: int, facet: int, style: int, extra: int) -> int:
    """The grade of a passage about the very thing."""
    if asked == facet:
        return 1 if style == ROUGHLY else 0 if style >= DENIES else 3
    return 2 if (asked - facet) % FACETS <= extra else 0


def truth(settings: Settings, query: Query, passage: int) -> Truth:
    """The grade and the reason of a pair.

    Args:
        settings: of the corpus.
        query: asked.
        passage: its number.
    """
    block, inside = divmod(passage, BLOCK)
    plan, order, _, _ = make_block(settings, block)
    row = order[inside]
    family, slot = divmod(row, PER_FAMILY)
    thing_of = (block * FAMILIES + family, int(plan.entity[family, slot]))
    about = get_family(settings, thing_of[0])[thing_of[1]]
    facet, style = int(plan.facet[family, slot]), int(plan.style[family, slot])
    extra, compared = int(plan.extra[family, slot]), bool(plan.compared[family, slot])
    root = int(plan.root[family, slot])
    copy_of = _copied(settings, thing_of[0], slot, plan.root[family])
    asked = get_family(settings, query.family)[query.entity]
    what = asked.kind.facets[query.facet].name
    own = thing_of == (query.family, query.entity)
    mentioned = compared and thing_of[0] == query.family and query.facet == facet
    mentioned = mentioned and query.entity == (thing_of[1] + 1) % NAMESAKE and thing_of[1] != NAMESAKE
    grade = _grade(query.facet, facet, style, extra) if own else 2 * mentioned

    def sharing() -> str:
        text = passage_text(settings, passage)
        shared = len(content_words(query.text) & content_words(text))
        return f"trap: shares {shared} word{'s' * (shared != 1)} with the query, but " if shared else ""

    main = about.kind.facets[facet].name
    subject = f"the {about.kind.name} {about.name.full}"
    if grade == 3:
        same = int(plan.bits[family, root, 1]) >> 28 & 1 == query.vocabulary
        words = "the words of the query" if same else "other words than the query"
        kind, reason = "states", f"states the {what} of {subject} in {words}"
    elif grade == 2:
        kind = "in passing"
        reason = f"states the {what} of {asked.name.full} in passing; it is about "
        reason += f"the {main} of {subject}" if own or mentioned else subject
    elif grade == 1:
        kind, reason = "roughly", f"gives the {what} of {subject} only roughly"
    elif own and query.facet == facet and style == DENIES:
        kind, reason = "denies", f"{sharing()}only denies a wrong {what} of {subject}"
    elif own and query.facet == facet and style == ASKS:
        kind, reason = "asks", f"{sharing()}asks for the {what} of {subject} without an answer"
    elif own:
        kind, reason = "other facet", f"{sharing()}is about another facet of {subject}: its {main}"
    elif thing_of[0] == query.family and about.name == asked.name:
        kind, reason = "namesake", f"{sharing()}is about {subject}, not about the {asked.kind.name} of that name"
    elif thing_of[0] == query.family and about.kind == asked.kind:
        kind, reason = "sister", f"{sharing()}is about the {main} of {subject}, a relative"
    elif about.kind == asked.kind:
        kind, reason = "same kind", f"is about another {about.kind.name}, {about.name.full}"
    else:
        kind, reason = "unrelated", f"is about {subject}"
    if copy_of is not None:
        reason = f"near-duplicate of passage {copy_of}; {reason}"
    return Truth(grade, kind, reason, copy_of)


def _copied(settings: Settings, family: int, slot: int, roots: np.ndarray) -> str | None:
    """The passage that a near-duplicate repeats: where the corpus ends before that one, the first that repeats it too."""
    root = int(roots[slot])
    if root == slot:
        return None
    alike = [root, *(s for s in range(PER_FAMILY) if s != root and roots[s] == root)]
    places = ((s, position(settings, family, s)) for s in alike)
    first, at = next((s, at) for s, at in places if at < settings.num_passages)
    return None if first == slot else str(at)
