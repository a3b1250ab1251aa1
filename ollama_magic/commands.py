"""`%ollama COMMAND`: the table of commands; each takes the session and its arguments and returns or shows a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import bridge, jobs, keeping, listing, managing, status
from .address import without_credentials
from .comparing import commands as comparing
from .errors import SettingsError
from .options import OPTIONS, nearest, option_rows, usage
from .parsing import How, parse_words, split_line
from .render import Card, Table, show
from .secret import parse_key
from .settings import FIELDS, MODES
from .units import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session

__all__ = ["COMMANDS", "Command", "run_command"]

_ASK_S = 15.0


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `%ollama`: its arguments, its help text, the function that runs it, and what Tab completes."""

    name: str
    arguments: str
    help: str
    run: Callable[[Session, list[str]], Table | Card | str] | None = None
    """None for a command that displays its own output, by `shows`."""
    shows: Callable[[Session, list[str], Any], None] | None = None
    words: Callable[[], tuple[str, ...]] = tuple
    takes_model: bool = False
    takes_options: bool = False
    takes_thread: bool = False


def run_command(session: Session, line: str, shell: Any) -> None:
    """Run the command in `line` ("" for the status card) and show its result.

    Raises SettingsError for an unknown command, with the nearest name.
    """
    words = split_line(line) or ["status"]
    name = SYNONYMS.get(words[0], words[0])
    command = COMMANDS.get(name)
    if command is None:
        raise SettingsError(
            f"%ollama: there is no command {without_credentials(words[0])!r}{nearest(words[0], COMMANDS)}",
            hint=f"Commands: {', '.join(COMMANDS)}. A prompt goes into a cell that begins with %%ollama.",
        )
    if command.run is not None:
        show(shell, command.run(session, words[1:]))
    elif command.shows is not None:
        command.shows(session, words[1:], shell)


def _status(session: Session, words: list[str]) -> Card:
    _none_after("status", words)
    return status.card(session)


def _fix(session: Session, words: list[str], shell: Any) -> None:
    from .fixing import fix

    fix(session, words, shell)


def _use(session: Session, words: list[str]) -> str:
    if not words:
        settings = session.settings()
        if settings.model:
            return f"Model: {settings.model} ({settings.origin('model')}). Change it with %ollama use MODEL."
        return "No model is named: one in memory answers, else the newest. Name one: %ollama use MODEL"
    parsed = parse_words(words)
    if parsed.how != How():
        raise SettingsError(
            "%ollama use: only settings can be kept, and that belongs to one cell",
            hint="Put it on the cell's first line.",
        )
    settings = session.set(**parsed.values)
    told = ", ".join(f"{name} = {settings.host if name == 'host' else v}" for name, v in parsed.values.items())
    return f"For this kernel: {told}."


def _mode(session: Session, words: list[str]) -> str:
    if len(words) > 1:
        raise SettingsError(f"%ollama mode: one word, not {len(words)}", hint=f"One of {', '.join(MODES)}, auto.")
    if words:
        session.set(mode=None if words[0] == "auto" else words[0])
    return status.mode_line(session.settings())


def _config(session: Session, words: list[str]) -> Table:
    if not words:
        rows = session.settings().rows()
        return Table(
            ("setting", "value", "from"),
            rows,
            title="Settings",
            note="Change one for this kernel: %ollama config NAME VALUE; forget it: %ollama config NAME default.",
        )
    known = {field.name: field for field in FIELDS}
    if words[0] not in known:
        word = without_credentials(words[0])
        raise SettingsError(
            f"%ollama config: no setting {word!r}{nearest(word, known)}", hint=f"Settings: {', '.join(known)}."
        )
    if len(words) > 1:
        if words[0] == "key":
            raise SettingsError(
                "%ollama config: a key typed here would be saved in the notebook",
                hint="Use `%ollama login` (hidden prompt) or set OLLAMA_API_KEY. Delete the key from this cell.",
            )
        session.set(**{words[0]: None if words[1] == "default" else " ".join(words[1:])})
    rows = [row for row in session.settings().rows() if row[0] == words[0]]
    return Table(("setting", "value", "from"), rows, note=known[words[0]].help)


def _login(session: Session, words: list[str]) -> str:
    if words:
        raise SettingsError(
            "%ollama login takes nothing behind it: a key typed here would be saved in the notebook",
            hint="Run `%ollama login` alone and type the key at the hidden prompt. If there is a real key in this cell,"
            " delete it and make a new one.",
        )
    from getpass import getpass

    try:
        typed = getpass("Ollama API key (hidden, kept in memory only): ").strip()
    except (EOFError, RuntimeError, NotImplementedError) as error:
        raise SettingsError(
            f"%ollama login: this front end cannot ask for a key ({type(error).__name__})",
            hint="Set OLLAMA_API_KEY in the environment or in a .env file instead.",
        ) from None
    if not typed:
        return "No key was typed; nothing has changed."
    key = parse_key(typed)
    models = bridge.shared().run(session.check_key(key), _ASK_S)
    settings = session.set(key=key)
    advice = (
        "" if settings.mode == "cloud" else " Cells go to the cloud after %ollama mode cloud, or with --mode cloud."
    )
    return f"The key works for {counted(len(models), 'cloud model')}. It is kept in this kernel's memory only.{advice}"


