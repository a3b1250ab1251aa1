// Where prompts go: mode, host, key, and whether somebody answers there.

const VERDICT_SIGNS = { ok: "✓", bad: "✕", down: "✕", busy: "…" };

/** `panel.ask(word, fields)` resolves to null, or to the error. */
function createConnection(panel) {
  const modes = createModes(panel, (error) => showVerdict({ state: "bad", text: error.message, hint: error.hint }));
  const host = field("Host", h("input", { type: "text", class: "om-input", spellcheck: "false", autocomplete: "off" }));
  const key = createKeyField(panel);
  const broken = h("div", { class: "om-error", hidden: true });
  const verdict = h("div", { class: "om-verdict", role: "status" });
  const test = button("Test connection", testNow);
  const part = section("Connection", true, broken, modes.root, host.root, key.root, h("div", { class: "om-row" }, test), verdict);
  const hostLine = twoWay(drawHost);
  let known = "";

  host.control.addEventListener("change", sendHost);
  host.control.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void sendHost();
  });

  async function sendHost() {
    const typed = host.control.value.trim();
    if (typed === known) {
      host.fails(null);
      return true;
    }
    const error = await hostLine.set(panel.ask("connect", { host: typed }), host.fails);
    if (!error && host.control.value.trim() === typed) host.control.value = known;
    return !error;
  }

  async function testNow() {
    if (!(await sendHost())) {
      showVerdict({ state: "bad", text: "That host cannot be used.", hint: "The line below it says why." });
      return;
    }
    await key.send();
    const error = await panel.ask("test");
    if (error) showVerdict({ state: "bad", text: error.message, hint: error.hint });
  }

  function showVerdict({ state, text, hint }) {
    verdict.dataset.state = state ?? "";
    const sign = VERDICT_SIGNS[state];
    verdict.replaceChildren(
      ...(text ? [h("strong", {}, sign ? h("span", { "aria-hidden": "true" }, `${sign} `) : "", text)] : []),
      ...(hint ? [h("span", {}, hint)] : []),
    );
  }

  function drawHost({ value, placeholder, origin }) {
    // What is being typed is the reader's.
    const typing = document.activeElement === host.control && host.control.value.trim() !== known;
    if (!typing && !host.control.hasAttribute("aria-invalid")) host.control.value = value;
    known = value;
    host.control.placeholder = placeholder;
    host.says(originLine(origin));
  }

  function show(message) {
    modes.show(message.mode);
    hostLine.show(message.host);
    key.show(message.key);
    broken.hidden = !message.error;
    if (message.error) broken.replaceChildren(...errorLines(message.error));
    showVerdict(message.verdict);
    const mode = message.mode.choices.find((choice) => choice.value === message.mode.value);
    const sign = VERDICT_SIGNS[message.verdict.state] ?? "";
    part.note(`${mode?.text ?? ""} · ${message.host.value || message.host.placeholder} ${sign}`.trim());
  }

  return { root: part.root, show, fold: part.fold, isFine: () => !["bad", "down"].includes(verdict.dataset.state) };
}

function originLine(origin) {
  if (!origin) return "";
  return origin === "default" ? "the default" : `from ${origin}`;
}

function createModes(panel, failed) {
  const name = unique("mode");
  const segments = h("div", { class: "om-segments" });
  const meaning = h("span", { class: "om-origin", id: unique("meaning") });
  const root = h(
    "fieldset",
    { class: "om-fieldset", "aria-describedby": meaning.id },
    h("legend", { class: "om-label" }, "Mode"),
    segments,
    meaning,
  );

  const line = twoWay(draw);

  async function choose(value) {
    await line.set(panel.ask("connect", { mode: value }), (error) => {
      if (!error) return;
      line.settle();
      failed(error);
    });
  }

  function draw({ value, choices, origin, meaning: text }) {
    if (segments.childElementCount !== choices.length) {
      segments.replaceChildren(
        ...choices.map((choice) => {
          const input = h("input", { type: "radio", name, value: choice.value, onchange: () => choose(choice.value) });
          return h("label", { class: "om-segment" }, input, h("span", {}));
        }),
      );
    }
    choices.forEach((choice, number) => {
      const [input, label] = segments.children[number].children;
      input.checked = choice.value === value;
      setText(label, choice.value === "" ? "auto" : choice.text);
    });
    const automatic = value === "" ? choices.find((choice) => choice.value === "")?.text : "";
    const source = value === "" ? "" : originLine(origin); // "automatic" says it itself
    setText(meaning, [automatic, text, source].filter(Boolean).join(" · "));
  }

  return { root, show: line.show };
}

/**
 * The key goes to the kernel as a message and is in no trait, so in no saved state; the field is empty again before
 * the message is on its way.
 */
function createKeyField(panel) {
  const input = h("input", {
    type: "password",
    class: "om-input",
    autocomplete: "off",
    spellcheck: "false",
    "data-1p-ignore": true,
    "data-lpignore": "true",
  });
  const use = button("Use", send, { "aria-label": "Use this key" });
  const forget = button("Forget", forgetNow, { "aria-label": "Forget the key", hidden: true });
  const named = field("API key", input, [use, forget]);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void send();
  });

  async function send() {
    const typed = input.value;
    if (!typed) return;
    input.value = "";
    named.fails(await panel.ask("key", { key: typed }));
  }

  async function forgetNow() {
    named.fails(await panel.ask("forget_key"));
  }

  function show(key) {
    input.placeholder = key.set ? "set; type another to replace it" : "not set";
    named.says(key.text);
    if (document.activeElement === forget && !key.own) input.focus();
    forget.hidden = !key.own;
  }

  return { root: named.root, send, show };
}
