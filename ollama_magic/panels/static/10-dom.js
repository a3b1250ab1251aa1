// Making elements. Text is only ever set as text; the one place for HTML is `setHtml`, and what comes there was made
// by the kernel's renderer, which lets nothing live through.

/** An element: `props` are attributes, `onclick` and the like are listeners, null, undefined and false are left out. */
function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : String(value));
}

/** Set the text of a node, and touch nothing where it is the same: a live region would say it again. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** HTML of the kernel's renderer. */
function setHtml(node, html) {
  node.innerHTML = html;
}

const uniqueBase = Math.random().toString(36).slice(2, 8);
let uniqueCount = 0;

/** An id that no other view, tab or panel has. */
function unique(what) {
  uniqueCount += 1;
  return `om-${what}-${uniqueBase}-${uniqueCount}`;
}

function button(label, onclick, props = {}) {
  return h("button", { type: "button", class: "om-button", onclick, ...props }, label);
}

/** A labelled control with a line below it that says where its value comes from, and one for what is wrong with it. */
function field(label, control, extra = []) {
  const id = unique("field");
  const origin = h("span", { class: "om-origin", id: `${id}-origin` });
  const problem = h("span", { class: "om-problem", id: `${id}-problem`, role: "alert" });
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-origin ${id}-problem`);
  const root = h(
    "div",
    { class: "om-field" },
    h("label", { class: "om-label", for: id }, label),
    h("div", { class: "om-row" }, control, ...extra),
    origin,
    problem,
  );
  return {
    root,
    control,
    says: (text) => setText(origin, text),
    fails(error) {
      setText(problem, error ? errorLine(error) : "");
      setAttribute(control, "aria-invalid", error ? "true" : null);
    },
  };
}

/**
 * A value that the reader sets and the kernel shows. What the kernel said before it had taken the reader's is old:
 * `draw` gets it only when nothing is on its way.
 */
function twoWay(draw) {
  let asking = 0;
  let latest = null;
  const settle = () => {
    if (asking === 0 && latest) draw(latest);
  };
  return {
    show(message) {
      latest = message;
      settle();
    },
    /** Wait for the kernel to take it, or not to: `told` gets null or the error. */
    async set(asked, told) {
      asking += 1;
      const error = await asked;
      asking -= 1;
      told(error);
      if (!error) settle();
      return error;
    },
    settle,
  };
}

/** What an error says, and what to do about it. */
function errorLines(error) {
  return [h("strong", {}, capital(error.message)), ...(error.hint ? [h("span", {}, error.hint)] : [])];
}

/** A sentence begins with a capital; a name (llama3.2, df.columns) stays what it is. */
function capital(text) {
  return /^[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** The same in one line. */
function errorLine({ message, hint }) {
  const ended = /[.!?)]$/.test(message) ? capital(message) : `${capital(message)}.`;
  return hint ? `${ended} ${hint}` : ended;
}

/** A folding section; `note` tells in one line what is in it, so that it can stay folded. */
function section(title, open, ...children) {
  const note = h("span", { class: "om-note" });
  const root = h(
    "details",
    { class: "om-section", open },
    h("summary", {}, h("h3", { class: "om-title" }, title), note),
    h("div", { class: "om-body" }, ...children),
  );
  return { root, note: (text) => setText(note, text), fold: () => (root.open = false) };
}

/** A button that opens a strip below `place`, with the focus in it; Escape and `close()` bring the focus back. */
function opener(label, place, build, props = {}) {
  const strip = h("div", { class: "om-strip", role: "group", "aria-label": label, hidden: true });
  const trigger = button(label, () => (strip.hidden ? open() : close()), { "aria-expanded": "false", ...props });
  function open() {
    strip.replaceChildren(...build(close));
    strip.hidden = false;
    trigger.setAttribute("aria-expanded", "true");
    strip.querySelector("input, button")?.focus();
  }
  function close() {
    const hadFocus = strip.contains(document.activeElement);
    strip.hidden = true;
    trigger.setAttribute("aria-expanded", "false");
    if (hadFocus) trigger.focus();
  }
  strip.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  });
  place.append(strip);
  return trigger;
}

/** Copy to the clipboard; false where the page may not (plain http has no clipboard, and an old way may work). */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = h("textarea", { class: "om-hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return copied;
  }
}

/** Give the reader a file. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
