// JupyterLab makes the last cell the active one when all are run, and scrolls to it. This goes back to where the reader was.
// It is written by hand as what JupyterLab loads, so that nothing has to be built.
const commands = new Set(["notebook:run-all-cells", "notebook:restart-run-all", "runmenu:run-all", "runmenu:restart-and-run-all"]);

const plugin = {
  id: "workbook-lab:stay",
  autoStart: true,
  activate: app => {
    let place = null; // of the reader: notebook, active cell, pixels from the top; as it was when a key or the mouse went down
    const scroller = notebook => notebook.node.querySelector(".jp-WindowedPanel-outer") || notebook.node;
    const note = () => {
      const notebook = app.shell.currentWidget && app.shell.currentWidget.content;
      if (notebook && "activeCellIndex" in notebook) {
        place = { notebook, cell: notebook.activeCellIndex, top: scroller(notebook).scrollTop };
      }
    };
    document.addEventListener("pointerdown", note, true);
    document.addEventListener("keydown", note, true);
    app.commands.commandExecuted.connect((_, call) => {
      if (!commands.has(call.id) || !place) return;
      const { notebook, cell, top } = place;
      const back = () => {
        notebook.activeCellIndex = cell;
        scroller(notebook).scrollTop = top;
      };
      for (const wait of [0, 50, 300]) setTimeout(back, wait); // JupyterLab scrolls a little later
    });
  },
};

window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB["workbook-lab"] = {
  init: () => {},
  get: async () => () => ({ __esModule: true, default: plugin }),
};
