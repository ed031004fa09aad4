"""From plan to English: the sentences of one passage.

Which of the wordings, which form of the name, which remark: all of it comes from two 64-bit draws of
the passage, taken a few bits at a time. A near-duplicate uses the draws of the passage it repeats,
and its own only for one or two remarks and the boilerplate.

Taught in 09.
"""

from functools import cache
from typing import NamedTuple

from workbook.data.planted.fillers import about, around, boilerplate, introductions, with_noun
from workbook.data.planted.kinds import FACETS, Kind
from workbook.data.planted.names import make_person, make_place
from workbook.data.planted.plan import ASKS, DENIES, ROUGHLY
from workbook.data.planted.word_lists import sentences
from workbook.data.planted.world import NAMESAKE, Family, rough_value, wrong_value

# A wording cut at its holes: whether it begins with the subject, whether the subject comes before the value, and the rest.
Cut = tuple[bool, bool, str, str, str]

NAME_FORMS = (0, 0, 0, 0, 1, 1, 2, 2)  # full, short, nickname; of eight
DENIALS, QUESTIONS, COMPARISONS, ALIASES, BYLINES = (
    sentences()[name] for name in ("denials", "questions", "comparisons", "aliases", "bylines")
)


class Phrases(NamedTuple):
    """Everything that passages about a kind are put together from."""

    facts: list[list[Cut]]  # six facets, four wordings
    intros: list[list[str]]  # for each of the three words for the kind
    about: list[str]
    around: list[str]
    boilerplate: list[str]


def cut(wording: str) -> Cut:
    """Cut a wording at its two holes."""
    starts = wording.startswith("{S}")
    a, _, rest = wording.replace("{S}", "{s}").partition("{")
    first, _, rest = rest.partition("}")
    b, _, rest = rest.partition("{")
    second, _, c = rest.partition("}")
    if {first, second} != {"s", "v"}:
        raise ValueError(f"a wording needs {{S}} or {{s}} and {{v}}, once each: {wording!r}")
    return starts, first == "s", a, b, c


def state(wording: Cut, subject: str, object_: str, value: str) -> str:
    """A wording with its holes filled: by `subject` where it begins the sentence, by `object_` elsewhere."""
    starts, first, a, b, c = wording
    if starts:
        return f"{subject}{b}{value}{c}"
    return f"{a}{object_}{b}{value}{c}" if first else f"{a}{value}{b}{object_}{c}"


@cache
def phrases(kind: Kind) -> Phrases:
    """The phrases of a kind, prepared once."""
    return Phrases(
        [[cut(wording) for wording in facet.wordings] for facet in kind.facets],
        [[with_noun(intro, noun) for intro in introductions(kind.name)] for noun in kind.nouns],
        about(kind.name),
        around(kind.name),
        boilerplate(kind.name),
    )


