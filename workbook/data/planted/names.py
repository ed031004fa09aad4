"""Coined names, each with a short form and a nickname that follow from it by rule.

A name is two words, and each word is a head and a tail: Har·elen Ton·asia. The heads number the
bearer, so no two are alike; tails make words rare. The short form joins the heads, Harton; the
nickname adds an i to each, Hari-Toni. None of the three shares a word with another, so a search by
words cannot cross from one to the other, and a model that reads pieces of words can learn to.

Taught in 09.
"""

from typing import NamedTuple

from workbook.data.planted.draws import TABLE, draw


def listed(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


ONSETS = listed("b c d f g h j k l m n p r s t v w z bl br cl cr dr fl fr gl gr pl pr sk sl sp st tr th sh ch")
VOWELS = listed("a e i o u ai ea au")
CODAS = listed("d k l m n r s t v")
# Syllables that are a word a reader would stumble over, or close to one.
AVOIDED = frozenset(
    listed(
        "ass bad bait bat beat bed bet bid bin bit boat boat bod brain bread but can card cat chat cheat clit coat cok cot cum cun "
        "cut dad dam dead deal den did die dik din dot drain fan far fat fear feat fed feel fin fit for fun gain gas get god goal "
        "goat got gut had has hat head hear heat her hid him his hit hot hut jam jar jet kid kil kit kok kum kun lad lain laid led "
        "leak let lid lit loan lot mad mail main man mat meal mean meat men met mix mud nad nail nak near neat net nik nod nor not "
        "nud nun nut pad paid pain pan pat peak pear pen pet pin pis pit plan plot pot pus put rail rain ran rap rat read real red "
        "rid road rod rot run rut sad sail sat sea sead seal seat ses set shat shed shit shot shut sin sis sit slit slot slut son "
        "soul spain span spat speak spear spin spit spot star stain stem step suk sum sun tail tan tar teal team tear ten that the "
        "them then this thus tik tim tin tis tit toad tom tot train treat trim vain van vat veal vet vot wag wait wan war was wat "
        "weak wear wet win wit won zit klan kuk kut nit mus nut pul fuk fuk fan fas fad fud gad git gun ham hen hum jut sem sod slav chol mal sal mot"
    )
)
TAILS = tuple(
    vowel + consonant + end
    for end in ("", "a", "o", "en", "is", "er", "on", "ia")
    for vowel in "aeiou"
    for consonant in "lnrsdmtv"
)
SURNAME_TAILS = listed("sen man berg ova ski ström well ford quist ley ardt inger ouli edo ara enko aud ini etti olm")
PLACE_TAILS = listed("ford burg stad mouth haven ley field wick brook dale minster holm bury gate croft worth ham moor")
FIRST_NAMES = listed(
    "Ada Adam Agnes Aisha Albert Alice Amara Amir Ana Anders Anita Anton Arthur Astrid August Beatrice Benjamin Bianca "
    "Boris Bruno Camille Carla Carlos Cecilia Chiara Clara Conrad Cyrus Dalia Daniel Daria David Delia Diego Dora Edgar "
    "Edith Elena Elias Elif Emil Emma Erik Esther Eva Fatima Felix Fiona Flora Frances Frida Gabriel George Gloria Greta "
    "Gustav Hana Hanna Harriet Hassan Hector Helen Henrik Hugo Ida Igor Imani Ines Ingrid Irene Isaac Isabel Ivan Jamal "
    "Jana Jasper Joan Johanna Jonas Josef Julia Karim Karin Katya Kenji Klara Lars Laura Leila Leo Lina Louis Lucia "
    "Ludwig Lydia Magda Malik Marco Margaret Maria Marta Martin Matilda Maya Mehmet Milan Mina Miriam Nadia Naomi Nina "
    "Noah Nora Olga Oliver Omar Oscar Otto Paula Pedro Petra Philip Rafael Rahel Ravi Rita Robert Rosa Ruth Samir Sara "
    "Selma Sigrid Silvia Simon Sofia Stella Stefan Susan Tamar Tara Theo Thomas Ulrich Uma Valerie Vera Victor Viola "
    "Walter Wanda Yara Yusuf Zara Zoe"
)


def _heads() -> tuple[str, ...]:
    """2,048 syllables: consonants, a vowel, a consonant. Written one after the other, they can be told apart."""
    every = [onset + vowel + coda for onset in ONSETS for vowel in VOWELS for coda in CODAS]
    every = [syllable for syllable in every if syllable not in AVOIDED]
    order = sorted(range(len(every)), key=lambda i: draw(0, TABLE, i))
    return tuple(every[i].capitalize() for i in order[:2048])


HEADS = _heads()
LOWER_HEADS = tuple(head.lower() for head in HEADS)
SHORT = 40  # so many tails are short


class Name(NamedTuple):
    """A name in its three forms."""

    full: str
    short: str
    nickname: str


def scatter(number: int) -> int:
    """A number below 2²¹ sent to another below 2²¹, one to one, so that neighbours get names far apart."""
    x = number & 0x1FFFFF
    x = (x * 0x9E377) & 0x1FFFFF ^ 0xABCDE
    x ^= x >> 11
    x = (x * 0xC2B2D) & 0x1FFFFF
    x ^= x >> 10
    x = (x * 0x165667) & 0x1FFFFF
    return x ^ (x >> 11)


def make_name(first: int, second: int, tails: int) -> Name:
    """The name with these two heads.

    Args:
        first, second: numbers of heads, below 2,048.
        tails: 64 random bits that choose the tails; the short form and the nickname do not depend on them.
    """
    a, b, number = HEADS[first], HEADS[second], len(TAILS)
    b_tails = SHORT if tails >> 63 else number
    one, two = TAILS[(tails & 0xFFFF) % number], TAILS[(tails >> 16 & 0xFFFF) % b_tails]
    return Name(f"{a}{one} {b}{two}", a + LOWER_HEADS[second], f"{a}i-{b}i")


def make_person(bits: int) -> str:
    """A first name and a coined surname."""
    surname = HEADS[(bits >> 10) & 2047] + SURNAME_TAILS[(bits >> 21) % len(SURNAME_TAILS)]
    return f"{FIRST_NAMES[bits % len(FIRST_NAMES)]} {surname}"


def make_place(bits: int) -> str:
    """A coined place."""
    return HEADS[bits & 2047] + PLACE_TAILS[(bits >> 11) % len(PLACE_TAILS)]


COINED = {"person": make_person, "place": make_place}  # values that are made on the spot
