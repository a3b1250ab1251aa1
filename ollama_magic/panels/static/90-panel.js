// The panel: settings beside the conversation, or above it where it is narrow.

const NARROW_PX = 760; // as in the style sheet

const BANNERS = {
  busy: { message: "The kernel is busy with a cell; this is done when it ends.", hint: "" },
  silent: {
    message: "The kernel does not answer: it is busy with a cell, or it was restarted.",
    hint: "If it is idle, run this cell again. The answers so far are below.",
  },
  away: { message: "This page has no connection to the kernel; this is done when it is back.", hint: "" },
  gone: { message: "The kernel was restarted: run this cell again.", hint: "What is typed here comes along." },
  closed: { message: "This panel was closed: run this cell again to open it.", hint: "" },
};

function createPanel(model, el) {
  // Above all, and where one writes; heard once.
  const banners = [h("div", { class: "om-banner", "aria-hidden": "true" }), h("div", { class: "om-banner", role: "status" })];
  const speech = createSpeech();
  const panel = {
    model,
    tell: speech.tell,
    whisper: speech.whisper,
    complain: speech.complain,
    flush: () => parameters.flush(),
    /** Resolves to null when the kernel has taken it, or to the error. */
    ask: (word, fields, buffers) => link.ask(word, fields, buffers).then(() => null, (error) => error),
    /** The same; an error is told. */
    request: async (word, fields) => speech.complain(await panel.ask(word, fields)),
  };
  const connection = createConnection(panel);
  const models = createModels(panel);
  const parameters = createParameters(panel);
  const composer = createComposer(panel);
  const conversation = createConversation(panel, composer);
  const threads = createThreads(panel);
  const settings = h("div", { class: "om-settings" }, connection.root, models.root, parameters.root);
  const talk = h(
    "div",
    { class: "om-talk" },
    threads.root,
    threads.below,
    conversation.root,
    speech.root,
    banners[1],
    composer.root,
  );
  const root = h(
    "div",
    { class: "om-panel", role: "region", "aria-label": "Ollama panel" },
    banners[0],
    h("div", { class: "om-columns" }, settings, talk),
  );
  let own = { model_id: "", panel: "" };
  const transcript = createTranscript(model, () => own);
  let closed = false;
  let area = null;

  const shows = {
    panel(message) {
      own = message;
      if (transcript.isInReach()) void panel.ask("keeps");
    },
    connection: connection.show,
    settings: parameters.show,
    models: models.show,
    pulls: models.showPulls,
    threads: threads.show,
    conversation(message) {
      conversation.showTurns(message);
      if (!root.classList.contains("om-live")) begin();
    },
    turn: conversation.showTurn,
    delta: conversation.showDelta,
    notice(message) {
      speech.complain({ message: message.text, hint: message.hint }, message.kind);
      if (message.draft) composer.offer(message.draft);
    },
    file: (message) => download(message.name, message.type, message.text),
    cells: (message) => void insert(message.cells),
    variables: (message) => composer.showVariables(message.variables),
    // Another view went away: the kernel stops when nobody is left.
    who: () => void panel.ask("here"),
    transcript: transcript.take,
    closed() {
      closed = true;
      entered("closed");
    },
  };

  /** The kernel is there. Where the conversation would be far below, settings that need nobody fold themselves. */
  function begin() {
    root.classList.add("om-live");
    area = root.closest(".jp-OutputArea");
    area?.classList.add("om-holds-live");
    if (root.clientWidth < NARROW_PX && connection.isFine()) {
      connection.fold();
      models.fold();
    }
  }

  async function insert(cells) {
    const count = cells.length === 1 ? "1 cell" : `${cells.length} cells`;
    if (insertCells(model, own.model_id, cells)) speech.tell(`Inserted ${count} below; nothing was run.`);
    else if (await copyText(cells.map((cell) => cell.source).join("\n\n"))) {
      speech.tell("This notebook lets no panel insert cells. Copied instead: paste it where you want it.");
    } else speech.complain({ message: "Neither inserting nor copying is allowed here.", hint: "Copy it by hand." });
  }

  function entered(state) {
    const shown = BANNERS[closed ? "closed" : state];
    for (const banner of banners) banner.replaceChildren(...(shown ? errorLines(shown) : []));
    root.classList.toggle("om-off", closed || state === "gone");
    if (closed || state === "gone") composer.streaming(false);
  }

  const link = createLink(model, (message) => shows[message.show]?.(message), entered);
  listenToKeys(root, composer);
  el.append(root);
  void panel.ask("hello");
  return () => {
    link.close();
    conversation.close();
    area?.classList.remove("om-holds-live");
    root.remove();
    // What stood in for the panel all the time is seen now, unless the output or the notebook goes away too.
    setTimeout(() => area?.isConnected && transcript.show(), 0);
  };
}

/** Short things said to the reader: seen for a while, and heard by a screen reader. */
function createSpeech() {
  const heard = h("div", { class: "om-hidden", role: "status" });
  const seen = h("div", { class: "om-toast" });
  const root = h("div", { class: "om-speech" }, seen, heard);
  let fading = 0;

  function put(kind, ...parts) {
    clearTimeout(fading);
    seen.dataset.kind = kind;
    seen.replaceChildren(...parts);
  }

  function tell(text) {
    setText(heard, text);
    put("info", h("span", {}, text));
    fading = setTimeout(() => put(""), 6000);
  }

  function complain(error, kind = "error") {
    if (!error) return;
    setText(heard, errorLine(error));
    const away = button("×", () => put(""), { class: "om-button om-clear", "aria-label": "Dismiss" });
    put(kind, h("div", {}, ...errorLines(error)), away);
  }

  return { root, tell, complain, whisper: (text) => setText(heard, text ?? "") };
}

/**
 * Keys pressed here are the panel's: the notebook would take an "a" for a new cell above. JupyterLab looks for the
 * attribute from the focused element upwards, and at each one for a shortcut first: so that element has to have it.
 */
function listenToKeys(root, composer) {
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape" || event.isComposing) return;
    if (composer.isStreaming()) composer.halt();
    else composer.cancelEdit();
  });
  for (const kind of ["keypress", "keyup", "paste", "copy", "cut"]) {
    root.addEventListener(kind, (event) => event.stopPropagation());
  }
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    composer.take([...(event.dataTransfer?.files ?? [])]);
  });
}

export default {
  render({ model, el }) {
    return createPanel(model, el);
  },
};
