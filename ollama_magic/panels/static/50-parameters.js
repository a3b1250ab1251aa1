// What goes along with each prompt. An empty field is unset and says what counts instead.

function createParameters(panel) {
  const fields = new Map();
  const grid = h("div", { class: "om-grid" });
  const part = section("Parameters", false, grid);

  function show(message) {
    const set = [];
    for (const row of message.fields) {
      if (!fields.has(row.name)) {
        fields.set(row.name, createParameter(panel, row));
        grid.append(fields.get(row.name).root);
      }
      fields.get(row.name).show(row);
      if (row.value !== "") set.push(row.kind === "text" ? row.label : `${row.label} ${row.value}`);
    }
    part.note(set.length > 0 ? set.join(" · ") : "nothing set");
  }

  /** Send what was typed and not left yet; resolves to whether all of it could be used. */
  async function flush() {
    const done = await Promise.all([...fields.values()].map((each) => each.send()));
    const fine = done.every(Boolean);
    if (!fine) part.root.open = true;
    return fine;
  }

  return { root: part.root, show, flush };
}

const CONTROLS = {
  number: () => h("input", { type: "text", class: "om-input", inputmode: "decimal", autocomplete: "off", spellcheck: "false" }),
  choice: () => h("select", { class: "om-input" }),
  text: () => h("textarea", { class: "om-input", rows: "3" }),
};

function createParameter(panel, { name, label, kind, help }) {
  const control = CONTROLS[kind]();
  const clear = button("×", clearNow, { class: "om-button om-clear", "aria-label": `Unset: ${label}`, hidden: true });
  const named = field(label, control, [clear]);
  named.root.title = help ?? "";
  if (kind === "text") named.root.classList.add("om-wide");
  const line = twoWay(draw);
  let known = "";

  control.addEventListener("change", send);
  control.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && kind === "number") void send();
  });

  async function send() {
    const typed = kind === "text" ? control.value : control.value.trim();
    if (typed === known) {
      named.fails(null);
      return true;
    }
    const error = await line.set(panel.ask("set", { name, value: typed }), named.fails);
    if (!error && control.value.trim() === typed.trim()) control.value = known;
    return !error;
  }

  function clearNow() {
    control.value = "";
    control.focus();
    void send();
  }

  function draw(row) {
    if (kind === "choice") fillChoices(row.choices);
    else control.placeholder = row.placeholder;
    const typing = document.activeElement === control && control.value !== known;
    if (!typing && !control.hasAttribute("aria-invalid")) control.value = row.value;
    known = row.value;
    named.root.classList.toggle("om-unset", row.value === "");
    const inherited = row.origin && row.origin !== "default" ? originLine(row.origin) : "";
    named.says(row.value === "" ? inherited : originLine(row.origin));
    if (document.activeElement === clear && row.value === "") control.focus();
    clear.hidden = row.value === "";
  }

  function fillChoices(choices) {
    const wanted = choices.map((choice) => `${choice.value}\t${choice.text}`).join("\n");
    if (control.dataset.choices === wanted) return;
    control.dataset.choices = wanted;
    const value = control.value;
    control.replaceChildren(...choices.map((choice) => h("option", { value: choice.value }, choice.text)));
    control.value = value;
  }

  return { root: named.root, show: line.show, send };
}
