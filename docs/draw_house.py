"""Draw docs/house.svg: the rooms of the package in layers, and an arrow for each pair that is joined by imports.

python docs/draw_house.py
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.helpers.house import ROOT, between_rooms, code_lines, imports, modules, not_implied, room

LAYERS = (  # from what everything rests on to what a reader meets
    ("shared", ("support",)),
    ("measures and vectors", ("similarity", "pooling", "geometry", "cost", "metrics", "words")),
    ("models and losses", ("encoder", "losses", "train", "index", "bm25")),
    ("subjects", ("late_interaction", "cross_encoder", "sparse", "mining", "pretraining", "training_data", "rerank")),
    ("whole recipes", ("recipes", "adapt", "export", "llm", "zoo", "data", "serving")),
    ("machinery", ("base", "pipeline", "exercises", "figures", "claims", "book", "demo")),
)
WIDTH, ROW, TOP, LEFT = 1180, 112, 40, 170


def draw() -> str:
    """The rooms in layers, each with its lines of code, and an arrow for each pair that is joined by imports."""
    lines: Counter[str] = Counter()
    for module, path in modules().items():
        lines[room(module)] += code_lines(path)
    there = [(title, [name for name in names if name in lines]) for title, names in LAYERS]
    missing = set(lines) - {name for _, names in there for name in names} - {"workbook", "__main__"}
    if missing:
        raise ValueError(f"LAYERS names no place for {', '.join(sorted(missing))}; put each into one")
    place: dict[str, tuple[float, float]] = {}
    height = TOP + ROW * len(there)
    for level, (_, names) in enumerate(there):
        for i, name in enumerate(names):
            place[name] = (LEFT + (i + 0.5) * (WIDTH - LEFT) / len(names), height - ROW * (level + 0.5))
    return "\n".join(_svg(there, place, lines, height))


def _svg(
    there: list[tuple[str, list[str]]], place: dict[str, tuple[float, float]], lines: Counter[str], height: int
) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'role="img" aria-label="The rooms of the package in layers; an arrow points from a room to one it imports; one that follows from others is left out.">'
    )
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#0072B2"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    )
    for level, (title, _) in enumerate(there):
        y = height - ROW * (level + 1)
        fill = "#F4F4F4" if level % 2 == 0 else "#FFFFFF"
        yield f'<rect x="0" y="{y}" width="{WIDTH}" height="{ROW}" fill="{fill}"/>'
        yield f'<text x="12" y="{y + ROW / 2 + 5}" font-size="15" fill="#444">{title}</text>'
    known = modules()
    arrows = between_rooms({module: imports(path, known) for module, path in known.items()})
    for start, end in sorted(not_implied(arrows)):
        (x0, y0), (x1, y1) = place[start], place[end]
        bend = 40 if y0 == y1 else 0  # rooms of one layer are joined by a bow above them
        y0, y1 = (y0 - 20, y1 - 20) if bend else (y0 + 20, y1 - 20) if y1 > y0 else (y0 - 20, y1 + 20)
        yield (
            f'<path data-arrow="{start} {end}" d="M{x0:.0f} {y0:.0f} Q{(x0 + x1) / 2:.0f} {(y0 + y1) / 2 - bend:.0f} {x1:.0f} {y1:.0f}" fill="none" '
            'stroke="#0072B2" stroke-opacity="0.6" stroke-width="1.6" '
            'marker-end="url(#tip)"/>'
        )
    for name, (x, y) in place.items():
        yield f'<rect x="{x - 68:.0f}" y="{y - 20:.0f}" width="136" height="40" rx="6" fill="white" stroke="#222"/>'
        yield f'<text x="{x:.0f}" y="{y - 2:.0f}" font-size="14" font-weight="bold" text-anchor="middle" fill="#111">{name}</text>'
        yield f'<text x="{x:.0f}" y="{y + 14:.0f}" font-size="12" text-anchor="middle" fill="#444">{round(lines[name], -2) or 100:,} lines</text>'
    yield "</svg>"


if __name__ == "__main__":
    (ROOT / "docs/house.svg").write_text(draw() + "\n", "utf-8", newline="\n")
