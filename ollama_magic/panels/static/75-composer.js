// Where a prompt is written. What stands here is cleared only when the kernel has taken it.

function createComposer(panel) {
  const prompt = h("textarea", {
    class: "om-input om-prompt",
    rows: "3",
    dir: "auto",
    id: unique("prompt"),
    placeholder: "Enter sends, Shift+Enter begins a new line",
  });
  const send = button("Send", submit, { class: "om-button om-primary" });
  const stop = button("Stop", halt, { hidden: true, class: "om-button om-danger", "aria-keyshortcuts": "Escape" });
  const extras = createAttachments(panel, prompt);
  const editing = h("div", { class: "om-editing", hidden: true });
  const root = h(
    "div",
    { class: "om-composer" },
    editing,
    h("label", { class: "om-label", for: prompt.id }, "Prompt"),
    prompt,
    extras.list,
    h("div", { class: "om-row om-send-row" }, ...extras.controls, h("span", { class: "om-space" }), stop, send),
  );
  const draft = draftOf(panel.model);
  let edited = null;
  let live = false;
  let sending = false;

  prompt.value = draft.read();
  prompt.addEventListener("input", () => {
    if (!edited) draft.keep(prompt.value);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void submit();
    }
  });

  async function submit() {
    const text = prompt.value;
    if (sending || (!text.trim() && extras.isEmpty())) {
      prompt.focus();
      return;
    }
    if (live) {
      panel.tell("An answer is being written. Stop it first, or wait for its end.");
      return;
    }
    sending = true;
    prompt.focus();
    setAttribute(send, "aria-disabled", "true");
    const error = (await panel.flush()) ? await post(text) : { message: "", hint: "" };
    sending = false;
    setAttribute(send, "aria-disabled", live ? "true" : null);
    if (error) {
      panel.complain(error.message ? error : { message: "A parameter cannot be used.", hint: "It is marked above." });
      return;
    }
    // What was typed meanwhile is the next prompt.
    if (prompt.value === text) prompt.value = "";
    finishEdit(false);
    draft.keep(prompt.value);
  }

  async function post(text) {
    if (edited) return panel.ask("edit", { turn: edited.turn, prompt: text });
    const { attach, pictures, buffers } = await extras.read();
    const error = await panel.ask("send", { prompt: text, attach, pictures }, buffers);
    if (!error) extras.clear();
    return error;
  }

  function halt() {
    void panel.request("stop");
    prompt.focus();
  }

  /** Write the last turn's prompt anew; what stood here comes back afterwards. */
  function edit(turn, text) {
    edited = { turn, before: edited ? edited.before : prompt.value };
    prompt.value = text;
    editing.replaceChildren(
      h("span", {}, "Editing the last turn: sending replaces it."),
      button("Cancel", () => finishEdit(true), { "aria-label": "Cancel editing" }),
    );
    editing.hidden = false;
    prompt.focus();
    prompt.setSelectionRange(text.length, text.length);
  }

  function finishEdit(cancelled) {
    if (!edited) return;
    const { before } = edited;
    edited = null;
    editing.hidden = true;
    if (cancelled || !prompt.value) prompt.value = before;
    prompt.focus();
  }

  function streaming(now) {
    if (live === now) return;
    live = now;
    if (document.activeElement === stop) prompt.focus();
    stop.hidden = !now;
    setAttribute(send, "aria-disabled", now || sending ? "true" : null);
  }

  return {
    root,
    edit,
    halt,
    streaming,
    isStreaming: () => live,
    cancelEdit: () => finishEdit(true),
    focus: () => prompt.focus(),
    take: extras.take,
    showVariables: extras.showVariables,
    /** A prompt that could not be asked after all. */
    offer(text) {
      if (!prompt.value.trim()) prompt.value = text;
    },
  };
}
