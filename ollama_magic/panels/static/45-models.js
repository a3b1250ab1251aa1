// Which model answers: a filter over a list, moved through with the arrows, and pulls with their progress.

function createModels(panel) {
  const list = h("ul", { class: "om-models", role: "listbox", id: unique("models"), "aria-label": "Models" });
  const filter = h("input", {
    type: "text",
    class: "om-input",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": list.id,
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "filter, or any name",
  });
  const named = field("Model", filter, [
    button("Refresh", refresh, { "aria-label": "Refresh the list of models" }),
    button("Pull", pull, { "aria-label": "Pull the model named in the field" }),
  ]);
  const note = h("div", { class: "om-hint", role: "status" });
  const pulls = createPulls(panel);
  const part = section("Model", true, named.root, list, note, pulls.root);

  let models = [];
  let chosen = "";
  let active = -1;
  let typing = false;

  filter.addEventListener("input", () => {
    typing = true;
    active = -1;
    draw();
  });
  filter.addEventListener("keydown", pressed);
  filter.addEventListener("blur", () => {
    // A name left half typed is no choice.
    if (typing && filter.value.trim() === "") settle(chosen);
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) void use(option.dataset.name);
  });

  function shown() {
    const words = typing ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    return models.filter((model) => {
      const text = [model.name, model.parameters, model.quantization, model.where, ...model.capabilities].join(" ");
      return words.every((word) => text.toLowerCase().includes(word));
    });
  }

  function pressed(event) {
    const visible = shown();
    const last = visible.length - 1;
    const moves = {
      ArrowDown: Math.min(active + 1, last),
      ArrowUp: Math.max(active - 1, 0),
      PageDown: Math.min(active + 8, last),
      PageUp: Math.max(active - 8, 0),
    };
    if (event.key in moves) {
      event.preventDefault();
      active = moves[event.key];
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const name = active >= 0 ? visible[active].name : typing && last === 0 ? visible[0].name : filter.value.trim();
      void use(name);
    } else if (event.key === "Escape" && (typing || active >= 0)) {
      event.stopPropagation();
      settle(chosen);
    }
  }

  async function refresh() {
    named.fails(await panel.ask("refresh"));
  }

  async function use(name) {
    const error = await panel.ask("use", { model: name });
    named.fails(error);
    if (!error) settle(name);
  }

  function settle(name) {
    chosen = name;
    typing = false;
    active = -1;
    filter.value = name;
    draw();
  }

  async function pull() {
    const name = filter.value.trim();
    if (!name) {
      named.fails({ message: "Type the name of a model to pull.", hint: "" });
      filter.focus();
      return;
    }
    named.fails(await panel.ask("pull", { name }));
  }

  function draw() {
    const visible = shown();
    list.replaceChildren(...visible.map((model, number) => option(model, number)));
    list.hidden = visible.length === 0;
    setAttribute(filter, "aria-expanded", visible.length > 0 ? "true" : "false");
    mark();
  }

  function option(model, number) {
    const facts = [model.parameters, model.quantization, model.size, model.context && `context ${model.context}`];
    // That it completes text is no news.
    const special = model.capabilities.filter((each) => each !== "completion");
    const badges = [...(model.where && model.where !== "local" ? [model.where] : []), ...special];
    return h(
      "li",
      {
        class: "om-model",
        role: "option",
        id: `${list.id}-${number}`,
        "aria-selected": model.name === chosen ? "true" : "false",
        "data-name": model.name,
      },
      h("span", { class: "om-model-name" }, model.name),
      h("span", { class: "om-badges" }, ...badges.map((badge) => h("span", { class: "om-badge" }, badge))),
      h("span", { class: "om-model-facts" }, facts.filter(Boolean).join(" · ")),
    );
  }

  function mark() {
    for (const node of list.children) node.classList.toggle("om-active", node.id === `${list.id}-${active}`);
    const node = list.children[active];
    setAttribute(filter, "aria-activedescendant", node?.id ?? null);
    if (node) scrollInto(list, node);
  }

  function show(message) {
    models = message.models;
    chosen = message.chosen;
    if (!typing && !filter.hasAttribute("aria-invalid")) filter.value = chosen;
    named.says(chosen ? originLine(message.origin) : message.default);
    const texts = [message.state === "busy" ? "Asking for the list…" : "", message.note, message.hint];
    setText(note, texts.filter(Boolean).join(" "));
    list.classList.toggle("om-static", Boolean(message.static));
    part.note(chosen || "none chosen");
    draw();
  }

  return { root: part.root, show, showPulls: pulls.show, fold: part.fold };
}

/** Scroll a box to one of its children, and nothing else: scrollIntoView would move the notebook too. */
function scrollInto(box, child) {
  const top = child.offsetTop - box.offsetTop;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + child.offsetHeight > box.scrollTop + box.clientHeight) {
    box.scrollTop = top + child.offsetHeight - box.clientHeight;
  }
}
