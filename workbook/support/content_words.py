"""The words of a text that say what it is about."""

from workbook.support.words import words

# Words that stand in any text; an overlap in them means nothing.
_GLUE = """
a about after all also an and any are as at be because been before both but by can could did do does for from had
has have he her his how if in into is it its just many may more most much must no not of on one only or other our
out over she should so some such than that the their them then there these they this those to two under up was
we were what when where which while who whom whose why will with would you your
"""
GLUE = frozenset(_GLUE.split())


def content_words(text: str) -> set[str]:
    """The different words of a text, without those that stand in any text."""
    return set(words(text)) - GLUE
