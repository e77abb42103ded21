"""Output of commands: data to stdout, everything else to stderr, and nothing that moves without a terminal."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from headwater.errors import Refused

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding

    from headwater.cli.render.grid import Grid

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """The answer of a command, for machines and for people."""

    data: Any
    """Plain values, or values of the domain: ``--json`` prints them in one line."""
    show: Callable[[Console], None] | None = None
    """Prints it for people on the console of stdout; by default nothing is printed."""
    exit_code: int = 0
    """The exit code once the answer is printed: 1 if the command found a fault."""


def answered(found: T, show: Callable[[Console, T], None], *, nothing: str = "") -> Answer:
    """An answer whose data ``show`` prints for people. If nothing was found, ``nothing`` says so or what to do."""
    if nothing and not found:
        note(nothing)
        return Answer(found)
    return Answer(found, lambda console: show(console, found))


def listed(columns: Sequence[str], rows: Sequence[Sequence[object]], data: Any = None, *, nothing: str = "") -> Answer:
    """An answer that is a table, and for people nothing but the note ``nothing`` if there are no rows.

    ``data`` is the JSON; by default an object for each row, by the columns' names.
    """
    if nothing and not rows:
        note(nothing)
    if data is None:
        data = [dict(zip(columns, row, strict=True)) for row in rows]
    return Answer(data, lambda console: console.print(table(columns, rows)) if rows else None)


def as_json(data: Any) -> str:
    """One line of JSON; times become ISO 8601, values of the domain their fields.

    Where it has characters that a terminal would obey, or halves of a surrogate pair, all but ASCII is escaped.
    """
    text = json.dumps(data, default=_plain, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(data, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return str(value)


def is_terminal(stream: Any = None) -> bool:
    """Whether a person watches: a terminal that can redraw a line, and no CI."""
    stream = stream or sys.stderr
    return bool(stream.isatty()) and os.environ.get("TERM", "") != "dumb" and not os.environ.get("CI")


@cache
def _console(stderr: bool, _stream: int) -> Console:
    from rich.console import Console
    from rich.text import Text

    class Harmless(Console):
        """A console on which no text of strangers moves the cursor, or names the window."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(harmless(text), **options)

    # A name may hold what Rich takes for markup or a smiley, and is printed as it is. Without a terminal wide
    # enough that no table is cut: the reader is grep or a log.
    is_screen = (sys.stderr if stderr else sys.stdout).isatty()
    return Harmless(
        stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=not is_screen,
        width=None if is_screen else 200,
    )  # fmt: skip


def data_console() -> Console:
    """Where data goes: stdout."""
    return _console(False, id(sys.stdout))


def note_console() -> Console:
    """Where everything else goes: stderr."""
    return _console(True, id(sys.stderr))


def note(message: str) -> None:
    """Say something beside the data."""
    # A path is copied whole.
    note_console().print(message, soft_wrap=True)


def confirm(question: str, yes: bool) -> None:
    """Go on if a person says so, or was told to ask nobody; raises `typer.Abort` if not."""
    # Without a terminal nobody can answer: a script that got this far means it.
    if not yes and is_terminal() and sys.stdin.isatty():
        import typer

        if not typer.confirm(question, err=True):
            raise typer.Abort


def insist(question: str, yes: bool, instead: str) -> None:
    """Go on if a person says so; unlike `confirm` a script must say ``--yes``, as what follows can't be undone.

    Raises
    ------
    Refused
        There is no terminal to ask at, and nobody said ``--yes``. ``instead`` is a command that does no harm.
    """
    if yes:
        return
    if not (is_terminal() and sys.stdin.isatty()):
        raise Refused(
            f"{question} There is no terminal to ask at, so nothing was done.",
            next_steps=["say --yes to do it", instead],
        )
    confirm(question, yes)


def harmless(text: str) -> str:
    """Text in which what a terminal would obey, such as a colour that somebody put into a reason, is escaped.

    Line breaks and tabs stay, as does everything that people write.
    """
    if text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if unicodedata.category(one) == "Cc" and one not in "\n\t" else one
        for one in text
    )


def visible(text: str) -> str:
    """Text of strangers on one line: what a terminal would obey, or nobody would see, is escaped as Python does."""
    return "".join(one if one.isprintable() and one != "\\" else one.encode("unicode_escape").decode() for one in text)


NAMED = 32
"""Letters up to which what a row is about is kept in one piece."""


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, whole: Sequence[str] = ()
) -> Grid:
    """A table in the house's look: no frame, so that it can be cut and pasted; numbers to the right.

    Where the terminal is narrow cells are broken between words, but for those of the first column, which says what a
    row is about, and of the columns in ``whole``. Where even words don't fit, a row becomes a block of lines.
    """
    from rich.text import Text

    from headwater.cli.render.grid import Grid

    rows = [list(row) for row in rows]
    return Grid(
        columns=columns,
        rows=[[cell if isinstance(cell, Text) else Text(harmless(show(cell))) for cell in row] for row in rows],
        numbers=[
            bool(rows) and all(isinstance(row[place], int | float) for row in rows) for place in range(len(columns))
        ],
        whole=[
            name in whole or (place == 0 and all(len(show(row[0])) <= NAMED for row in rows))
            for place, name in enumerate(columns)
        ],
        title=title,
    )


def indented(words: str, by: int = 4) -> Padding:
    """Words whose every line begins further right, for what is said of the line above."""
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(words), (0, 0, 0, by), expand=False)


def show(value: object) -> str:
    """A value as people read it: nothing for None, four digits of a fraction, seconds of a time."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
