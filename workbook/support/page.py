"""What a page needs from the outputs of a notebook, as CSS; JupyterLab and voila read it there, other pages drop it."""

# A widget whose kernel is gone leaves this box with a line of text, "Error displaying widget: model not found".
DEAD_WIDGETS = ".jp-OutputArea-output.jupyter-widgets:not(:has(*)) { display: none; }"

# What a reader can touch stands twice in a live notebook: as it is stored, and right after it as a widget. While the
# widget is alive, the stored one steps back; after a reload without the kernel it is what is left.
LIVE, STORED = "workbook-live", "workbook-stored"
TWICE = f"""{DEAD_WIDGETS}
.jp-OutputArea-child:has(.jp-RenderedPlotly, .{STORED}):has(+ .jp-OutputArea-child .{LIVE}) {{ display: none; }}
"""
