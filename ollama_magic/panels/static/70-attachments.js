// What goes along with a prompt: variables and files by name, pictures by file, paste or drop.

const LARGEST_PICTURE = 20 * 1024 * 1024;

function createAttachments(panel, prompt) {
  const options = h("datalist", { id: unique("variables") });
  const name = h("input", {
    type: "text",
    class: "om-input om-attach",
    list: options.id,
    placeholder: "variable or file",
    "aria-label": "Attach a variable or a file",
    autocomplete: "off",
    spellcheck: "false",
  });
  const add = button("Attach", attach);
  const file = h("input", { type: "file", accept: "image/*", multiple: true, class: "om-hidden", tabindex: "-1", "aria-hidden": "true" });
  const browse = button("Picture…", () => file.click());
  const list = h("ul", { class: "om-attached", "aria-label": "Attached", hidden: true });
  let names = [];
  let pictures = [];

  name.addEventListener("focus", () => void panel.ask("variables"));
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") attach();
  });
  file.addEventListener("change", () => {
    take([...file.files]);
    file.value = "";
  });
  prompt.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(isPicture);
    if (files.length > 0) {
      event.preventDefault();
      take(files);
    }
  });

  function isPicture(each) {
    return each.type.startsWith("image/");
  }

  function attach() {
    const typed = name.value.trim();
    if (!typed) {
      name.focus();
      return;
    }
    if (!names.includes(typed)) names.push(typed);
    name.value = "";
    name.focus();
    draw();
  }

  function take(files) {
    for (const each of files) {
      if (!isPicture(each)) panel.complain({ message: `${each.name} is not a picture.`, hint: "Attach a file by its name." });
      else if (each.size > LARGEST_PICTURE) {
        panel.complain({ message: `${each.name} is larger than 20 MB.`, hint: "Make it smaller first." });
      } else pictures.push({ file: each, url: URL.createObjectURL(each) });
    }
    draw();
  }

  function draw() {
    list.hidden = isEmpty();
    list.replaceChildren(
      ...names.map((each) => chip(each, null, () => (names = names.filter((other) => other !== each)))),
      ...pictures.map((each) =>
        chip(each.file.name || "picture", each.url, () => {
          URL.revokeObjectURL(each.url);
          pictures = pictures.filter((other) => other !== each);
        }),
      ),
    );
  }

  function chip(label, url, remove) {
    const away = button(
      "×",
      () => {
        remove();
        draw();
        (list.querySelector("button") ?? prompt).focus();
      },
      { class: "om-button om-clear", "aria-label": `Remove ${label}` },
    );
    return h("li", { class: "om-chip" }, url ? h("img", { src: url, alt: "" }) : null, h("span", {}, label), away);
  }

  const isEmpty = () => names.length === 0 && pictures.length === 0;

  function clear() {
    for (const each of pictures) URL.revokeObjectURL(each.url);
    names = [];
    pictures = [];
    draw();
  }

  async function read() {
    // A name typed and not yet attached is meant to go along.
    if (name.value.trim()) attach();
    const buffers = await Promise.all(pictures.map((each) => each.file.arrayBuffer()));
    return {
      attach: names,
      pictures: pictures.map((each) => ({ name: each.file.name, type: each.file.type })),
      buffers,
    };
  }

  function showVariables(found) {
    options.replaceChildren(...found.map((each) => h("option", { value: each.name }, each.kind ?? "")));
  }

  return { controls: [name, options, add, browse, file], list, take, isEmpty, read, clear, showVariables };
}
