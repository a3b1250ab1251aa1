"""The conversation of a panel: ask, stop, retry or edit the last question, switch threads."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .. import background
from ..answering import Reading
from ..composing import compose
from ..context.pictures import image_from_bytes
from ..errors import OllamaMagicError, SettingsError
from ..parsing import How
from ..render.text import one_line
from .outlet import FieldError, text_of
from .shown import Shown
from .streaming import Streaming
from .turns import Asked, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..background import BackgroundJob
    from ..events import Answer, Image
    from ..session import Session
    from .outlet import Outlet

__all__ = ["Conversation"]

_PICTURES: Final = 20


class Conversation(Shown):
    """One answer at a time. `changed` is called when a turn has ended, and when other turns are shown."""

    def __init__(
        self,
        session: Session,
        outlet: Outlet,
        namespace: Callable[[], Mapping[str, Any]],
        changed: Callable[[], None],
    ) -> None:
        super().__init__(session, outlet)
        self._namespace, self._changed = namespace, changed
        self._mark = uuid.uuid4().hex[:8]
        self._job: BackgroundJob | None = None
        self._closed = False

    # ---- asking ------------------------------------------------------------------------------------------------

    def send(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Ask the next question."""
        attach = message.get("attach")
        wanted = [each.strip() for each in attach if isinstance(each, str)] if isinstance(attach, list) else []
        asked = Asked(text_of(message, "prompt").strip("\n"), tuple(filter(None, wanted)), _pictures(message, buffers))
        if not (asked.prompt.strip() or asked.attach or asked.images):
            raise FieldError("prompt", SettingsError("There is nothing to send", hint="Type a question."))
        self._ask(asked, None)

    def retry(self, message: dict[str, Any]) -> None:
        """Ask the last question again; its answer is replaced once a new one arrives."""
        last = self._last(message)
        self._ask(last.asked, last)

    def edit(self, message: dict[str, Any]) -> None:
        """Replace the last question with another one, and ask that."""
        last, prompt = self._last(message), text_of(message, "prompt").strip("\n")
        if not prompt.strip():
            raise FieldError("prompt", SettingsError("There is nothing to send", hint="Type a question."))
        self._ask(replace(last.asked, prompt=prompt), last)

    def stop(self) -> None:
        """Stop the answer that is being written and keep the text so far. Does not wait."""
        job = self._job
        if job is not None:
            job.stop(0)

    def close(self, wait_s: float = 2.0) -> None:
        """The same, and wait, for a limited time, until its connection is closed; nothing is asked afterwards."""
        with self._lock:
            self._closed, job = True, self._job
        if job is not None:
            job.stop(wait_s)

    def _ask(self, asked: Asked, again: Entry | None) -> None:
        entry = Entry(self._new_id(), asked, "", uuid.uuid4().hex)
        with self._lock:
            self._refuse_while_running()
            self._busy = True  # prevents any other question
        try:
            entry.cell = self._cell_for(entry, again)
            settings = self._session.settings()
            how = How(attach=asked.attach, raw=asked.raw, thread=self.name)
            question = compose(
                self._session, asked.prompt, how, settings, self._namespace(), cell=entry.cell, run=entry.run
            )
            question = replace(question, images=(*question.images, *asked.images))
        except OllamaMagicError as error:
            self._busy = False
            raise FieldError("prompt", error) from None
        except BaseException:
            self._busy = False
            raise
        with self._lock:
            if self._closed:
                return
            self._live = entry
            if again is not None:
                entry.replaces = again.turn
                self._entries.remove(again)
            self._entries.append(entry)
            self._post_from(len(self._entries) - 1)
            view = Streaming(
                entry,
                settings.format,
                lambda delta: self._delta(entry, delta),
                lambda answer, error: self._ended(entry, again, answer, error, settings.format),
            )
            self._job = background.start(Reading(self._session, question, settings), view, asked.prompt)

    def _cell_for(self, entry: Entry, again: Entry | None) -> str:
        """The cell id of a question in the thread: its own, or that of the turn it is to replace."""
        own = f"panel-{self._mark}-{entry.id}"
        if again is None or again.turn is None:
            return own
        turns = self._turns(self.name)
        if again.turn.cell and sum(turn.cell == again.turn.cell for turn in turns) == 1:
            return again.turn.cell
        # A turn without a cell, or one of several of its cell: it gets its own cell id, so that it can be replaced.
        kept, again.turn = again.turn, replace(again.turn, cell=own)
        placed = [again.turn if turn is kept else turn for turn in turns]
        self._session.threads.put(self.name, placed, overwrite=True)
        return own

    def _ended(
        self, entry: Entry, again: Entry | None, answer: Answer, error: OllamaMagicError | None, form: str
    ) -> None:
        """Called in the thread of the answer when it has ended."""
        with self._lock:
            self.sync()
            self._live = self._job = None
            self._busy = False
            self._show_end(entry, answer, form, error)
            came_to_nothing = entry.turn is None and again is not None and again.turn is not None
            if came_to_nothing:
                assert again is not None
                self._entries[self._entries.index(entry)] = again
                self.sync()
                self._post_from(len(self._entries) - 1)
            else:
                self._outlet.post("turn", turn=self._message(entry))
        if came_to_nothing and again is not None:
            why = error.message if error is not None else "It was stopped before a word came"
            draft = entry.asked.prompt if entry.asked.prompt != again.asked.prompt else ""
            text = f"{one_line(why, 400).rstrip('.')}. The earlier answer is kept."
            hint = one_line(error.hint, 400) if error is not None else ""
            self._outlet.post("notice", kind="error" if error else "info", text=text, hint=hint, draft=draft)
        self._changed()

    def _show_end(self, entry: Entry, answer: Answer, form: str, error: OllamaMagicError | None) -> None:
        try:
            entry.take(answer, form, error)
        except Exception as fault:  # an answer that cannot be shown must not leave the panel waiting for its end
            told = f"The panel cannot show this answer: {type(fault).__name__}"
            entry.fail(answer, OllamaMagicError(told, hint="Ask it in a cell, and please report this."))

    def _refuse_while_running(self) -> None:
        if self._busy:
            raise SettingsError("An answer is being written here", hint="Stop it first, or wait for its end.")

    def _last(self, message: dict[str, Any]) -> Entry:
        with self._lock:
            self._refuse_while_running()
            if not self._entries or self._entries[-1].id != text_of(message, "turn"):
                raise SettingsError("Only the last turn can be asked again", hint="Copy the question and send it.")
            return self._entries[-1]

    # ---- the thread --------------------------------------------------------------------------------------------

    def go_to(self, message: dict[str, Any]) -> None:
        """Show and continue the thread `name`, which may be a new one."""
        name = text_of(message, "name").strip()
        try:
            self._session.threads.history(name)  # raises for an invalid name
        except SettingsError as error:
            raise FieldError("name", error) from None
        with self._lock:
            self._refuse_while_running()
            self.name, self._entries = name, []
            self._entries = self._merged(self._turns(name))
        self._session.thread = name
        self.show()
        self._changed()

    def clear(self) -> None:
        """Delete the conversation that is shown."""
        with self._lock:
            self._refuse_while_running()
            self._entries = []
            self._post_from(0)
        if self._turns(self.name):
            self._session.threads.reset(self.name)
        self._changed()

    def find(self, message: dict[str, Any]) -> Entry:
        """The turn that the browser refers to. Raises SettingsError if it is gone."""
        wanted = text_of(message, "turn")
        found = next((entry for entry in self.entries if entry.id == wanted), None)
        if found is None:
            raise SettingsError("That turn is gone", hint="The conversation has changed since; look again.")
        return found


def _pictures(message: dict[str, Any], buffers: Sequence[Any]) -> tuple[Image, ...]:
    """The attached images. Raises FieldError if there are too many, or for one that no model can read."""
    named = message.get("pictures")
    told = named if isinstance(named, list) else []
    if len(buffers) > _PICTURES:
        refused = SettingsError(f"At most {_PICTURES} pictures go with one question", hint="Remove some.")
        raise FieldError("pictures", refused)
    found = []
    for number, data in enumerate(buffers):
        about = told[number] if number < len(told) and isinstance(told[number], dict) else {}
        try:
            found.append(image_from_bytes(bytes(data), one_line(text_of(about, "name"), 80) or "the picture"))
        except OllamaMagicError as error:
            raise FieldError("pictures", error) from None
    return tuple(found)
