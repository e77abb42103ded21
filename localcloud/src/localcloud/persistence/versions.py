"""Which versions wrote a state. Pickled objects of moto are read by the very version that wrote them, or not at all."""

from __future__ import annotations

import platform
from importlib.metadata import version

from localcloud.persistence.book import Book
from localcloud.persistence.errors import StateUnusable

FORMAT = "3"


def current() -> dict[str, str]:
    """What a state written now is noted with."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"format": FORMAT, "moto": version("moto"), "localcloud": version("localcloud"), "python": python}


def check(book: Book) -> None:
    """Note the versions in an empty book.

    Raises
    ------
    StateUnusable
        The book was written by a different format, moto or Python. The local cloud's own version may differ.
    """
    now = current()
    if book.fact("format") is None:
        book.note(**now)
        return
    differing = [name for name in ("format", "moto", "python") if book.fact(name) != now[name]]
    if differing:
        told = ", ".join(f"{name} {book.fact(name)} (here it is {now[name]})" for name in differing)
        raise StateUnusable(
            f"it was written with {told}. Install that again to go on with it, or forget it and deploy anew"
        )
    book.note(localcloud=now["localcloud"])
