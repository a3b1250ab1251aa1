// The notebook around the panel, where the front end lets a widget see it (JupyterLab and Notebook 7 do).

const WIDGET_VIEW = "application/vnd.jupyter.widget-view+json";

function notebookContext(model) {
  return model.widget_manager?.context ?? null;
}

/** The index of the cell whose output shows the widget `modelId`; -1 where it cannot be found. */
function ownCell(model, modelId) {
  const cells = notebookContext(model)?.model?.sharedModel?.cells ?? [];
  const shows = (output) => output.data?.[WIDGET_VIEW]?.model_id === modelId;
  return cells.findIndex((cell) => cell.cell_type === "code" && (cell.toJSON().outputs ?? []).some(shows));
}

/** Put cells below the panel's own, in their order; false where the notebook is out of reach. */
function insertCells(model, modelId, cells) {
  const notebook = notebookContext(model)?.model?.sharedModel;
  const own = ownCell(model, modelId);
  if (!notebook?.insertCell || own < 0) return false;
  notebook.transact(() => {
    cells.forEach((cell, number) => {
      const metadata = cell.type === "code" ? { trusted: true } : {};
      notebook.insertCell(own + 1 + number, { cell_type: cell.type, source: cell.source, metadata });
    });
  });
  return true;
}

/** Typeset the maths in a node; where nothing can, the formulas stay as they were written. */
function typeset(model, node) {
  if (!node.querySelector(FORMULA)) return;
  try {
    model.widget_manager?.rendermime?.latexTypesetter?.typeset(node);
  } catch (error) {
    console.warn("ollama_magic: the maths could not be typeset", error);
  }
}

/**
 * What was typed and not sent, kept in this tab for the time when the cell is run again or the page is loaded anew.
 * Only the prompt: the key is never stored.
 */
function draftOf(model) {
  const name = `ollama_magic.draft:${notebookContext(model)?.path ?? ""}`;
  return {
    read() {
      try {
        return sessionStorage.getItem(name) ?? "";
      } catch {
        return "";
      }
    },
    keep(text) {
      try {
        if (text) sessionStorage.setItem(name, text);
        else sessionStorage.removeItem(name);
      } catch {
        // A page without storage: the text is in the field all the same.
      }
    },
  };
}
