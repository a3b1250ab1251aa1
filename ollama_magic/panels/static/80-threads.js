// Above the conversation: which thread it is, a new one, clearing it, taking it along as a file.

const EXPORTS = [
  ["markdown", "Markdown"],
  ["json", "JSON"],
  ["ipynb", "Notebook"],
];

function createThreads(panel) {
  const select = h("select", { class: "om-input", id: unique("thread") });
  const below = h("div", { class: "om-strips" });
  let current = "";

  select.addEventListener("change", async () => {
    const error = await panel.ask("thread", { name: select.value });
    if (error) {
      select.value = current;
      panel.complain(error);
    }
  });

  const begin = opener("New thread", below, (close) => {
    const name = h("input", { type: "text", class: "om-input", "aria-label": "Name of the new thread", spellcheck: "false" });
    const create = async () => {
      if (!name.value.trim()) return;
      const error = await panel.ask("thread", { name: name.value.trim() });
      if (error) panel.complain(error);
      else close();
    };
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") void create();
    });
    return [h("span", {}, "Name"), name, button("Create", create), button("Cancel", close)];
  });
  const clear = opener("Clear", below, (close) => [
    h("span", {}, "Forget all turns of this thread?"),
    button("Cancel", close),
    button(
      "Clear",
      () => {
        close();
        void panel.request("clear");
      },
      { class: "om-button om-danger" },
    ),
  ]);
  const take = opener("Export", below, (close) => [
    h("span", {}, "As"),
    ...EXPORTS.map(([form, label]) =>
      button(label, () => {
        close();
        void panel.request("export", { form });
      }),
    ),
    button("Cancel", close),
  ]);

  const root = h(
    "div",
    { class: "om-threads" },
    h("label", { class: "om-label", for: select.id }, "Thread"),
    select,
    begin,
    h("span", { class: "om-space" }),
    take,
    clear,
  );

  function show(message) {
    current = message.current;
    const known = message.threads.some((thread) => thread.name === current);
    const threads = known ? message.threads : [...message.threads, { name: current, turns: 0 }];
    const texts = threads.map(({ name, turns }) => (turns ? `${name} (${turns})` : name));
    if ([...select.options].map((option) => option.textContent).join("\n") !== texts.join("\n")) {
      select.replaceChildren(...threads.map(({ name }, number) => h("option", { value: name }, texts[number])));
    }
    select.value = current;
  }

  return { root, below, show };
}