def _logout(session: Session, words: list[str]) -> str:
    _none_after("logout", words)
    settings = session.set(key=None)
    if settings.key:
        return f"This kernel has forgotten its key. Another one is still set ({settings.origin('key')})."
    return "This kernel has forgotten the key."


def _help(session: Session, words: list[str]) -> Table:
    if not words:
        commands = [(f"%ollama {c.name} {c.arguments}".strip(), c.help) for c in COMMANDS.values()]
        return Table(
            ("write", "what it does"),
            [("%%ollama [MODEL] [options]", "the cell's body is the prompt"), *option_rows(), *commands],
            title="ollama_magic",
        )
    word = words[0]
    for option in OPTIONS:
        if word in option.flags or f"--{word}" in option.flags:
            return Table(("write", "what it does"), option_rows([option]))
    if word in COMMANDS:
        command = COMMANDS[word]
        return Table(("write", "what it does"), [(f"%ollama {command.name} {command.arguments}".strip(), command.help)])
    known = [*COMMANDS, *(flag for option in OPTIONS for flag in option.flags)]
    raise SettingsError(f"%ollama help: nothing is called {word!r}{nearest(word, known)}", hint=usage())


def _panel(session: Session, words: list[str], shell: Any) -> None:
    from .panels import open_panel

    _none_after("panel", words)
    open_panel(session, shell)


def _none_after(name: str, words: list[str]) -> None:
    if words:
        raise SettingsError(f"%ollama {name} takes nothing behind it, not {words[0]!r}", hint="See %ollama help.")


def _setting_names() -> tuple[str, ...]:
    return tuple(field.name for field in FIELDS if field.name != "key")


_ALL = (
    Command("status", "", "mode, server, key, models, embedded engine; with a fix for each problem", _status),
    Command("list", "", "the models of the server in use, and of the cloud where there is a key", listing.list_models),
    Command("ps", "", "the models in memory: how much of each is on the GPU, and for how long", listing.ps),
    Command(
        "show",
        "NAME [template|parameters|system|licence]",
        "the details of a model; with a word, that text in full",
        listing.show,
        words=listing.show_parts,
        takes_model=True,
    ),
    Command(
        "pull",
        "NAME",
        "download a model; interrupt to stop it, pull again to resume",
        shows=managing.pull,
        takes_model=True,
    ),
    Command(
        "rm",
        "NAME [-y]",
        "remove a model from the disk; asks first, unless -y",
        managing.remove_models,
        words=lambda: ("-y",),
        takes_model=True,
    ),
    Command("cp", "SOURCE DESTINATION", "copy a model to another name", managing.copy_model, takes_model=True),
    Command("start", "", "start the Ollama that is installed here, if it is not running", managing.start),
    Command(
        "use",
        "[MODEL] [options]",
        "a model and options for all cells of this kernel",
        _use,
        takes_model=True,
        takes_options=True,
    ),
    Command("mode", "[local|cloud|embedded|auto]", "where cells are sent", _mode, words=lambda: (*MODES, "auto")),
    Command(
        "config",
        "[NAME [VALUE]]",
        "every setting, its value and where it comes from; sets one for this kernel",
        _config,
        words=_setting_names,
    ),
    Command(
        "pick",
        "LETTER",
        "keep this answer of the last comparison; shows the names, and assigns it to --out",
        comparing.pick,
    ),
    Command("diff", "LETTER LETTER", "two answers of the last comparison, word by word", shows=comparing.diff),
    Command(
        "votes",
        "[clear|export FILE]",
        "the scores of models by what you picked, with intervals",
        comparing.votes,
        words=lambda: ("clear", "export"),
    ),
    Command(
        "jobs",
        "[show|stop|wait|code] [N|all]",
        "the cells asked with --bg; shows one again, stops them, waits for them, puts a job's code into the next cell",
        shows=jobs.jobs,
        words=lambda: jobs.WORDS,
    ),
    Command("threads", "", "the conversations of this kernel", keeping.threads),
    Command("history", "[NAME]", "what was said in a conversation", keeping.history, takes_thread=True),
    Command("reset", "[NAME]", "forget a conversation", keeping.reset, takes_thread=True),
    Command(
        "export",
        "[NAME] [FILE]",
        "write a conversation to a .md, .json or .ipynb file",
        keeping.export_thread,
        takes_thread=True,
    ),
    Command("import", "FILE [NAME]", "read a conversation that was exported as .json", keeping.import_thread),
    Command(
        "cache",
        "status|clear|export FILE [--all]|import FILE",
        "the answers kept on disk for replay",
        keeping.cache,
        words=lambda: ("status", "clear", "export", "import"),
    ),
    Command(
        "fix",
        "[--code] [MODEL] [options]",
        "explain the last error; with --code, put a corrected cell below",
        shows=_fix,
        words=lambda: ("--code",),
        takes_model=True,
        takes_options=True,
    ),
    Command("panel", "", "a form for all of this: connection, models, parameters, a conversation", shows=_panel),
    Command("login", "", "ask for a cloud key (hidden), test it, keep it in memory", _login),
    Command("logout", "", "forget the key", _logout),
    Command("help", "[WORD]", "all options and commands, or one", _help, words=lambda: tuple(COMMANDS)),
)

COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}

SYNONYMS = {"ls": "list", "models": "list", "settings": "config", "model": "use", "error": "fix"}
SYNONYMS |= {"delete": "rm", "remove": "rm", "copy": "cp"}
"""Equivalent words of other magics and of the ollama command line."""
