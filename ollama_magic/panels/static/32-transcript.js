// The conversation in the notebook: an output below the panel, hidden while the panel is there, which is what is saved,
// exported and reopened. To show a long one, though nobody sees it, and to search it for headings, would hold up the
// page for a second. So where the page can, it writes into the document and tells no view of it; where the page can
// reach no document, the kernel updates the output.

/** `own()` gives the ids of the panel's widget and of the panel. */
function createTranscript(model, own) {
  const pieces = [];
  let frame = null;
  let whole = false;

  /** The output in the document, with what is around it; null where there is none. */
  function find() {
    const { model_id: modelId, panel } = own();
    const at = ownCell(model, modelId);
    const context = notebookContext(model);
    const cell = context?.model?.cells?.get(at);
    if (at < 0 || !cell?.outputs) return null;
    const saved = cell.sharedModel.toJSON().outputs ?? [];
    const number = saved.findIndex((output) => output.metadata?.ollama_magic?.panel === panel);
    return number < 0 ? null : { context, cell, number, output: saved[number] };
  }

  /** What the kernel gives: the first `keep` pieces stay, these follow; there are `total` when all have come. */
  function take(message) {
    if (message.keep > pieces.length) return;
    pieces.splice(message.keep, Infinity, ...message.pieces);
    frame = message.frame;
    whole = pieces.length === message.total;
    if (whole) write(false);
  }

  function put() {
    const kinds = Object.keys(frame).filter((kind) => kind in pieces[0]);
    const text = (kind) => frame[kind][0] + pieces.map((piece) => piece[kind]).join(frame[kind][1]) + frame[kind][2];
    return Object.fromEntries(kinds.map((kind) => [kind, text(kind)]));
  }

  /** Into the document; `visibly`: into what is shown of it too. */
  function write(visibly) {
    const found = whole ? find() : null;
    if (!found) return;
    const { context, cell, number } = found;
    const output = { output_type: "display_data", data: put(), metadata: found.output.metadata };
    const there = visibly ? cell.outputs.get(number)?.data : found.output.data;
    if (there?.["text/html"] === output.data["text/html"]) return;
    // Documents that know streams know silent changes.
    if (visibly || !cell.sharedModel.appendStreamOutput) cell.outputs.set(number, output);
    else {
      cell.sharedModel.updateOutputs(number, number + 1, [output], "silent-change");
      context.model.dirty = true;
    }
  }

  return { isInReach: () => find() !== null, take, show: () => write(true) };
}
