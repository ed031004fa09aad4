"""Help as buttons below an answer that is not right yet."""

from collections.abc import Callable

from workbook.support.frontend import in_notebook, is_live


def offer(id: str, **calls: Callable[[str], None]) -> None:
    """Show a button for each call to a person in a notebook; what the call shows appears below.

    Args:
        id: the number of the exercise, which each call is given.
        calls: name on the button -> what it does.
    """
    if not (is_live() and in_notebook()):
        return
    import ipywidgets as widgets
    from IPython.display import display

    below = widgets.Output()

    def button(name: str, call: Callable[[str], None]) -> widgets.Button:
        def clicked(_button: widgets.Button) -> None:
            below.clear_output(wait=True)
            with below:
                call(id)

        made = widgets.Button(description=name)
        made.on_click(clicked)
        return made

    row = widgets.HBox([button(name, call) for name, call in calls.items()])
    display(widgets.VBox([row, below]))
