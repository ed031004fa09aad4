"""`show` and `explore`: one call, and the right rendering for a person, a stored notebook or a script.

In front of a person `explore` gives controls and a figure that the kernel redraws. In stored outputs
it gives one plotly figure with a slider, which works without a kernel. Both carry a text that says
what the figure shows.

Taught in 00.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any

from workbook.figures.frames import with_slider
from workbook.figures.live import in_words, panel
from workbook.figures.spec import Spec, label, plain
from workbook.frontend import in_notebook, is_live

MOST_FRAMES = 40
MOST_BYTES = 300_000
PLOTLY = "application/vnd.plotly.v1+json"


def show(fig: Any, alt: str) -> None:
    """Show a figure.

    Args:
        fig: a plotly Figure.
        alt: what the figure shows, for a reader who cannot see it: the kind of figure, the axes, and
            what there is to notice.
    Raises:
        ValueError: `alt` is empty, or the figure is too large to store.
        TypeError: `fig` is not a plotly Figure.

    Taught in 00.
    """
    _display(plain(fig), _checked(alt))


def explore(function: Callable[..., Any], alt: str, play: bool = False, **parameters: Any) -> None:
    """Show a figure with a control for each parameter.

        explore(lambda temperature: softmax_bars(scores, temperature), alt="…", temperature=[0.01, 0.1, 1.0])

    Numbers become a slider, words a menu; the first value of each is shown first. Stored outputs hold
    at most 40 combinations: of more, they keep an even selection.

    Args:
        function: takes one value of each parameter, by name, and returns a plotly Figure.
        alt: what the figure shows and how it changes, for a reader who cannot see it.
        play: add a button that runs through the values.
        parameters: the values of each parameter, in the order of the control.
    Raises:
        ValueError: `alt` is empty, a parameter has no values, or the figure is too large to store.

    Taught in 00.
    """
    _checked(alt)
    choices = {name: _values(name, values) for name, values in parameters.items()}
    if not choices:
        raise ValueError("explore needs a parameter, such as temperature=[0.01, 0.1, 1.0]; without one, use show(fig)")
    if is_live() and in_notebook():
        from IPython.display import display

        display(panel(function, choices, alt, play))
        return
    choices = thinned(choices, MOST_FRAMES)
    combinations = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    specs = [plain(function(**combination)) for combination in combinations]
    words = {name: name.replace("_", " ") for name in choices}
    if len(choices) == 1:
        name = next(iter(words.values()))
        labels = [label(value) for combination in combinations for value in combination.values()]
    else:
        name = ""
        labels = [" · ".join(f"{words[key]} {label(value)}" for key, value in c.items()) for c in combinations]
    _display(with_slider(specs, labels, name, play), alt)


def thinned(choices: dict[str, list[Any]], most: int) -> dict[str, list[Any]]:
    """Keep so many values of each parameter, evenly spread with both ends, that few combinations remain.

    Taught in 00.
    """
    sizes = {name: len(values) for name, values in choices.items()}
    while _product(sizes) > most and max(sizes.values()) > 1:
        sizes[max(sizes, key=lambda name: sizes[name])] -= 1
    return {name: [values[i] for i in _spread(len(values), sizes[name])] for name, values in choices.items()}


def _spread(n: int, keep: int) -> list[int]:
    return [round(i * (n - 1) / (keep - 1)) for i in range(keep)] if keep > 1 else [0]


def _product(sizes: dict[str, int]) -> int:
    product = 1
    for size in sizes.values():
        product *= size
    return product


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(
            f"{name} must be a list of values to choose from, got {values!r}; write {name}=[{values!r}, …]"
        )
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    if not listed:
        raise ValueError(f"{name} has no values to choose from; give at least one")
    if len({label(value) for value in listed}) < len(listed):
        raise ValueError(f"two values of {name} read the same: {', '.join(map(label, listed))}; leave one out")
    return listed


def _checked(alt: str) -> str:
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt must say what the figure shows, for a reader who cannot see it; it is empty")
    return alt


def _display(spec: Spec, alt: str) -> None:
    size = len(json.dumps(spec, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MOST_BYTES:
        raise ValueError(
            f"the figure holds {size / 1000:.0f} kB, at most {MOST_BYTES / 1000:.0f} kB may be stored; "
            "draw fewer points, or offer fewer values"
        )
    if not in_notebook():
        print(alt)
        return
    from IPython.display import display

    display({PLOTLY: {**spec, "config": {"displaylogo": False, "responsive": True}}, "text/plain": alt}, raw=True)
    display({"text/html": in_words(alt)}, raw=True)
