"""What the tests of chapter 17's figures ask of a picture."""

from workbook.figures.parts import TOGETHER


def trace(fig, name):
    (found,) = [each for each in fig.data if each.name == name]
    return found


def told_by(note):
    """The text of an annotation in one line."""
    return note.text.replace("<br>", " ").replace(TOGETHER, " ")


def pieces(trace):
    """The lines of a trace with gaps."""
    found = [[]]
    for x, y in zip(trace.x, trace.y, strict=True):
        if x is None:
            found.append([])
        else:
            found[-1].append((x, y))
    return [each for each in found if each]
