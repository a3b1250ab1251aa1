"""The panel as a person sees and uses it: fields by their labels, buttons by their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page, WebSocket

    from tests.browser.lab import Lab

__all__ = ["Panel"]

# Said by the front ends themselves, with and without a panel.
_THEIRS = (
    ".woff",
    "yjs#509",
    "is duplicated",
    "reading 'schema'",
    "filebrowser:open-path",
    "favicon",
    "restore the debugger state",
    "widget model not found",  # of a panel whose kernel has ended
)
_KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


@dataclass
class Panel:
    """A panel in the first cell but one of a notebook of its own; `open` opens it."""

    lab: Lab
    page: Page
    front_end: str
    notebook: str
    errors: list[str] = field(default_factory=list, repr=False)
    """What the console said that the front end does not say anyway."""
    received: list[bytes] = field(default_factory=list, repr=False)
    sent: list[bytes] = field(default_factory=list, repr=False)
    """Every websocket frame of the page."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._note(f"{error}\n{error.stack}"))
        self.page.on("websocket", self._listen)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self._note(f"{said.text} {said.location}")

    def _note(self, text: str) -> None:
        if not any(known in text for known in _THEIRS):
            self.errors.append(text)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.received.append(_bytes(data)))
        socket.on("framesent", lambda data: self.sent.append(_bytes(data)))

    # ---- the notebook around it --------------------------------------------------------------------------------

    def open(self, *cells: str) -> None:
        """A fresh notebook with these cells before the panel's, all of them run."""
        self.lab.write(self.notebook, "%load_ext ollama_magic", *cells, "%ollama panel", "1 + 1")
        self.lab.open(self.page, self.notebook, self.front_end)
        self.command("notebook:run-all-cells")
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel has answered the panel."""
        self.page.wait_for_selector(".om-panel.om-live:not(.om-off)")

    def command(self, name: str, **arguments: object) -> None:
        """A command of the front end, to its end."""
        self.page.evaluate("([name, given]) => window.jupyterapp.commands.execute(name, given)", [name, arguments])

    def save(self) -> str:
        """Save the notebook; the file's text."""
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return self.lab.read(self.notebook)

    def run(self, code: str) -> None:
        """Run code in the kernel, beside the notebook, and wait for its end."""
        self.page.evaluate(f"(code) => {_KERNEL}.requestExecute({{ code }}).done.then(() => null)", code)

    def value(self, expression: str) -> str:
        """The repr of an expression's value in the kernel."""
        asked = f"{_KERNEL}.requestExecute({{ code: '', user_expressions: {{ value }} }}).done"
        told = "(reply) => reply.content.user_expressions.value.data['text/plain']"
        found: str = self.page.evaluate(f"(value) => {asked}.then({told})", expression)
        return found

    def start(self, code: str) -> None:
        """Run code in the kernel and go on at once."""
        self.page.evaluate(f"(code) => void {_KERNEL}.requestExecute({{ code }})", code)

    def without_subshells(self) -> None:
        """From now on this page's messages wait for the end of a running cell, as they always do in older kernels."""
        self.page.evaluate(f"() => {{ {_KERNEL}.commsOverSubshells = 'disabled'; }}")

    def save_with_state(self, wanted: bool) -> str:
        """Save the notebook with or without the state of its widgets; the file's text."""
        name = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
        if self.page.evaluate("(name) => window.jupyterapp.commands.isToggled(name)", name) != wanted:
            self.command(name)
            state = "([name, wanted]) => window.jupyterapp.commands.isToggled(name) === wanted"
            self.page.wait_for_function(state, arg=[name, wanted])
        return self.save()

    def kept(self, text: str) -> None:
        """Wait until the document holds this in the output below the panel."""
        cells = "window.jupyterapp.shell.currentWidget.context.model.sharedModel.toJSON().cells"
        ours = "(output) => output.metadata?.ollama_magic?.transcript && output.data['text/plain'].includes(text)"
        self.page.wait_for_function(f"(text) => {cells}.some((cell) => cell.outputs?.some({ours}))", arg=text)

    def restart(self) -> None:
        """Restart the kernel, as its menu does."""
        self.page.evaluate(f"() => {_KERNEL}.restart().then(() => null)")

    def sources(self) -> list[str]:
        """The text of every cell."""
        cells = "window.jupyterapp.shell.currentWidget.context.model.sharedModel.cells"
        found: list[str] = self.page.evaluate(f"() => {cells}.map((cell) => cell.getSource())")
        return found

    def theme(self, name: str) -> None:
        """JupyterLab's "Light" or "Dark"."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(name == 'Light').lower()}'")

    # ---- its parts ---------------------------------------------------------------------------------------------

    @property
    def root(self) -> Locator:
        return self.page.locator(".om-panel")

    @property
    def prompt(self) -> Locator:
        return self.root.get_by_label("Prompt", exact=True)

    @property
    def host(self) -> Locator:
        return self.root.get_by_label("Host", exact=True)

    @property
    def key(self) -> Locator:
        return self.root.get_by_label("API key", exact=True)

    @property
    def model(self) -> Locator:
        return self.root.get_by_role("combobox", name="Model", exact=True)

    @property
    def log(self) -> Locator:
        return self.root.get_by_role("log")

    @property
    def last(self) -> Locator:
        return self.root.locator(".om-turn").last

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def sees(self, *texts: str, within: Locator | None = None) -> None:
        """Wait until all of this can be read."""
        place = within or self.root
        for text in texts:
            try:
                place.get_by_text(text).filter(visible=True).first.wait_for()
            except TimeoutError:
                raise AssertionError(f"not seen: {text!r}; there is: {place.first.inner_text()!r}") from None

    def around(self, label: str) -> Locator:
        """A field with what is said of it."""
        return self.root.locator(".om-field").filter(has=self.page.get_by_label(label, exact=True))

    def unfold(self, title: str) -> None:
        """Open a section that may be folded."""
        section = self.root.locator("details.om-section", has=self.page.get_by_role("heading", name=title))
        if section.get_attribute("open") is None:
            section.locator("> summary").click()

    def choose_mode(self, name: str) -> None:
        self.root.get_by_role("group", name="Mode").locator(f"input[value='{name}']").check(force=True)

    def set_host(self, text: str) -> None:
        self.host.fill(text)
        self.host.press("Enter")

    def test(self, *texts: str) -> None:
        """Test the connection and wait for the verdict to say this."""
        self.button("Test connection").click()
        self.sees(*texts, within=self.root.locator(".om-verdict"))

    def choose(self, model: str) -> None:
        """Choose a model by its name."""
        self.model.fill(model)
        self.model.press("Enter")
        self.page.wait_for_selector(f".om-model[data-name='{model}'][aria-selected='true']")

    def begin(self, thread: str) -> None:
        """A new thread."""
        self.button("New thread").click()
        self.root.get_by_label("Name of the new thread").fill(thread)
        self.page.keyboard.press("Enter")
        self.sees("Nothing has been asked")

    def send(self, text: str) -> None:
        """Send a prompt, and wait until the kernel has taken it and shows its turn."""
        self.prompt.fill(text)
        self.prompt.press("Enter")
        self.taken()
        asked = "(text) => [...document.querySelectorAll('.om-user')].at(-1)?.textContent === text"
        self.page.wait_for_function(asked, arg=text)

    def taken(self) -> None:
        """Wait until the kernel has taken the prompt."""
        self.page.wait_for_function("() => document.querySelector('.om-prompt').value === ''")

    def done(self) -> None:
        """Wait for the end of the answer, whatever that was."""
        self.page.wait_for_selector(".om-turn.om-last[aria-busy='false']")


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
