// Downloads of models: one block each, with a bar for the whole and the layers folded.

const PULL_SIGNS = { running: "", done: "✓ ", failed: "✕ ", stopped: "– " };

function createPulls(panel) {
  const root = h("div", { class: "om-pulls" });
  const blocks = new Map();

  function show(message) {
    const names = new Set(message.pulls.map((pull) => pull.name));
    for (const [name, block] of blocks) {
      if (!names.has(name)) {
        block.root.remove();
        blocks.delete(name);
      }
    }
    for (const pull of message.pulls) {
      if (!blocks.has(pull.name)) {
        blocks.set(pull.name, createPull(panel, pull.name));
        root.append(blocks.get(pull.name).root);
      }
      blocks.get(pull.name).show(pull);
    }
  }

  return { root, show };
}

function createPull(panel, name) {
  const bar = h("progress", { class: "om-progress", max: "1", "aria-label": `Pulling ${name}` });
  const text = h("span", { class: "om-pull-text" });
  const told = h("span", { class: "om-hidden", role: "status" });
  const hint = h("div", { class: "om-hint" });
  const layers = h("ul", { class: "om-layers" });
  const folded = h("details", { class: "om-layers-box" }, h("summary", {}, "Layers"), layers);
  const stop = button("Cancel", () => panel.ask("pull_stop", { name }), { "aria-label": `Cancel the pull of ${name}` });
  const again = button("Again", () => panel.ask("pull", { name }), { "aria-label": `Pull ${name} again` });
  const away = button("Dismiss", () => panel.ask("pull_stop", { name }), { "aria-label": `Dismiss ${name}` });
  const root = h(
    "div",
    { class: "om-pull", role: "group", "aria-label": `Pull of ${name}` },
    h("div", { class: "om-row" }, h("strong", { class: "om-pull-name" }, name), stop, again, away),
    bar,
    text,
    told,
    hint,
    folded,
  );

  function show(pull) {
    root.dataset.state = pull.state;
    const running = pull.state === "running";
    if (typeof pull.fraction === "number") bar.value = pull.fraction;
    else bar.removeAttribute("value");
    bar.hidden = !running;
    setText(text, `${PULL_SIGNS[pull.state] ?? ""}${pull.text}`);
    setText(told, running ? "" : `${name}: ${pull.text}`);
    setText(hint, pull.hint ?? "");
    // The focus stays in the block when the button that had it goes.
    const hadFocus = root.contains(document.activeElement);
    stop.hidden = !running;
    again.hidden = running || pull.state === "done";
    away.hidden = running;
    if (hadFocus && document.activeElement?.hidden !== false) (running ? stop : away).focus();
    folded.hidden = pull.layers.length < 2;
    showLayers(pull.layers);
  }

  function showLayers(found) {
    while (layers.childElementCount > found.length) layers.lastElementChild.remove();
    while (layers.childElementCount < found.length) {
      layers.append(h("li", {}, h("progress", { class: "om-progress", max: "1", "aria-hidden": "true" }), h("span")));
    }
    found.forEach((layer, number) => {
      const [part, label] = layers.children[number].children;
      if (typeof layer.fraction === "number") part.value = layer.fraction;
      else part.removeAttribute("value");
      setText(label, layer.text);
    });
  }

  return { root, show };
}
