"""Still pictures of stored figures, for pages that cannot draw plotly: GitHub, nbconvert, print.

A picture stands in the same output as its figure. It is a JPEG, because plotly in JupyterLab would show a PNG in place of
the figure and its slider. A still picture must carry the comparison, so it shows the first, the middle and the last
position of a slider. Pictures depend on the fonts of a machine: no test compares them, and one whose figure has not
changed is kept.
"""

import base64
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLOTLY, PICTURE = "application/vnd.plotly.v1+json", "image/jpeg"
LARGEST = 60_000  # bytes
NAMES = ("chromium", "chromium-browser", "google-chrome")
STATES = """async fig => {
  const gd = document.getElementById('figure');
  await Plotly.newPlot(gd, fig.data, fig.layout);
  if (fig.frames) await Plotly.addFrames(gd, fig.frames);
  const steps = (fig.layout.sliders || [{}])[0].steps || [];
  const kept = steps.length ? [...new Set([0, Math.floor((steps.length - 1) / 2), steps.length - 1])] : [null];
  const pictures = [];
  for (const i of kept) {
    if (i !== null) {
      await Plotly[steps[i].method](gd, ...steps[i].args);
      await Plotly.relayout(gd, {'sliders[0].active': i});
    }
    pictures.push(await Plotly.toImage(gd, {format: 'png', width: fig.layout.width, height: fig.layout.height}));
  }
  return pictures;
}"""


def chromium() -> str | None:
    """Where Chromium is, if it is anywhere."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def add_pictures(notebook: Any, before: Any = None) -> int:
    """Put a picture beside each figure of a notebook, in place.

    Args:
        notebook: a notebook that was executed.
        before: the same notebook as it was stored; a picture is taken from there where its figure is the same.
    Returns:
        how many figures are left without one, because there is no Chromium here.
    """
    known = {_key(figure): figure.data[PICTURE] for figure in _figures(before) if PICTURE in figure.data}
    bare = []
    for figure in _figures(notebook):
        figure.metadata[PICTURE] = {"alt": figure.data["text/plain"]}
        if _key(figure) in known:
            figure.data[PICTURE] = known[_key(figure)]
        else:
            bare.append(figure)
    if not bare or chromium() is None:
        return len(bare)
    with _page() as page:
        for figure in bare:
            states = [base64.b64decode(url.split(",")[1]) for url in page.evaluate(STATES, figure.data[PLOTLY])]
            figure.data[PICTURE] = base64.b64encode(side_by_side(states)).decode()
    return 0


def side_by_side(states: Sequence[bytes]) -> bytes:
    """Pictures as PNG in one row, as a JPEG of at most 60 kB: the quality gives way, then the size."""
    from PIL import Image

    images = [Image.open(io.BytesIO(state)).convert("RGB") for state in states]
    row = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)), "white")
    for i, image in enumerate(images):
        row.paste(image, (sum(each.width for each in images[:i]), 0))
    row.thumbnail((500 * len(images), 500))
    for quality in (85, 70, 55, 40):
        packed = io.BytesIO()
        row.save(packed, "JPEG", quality=quality, optimize=True)
        if packed.tell() <= LARGEST:
            break
    return packed.getvalue()


def _figures(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells if notebook else ():
        yield from (output for output in cell.get("outputs", []) if PLOTLY in output.get("data", {}))


def _key(figure: Any) -> str:
    return json.dumps(figure.data[PLOTLY], sort_keys=True)


@contextmanager
def _page() -> Iterator[Any]:
    """A page with plotly's own script, which reaches nothing else."""
    import plotly
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.route("**/*", lambda route: route.abort())
        page.set_content('<div id="figure"></div>')
        page.add_script_tag(path=str(Path(plotly.__file__).parent / "package_data/plotly.min.js"))
        yield page
        browser.close()
