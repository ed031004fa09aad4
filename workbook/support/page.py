"""What a page needs from the outputs of a notebook, as CSS; JupyterLab and voila read it there, other pages drop it."""

from workbook.support.frontend import is_presented

# A widget whose kernel is gone leaves this box with a line of text, "Error displaying widget: model not found".
DEAD_WIDGETS = ".jp-OutputArea-output.jupyter-widgets:not(:has(*)) { display: none; }"

# What a reader can touch stands twice in a live notebook: as it is stored, and right after it as a widget. While the
# widget is alive, the stored one steps back; after a reload without the kernel it is what is left.
LIVE, STORED = "workbook-live", "workbook-stored"
TWICE = f"""{DEAD_WIDGETS}
.jp-OutputArea-child:has(.jp-RenderedPlotly, .{STORED}):has(+ .jp-OutputArea-child .{LIVE}) {{ display: none; }}
"""

# Figures are stored for white paper. Where JupyterLab is dark, plotly's own drawing is given dark paper and light ink; the
# colours of the data stay, but for black. What plotly writes upon its own colours (in bars, cells, hover boxes) stays too.
# After a reload JupyterLab shows the stored picture until the mouse is on it: light and dark are turned, hues stay. A grid,
# whose bright cells mean something, is dimmed instead.
GRID = "workbook-grid"
_DARK = "[data-jp-theme-light=false] .js-plotly-plot"
_INK, _LINES = "var(--jp-content-font-color1, #eee)", "var(--jp-border-color2, #555)"
DARK_FIGURES = f"""
{_DARK} .main-svg {{ background: transparent !important; }}
{_DARK} :is(.bglayer .bg, .draglayer + * .bg, .legend .bg) {{ fill: transparent !important; }}
{_DARK} .main-svg text:not(.bartext-inside, .heatmap-label *, .hovertext *, .updatemenu-item-text) {{ fill: {_INK} !important; }}
{_DARK} :is(.gridlayer path, .zerolinelayer path) {{ stroke: {_LINES} !important; }}
{_DARK} :is(.xlines-above, .ylines-above, .xerror, .yerror) {{ stroke: {_INK} !important; }}
{_DARK} :is(.point, .legendpoints path)[style*="fill: rgb(0, 0, 0)"] {{ fill: {_INK} !important; }}
{_DARK} :is(.js-line, .legendlines path, .shapelayer path)[style*="stroke: rgb(0, 0, 0)"] {{ stroke: {_INK} !important; }}
[data-jp-theme-light=false] .jp-RenderedPlotly .plot-img {{ filter: invert(0.93) hue-rotate(180deg); }}
[data-jp-theme-light=false] .jp-OutputArea-child:has(~ .jp-OutputArea-child .{GRID}) .plot-img {{ filter: brightness(0.85); }}
"""

# In front of a room: large letters, no code.
PRESENTED = """
.jp-CodeCell > .jp-Cell-inputWrapper { display: none; }
.jp-RenderedHTMLCommon, .jp-OutputArea-output pre, .workbook-message, .workbook-live,
.jupyter-widgets :is(label, .widget-label, .widget-readout), .jupyter-button { font-size: 20px !important; height: auto; }
"""


def page_style() -> str:
    """The CSS that stands beside a figure, a question or a message in front of a person."""
    return f"<style>{TWICE}{DARK_FIGURES}{PRESENTED if is_presented() else ''}</style>"
