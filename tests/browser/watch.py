"""What a page does that nobody asked for, and what in it is more than something to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.render.tokens import TOKENS_SHEET

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

__all__ = ["Watch"]

# Runs in every frame before anything else. The page's own title never has this word.
_CANARY: Final = """
(() => {
    if (Object.hasOwn(window, 'pwned')) return;
    const tell = (how) => console.error(`canary: ${how}`);
    for (const name of ['pwned', '__pwned']) {
        Object.defineProperty(window, name, { get: () => () => tell(name), set: () => tell(name) });
    }
    const title = Object.getOwnPropertyDescriptor(Document.prototype, 'title');
    Object.defineProperty(Document.prototype, 'title', {
        ...title,
        set(text) { if (String(text).includes('pwned')) tell('title'); title.set.call(this, text); },
    });
    window.open = () => tell('open');
})();
"""

_LIVE: Final = """
([roots, sheet]) => {
    const running = 'script,object,embed,applet,form,base,meta,link,style,template,noscript,frame,frameset,portal,'
        + 'fencedframe,audio,video,source,track,animate,set,animateTransform,foreignObject,marquee,dialog,xmp';
    const theirs = '.jp-RenderedVegaCommon5, mjx-container, .jupyter-widgets, .jp-Collapser';
    const leading = /^(href|xlink:href|src|action|formaction|data|ping|poster|srcset|background|attributionsrc)$/;
    const clobbered = /^(pwned|x|f|body|document|require|jupyterapp|jp-main.*)$/;

    const leadsWell = (node, tag, value) => {
        if (tag === 'img') return value.startsWith('data:image/png;');
        if (tag !== 'a') return tag === 'use' && value.startsWith('#');
        // JupyterLab makes links of what looks like an address: in plain text, such as a list's, and in Markdown cells.
        if (node.closest('.jp-RenderedText')) return !/^\\W*(java|vb|live)script:/i.test(value);
        if (node.closest('.jp-MarkdownCell')) return /^(https?:|ftp:|mailto:|#)/i.test(value);
        return /^(https?:\\/\\/[^/\\\\]|mailto:|#)/i.test(value);
    };

    const wrong = (node) => {
        const tag = node.localName;
        const ours = !node.closest(theirs);
        const known = tag === 'style' && sheet.includes(node.textContent);
        const style = getComputedStyle(node);
        const found = [];
        if (node.matches(ours ? running : 'script,object,embed') && !known) found.push(tag);
        if (tag === 'iframe' && (node.getAttribute('sandbox') !== '' || node.hasAttribute('src'))) found.push(tag);
        if (ours && style.position === 'fixed') found.push(`${tag} is fixed`);
        if (/evil|pwned/.test(style.backgroundImage + style.listStyleImage + style.content)) found.push('a picture');
        for (const { name, value } of node.attributes) {
            const told = `${tag} ${name}=${value.slice(0, 60)}`;
            if (/^on/i.test(name)) found.push(told);
            if (leading.test(name) && !leadsWell(node, tag, value)) found.push(told);
            if (name === 'name' && ours && !node.closest('.om-panel')) found.push(told);
            if (name === 'id' && clobbered.test(value)) found.push(told);
            if (name === 'style' && /url\\(|expression|@import|behavior/i.test(value)) found.push(told);
        }
        return found;
    };
    const nodes = new Set([...document.querySelectorAll(roots)].flatMap((root) => [...root.querySelectorAll('*')]));
    return { count: nodes.size, found: [...new Set([...nodes].flatMap(wrong))] };
}
"""
_ROOTS: Final = ".jp-OutputArea-output, .om-panel, .jp-MarkdownOutput, body.plain"


@dataclass
class Watch:
    """Everything that a page does from now on which a model's text must not make it do."""

    page: Page
    home: str
    """Where all requests must go: an address, or "" for none."""
    seen: list[str] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self.page.add_init_script(_CANARY)
        page, context = self.page, self.page.context
        self._on: tuple[tuple[Any, str, Any], ...] = (
            (context, "request", lambda request: self._went(request.url)),
            (context, "requestfailed", self._stopped),
            (context, "page", lambda other: self.seen.append(f"a window: {other.url}")),
            (page, "console", self._said),
            (page, "pageerror", self._broke),
            (page, "dialog", self._dialog),
            (page, "websocket", lambda socket: self._went(socket.url.replace("ws", "http", 1))),
            (page, "download", lambda it: self.seen.append(f"a download: {it.url}")),
        )
        for source, event, listener in self._on:
            listen: Any = source.on
            listen(event, listener)
        page.route(re.compile(r"evil\.invalid|pwned\.invalid|a\.invalid"), lambda route: route.abort())

    def close(self) -> None:
        """Watch no more."""
        for source, event, listener in self._on:
            source.remove_listener(event, listener)
        self.page.unroute_all()

    def _broke(self, error: object) -> None:
        if "pwned" in str(error):
            self.seen.append(f"ran: {error}")

    def _stopped(self, request: Request) -> None:
        # What a page's own rule forbids is told as a request, and never made.
        if request.failure == "csp" and (told := f"a request: {request.url}") in self.seen:
            self.seen.remove(told)

    def _went(self, url: str) -> None:
        self.requests += 1
        inside = bool(self.home) and url.startswith(f"{self.home}/")
        own = url.startswith(("data:", "blob:", "about:"))
        # An address of a payload, taken as one on this server.
        relative = re.search(r"/(x|1|x\.\w+|\d?evil[^/]*|pwned[^/]*)([?#]|$)", url)
        if (not inside and not own) or (inside and relative):
            self.seen.append(f"a request: {url}")

    def _said(self, said: ConsoleMessage) -> None:
        # A sandbox that had to stop a script is a page that was not tamed; its styles are stopped by its own rule.
        if re.search(
            r"canary:|Blocked script execution|[Ee]xecuting|(script|frame|form)[-\w]* .*Content Security", said.text
        ):
            self.seen.append(f"ran: {said.text[:200]}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.seen.append(f"a dialog: {dialog.message}")
        dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss()

    def live(self) -> list[str]:
        """What of the page's outputs is more than something to be read, in all frames."""
        told = self.page.evaluate(_LIVE, [_ROOTS, TOKENS_SHEET])
        assert told["count"] > 10, "nothing is shown"
        found = list(told["found"])
        for frame in self.page.frames:
            if frame.parent_frame is not None and frame.url == "about:srcdoc":
                found += [f"in a frame: {each}" for each in frame.evaluate(_IN_FRAME)]
        return found

    def nothing(self) -> None:
        """Nothing ran, nothing left, nothing is live; and the page is the one that was opened."""
        live = self.live()
        assert not live, live
        assert not self.seen, self.seen
        if self.home:
            assert self.page.url.startswith(f"{self.home}/")


# The page's own rule for itself is in it, and its styles, which that rule keeps from loading.
_IN_FRAME: Final = """
() => [...document.querySelectorAll('script,iframe,frame,object,embed,form,base,link,template,audio,video,source,'
    + 'meta:not(:first-child),animate,set,portal,fencedframe,input,button,applet')].map((node) => node.localName)
    .concat([...document.querySelectorAll('*')].flatMap((node) => [...node.attributes]
        .filter(({ name, value }) => /^on/i.test(name)
            || /^(href|xlink:href|src|srcset|action|data|ping|background|poster|attributionsrc)$/.test(name)
                && !/^\\s*(#|data:image\\/)/.test(value))
        .map(({ name, value }) => `${node.localName} ${name}=${value.slice(0, 60)}`)))
"""
