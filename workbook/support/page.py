"""What a page needs from the outputs of a notebook, as CSS; JupyterLab and voila read it there, other pages drop it."""

# A widget whose kernel is gone leaves this box with a line of text, "Error displaying widget: model not found".
DEAD_WIDGETS = ".jp-OutputArea-output.jupyter-widgets:not(:has(*)) { display: none; }"