def write_passage(
    entities: Family, entity: int, facet: int, style: int, extra: int, compared: int, sentences: int,
    shape: int, choice: int, twist: int,
) -> str:  # fmt: skip
    """The text of one passage.

    Args:
        entities: the four things of its family.
        entity, facet, style, extra, compared, sentences: its plan.
        shape, choice: two draws of 64 bits.
        twist: 0, or the own draw of a near-duplicate, whose other draws are those of the passage it repeats.
    """
    thing = entities[entity]
    words = phrases(thing.kind)
    name = thing.name[NAME_FORMS[shape & 7]]
    noun = (shape >> 3 & 255) % 3
    the_noun, The_noun = f"the {thing.kind.nouns[noun]}", f"The {thing.kind.nouns[noun]}"
    opening = shape >> 11 & 15
    remarks = sentences - 1 - extra - compared
    parts = []
    x = choice
    say, tell = words.about, words.around
    known = about_it = False  # whether the subject has been named, and whether the last sentence began with it

    # The opening: what the thing is, or a remark, or nothing.
    slot = x & 63
    if opening < 12 and remarks:
        remarks -= 1
        at = (twist or x) & 0xFC0 | slot
        if opening < 7:
            known = about_it = True
            intro = words.intros[noun][(shape >> 15 & 1023) % len(words.intros[noun])]
            if opening < 2:
                other_form = 0 if NAME_FORMS[shape & 7] else 1 + (choice >> 59 & 1)
                parts.append(ALIASES[other_form][shape >> 25 & 3].format(name, thing.name[other_form], intro))
            else:
                parts.append(f"{name} is {intro}.")
        elif opening < 10:
            parts.append(tell[at])
        else:
            known, about_it = True, say[at].startswith("%s")
            parts.append(say[at] % name)

    # The main fact.
    wording, way = shape >> 27 & 3, shape >> 29 & 3
    if style < DENIES:
        subject, object_ = name, name
        if known and way == 0 and about_it:
            subject = "It"
        elif known and way < 2:
            subject, object_ = The_noun, the_noun
        fact = words.facts[facet][wording]
        value = rough_value(thing, facet) if style == ROUGHLY else thing.values[facet]
        parts.append(state(fact, subject, object_, value))
        about_it = fact[0]
    else:
        about_it = False
        if style == ASKS:
            of = thing.kind.facets[facet]
            asked = of.questions[wording] if way < 2 else of.nouns[wording >> 1]
            parts.append(QUESTIONS[way].format(asked.replace("{s}", name)))
        else:
            _, _, _, b, c = words.facts[facet][wording & 2]
            parts.append(DENIALS[way].format(f"{name}{b}{wrong_value(thing, facet)}{c}"))

    # Other facts, and remarks between them.
    bits = shape >> 31
    for k in range(1, extra + 1):
        if remarks and bits & 1:
            remarks -= 1
            x = (x * 0x5DEECE66D + 11) & 0xFFFFFFFFFFFF
            slot = slot + 27 & 63
            parts.append(tell[x >> 36 & 0xFC0 | slot])
            about_it = False
        other, pick = (facet + k) % FACETS, bits >> 3 & 3
        fact = words.facts[other][bits >> 1 & 3]
        subject = The_noun if pick < 2 else "It" if pick == 2 and about_it else name
        parts.append(state(fact, subject, the_noun if pick & 1 else name, thing.values[other]))
        bits >>= 5
        about_it = fact[0]
    if compared:
        relative = entities[entity + 1 if entity < NAMESAKE - 1 else 0]
        _, _, _, b, c = words.facts[facet][bits & 2]
        other_name = relative.name[NAME_FORMS[bits >> 2 & 7]]
        parts.append(COMPARISONS[bits >> 5 & 3].format(f"{other_name}{b}{relative.values[facet]}{c}"))
        about_it = False
    if twist and remarks:  # one remark of a near-duplicate is another
        remarks -= 1
        slot = slot + 27 & 63
        parts.append(tell[twist >> 12 & 0xFC0 | slot])
        about_it = False
        x = (x * 0x5DEECE66D + 11) & 0xFFFFFFFFFFFF
    while remarks > 0:
        remarks -= 1
        x = (x * 0x5DEECE66D + 11) & 0xFFFFFFFFFFFF
        slot = slot + 27 & 63
        at = x >> 36 & 0xFC0 | slot
        if x & 0x800000:
            parts.append(tell[at])
            about_it = False
        else:
            pick, starts = x >> 24 & 7, say[at].startswith("%s")
            subject = name if not starts or compared or pick > 2 else The_noun if pick or not about_it else "It"
            parts.append(say[at] % subject)
            about_it = starts
    if twist:
        last = twist >> 24 & 511
        if words.boilerplate[last] == words.boilerplate[choice >> 48 & 511]:
            last ^= 1  # not what the other one ends with
        parts.append(words.boilerplate[last])
    elif not choice >> 60 & 7:
        parts.append(words.boilerplate[choice >> 48 & 511])
    elif (choice >> 57 & 7) < 2:
        parts.append(BYLINES[choice & 7].format(make_person(choice >> 3), make_place(choice >> 29), choice >> 45 & 255))
    return " ".join(parts)
