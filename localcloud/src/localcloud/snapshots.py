"""Named copies of a local cloud's state, to come back to: ``localcloud snapshot``.

A snapshot is a folder like the state itself, beside it. Large contents are hard links to the same files, which never
change, so that a snapshot takes a moment and little room.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud import daemon
from localcloud.daemon import LocalCloudError
from localcloud.persistence.book import Book
from localcloud.persistence.errors import StateUnusable

_FOLDER, _SAVED_AT = "snapshots", "saved_at"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Snapshot:
    """A state that was saved.

    Attributes
    ----------
    name : str
    saved_at : datetime
        In UTC.
    size : int
        Bytes that it refers to; what several snapshots and the state have in common is on disk once.
    """

    name: str
    saved_at: datetime
    size: int

    def data(self) -> dict[str, Any]:
        """In plain values."""
        return {"name": self.name, "saved_at": self.saved_at.isoformat(), "bytes": self.size}


def save(directory: Path, name: str, *, replace: bool = False) -> Snapshot:
    """Keep the state of the cloud of ``directory`` under a name, whether it runs or not; a running one goes on.

    What is under way at that moment (an execution, a delivery) starts again when the snapshot is restored.

    Parameters
    ----------
    directory : Path
        That of `daemon.up`.
    name : str
        Letters, digits, ``.``, ``_`` and ``-``.
    replace : bool
        Whether an earlier snapshot of that name gives way.

    Raises
    ------
    LocalCloudError
        The name is taken or can't be one, there is no state, or it can't be copied.
    """
    directory, to = directory.resolve(), _path(directory, name)
    if to.exists() and not replace:
        raise LocalCloudError(
            "snapshot_exists", f"there is a snapshot {name!r} already", "Say --replace, or choose another name"
        )
    if daemon.kept(directory) is None:
        raise LocalCloudError("no_state", "the local cloud keeps nothing yet", "Start it: {command} up")
    draft = to.with_name(f".{name}.saving")
    daemon.discard(draft)
    try:
        if (running := daemon.status(directory)) is not None:
            running.copy_state(draft)
        else:
            _copy(directory / daemon.STATE, draft)
        _copy_address(directory / daemon.STATE, draft)
        (draft / _SAVED_AT).write_text(datetime.now(UTC).isoformat())
        daemon.discard(to)
        draft.rename(to)
    except (OSError, StateUnusable) as error:
        raise LocalCloudError("not_saved", f"the state can't be saved: {error}", "Nothing was changed") from error
    finally:
        daemon.discard(draft)
    return _snapshot(to)


def restore(directory: Path, name: str) -> Snapshot:
    """Let the state of ``directory`` be what was saved; a cloud that runs is stopped, and what it had is forgotten.

    Raises
    ------
    LocalCloudError
        There is no such snapshot, or it can't be read; the state is what it was.
    """
    directory = directory.resolve()
    found = _existing(directory, name)
    state = directory / daemon.STATE
    fresh = directory / f"{daemon.STATE}.restored"
    daemon.discard(fresh)
    try:
        _copy(found, fresh)
        _copy_address(found, fresh)
    except (OSError, StateUnusable) as error:
        daemon.discard(fresh)
        raise LocalCloudError(
            "not_restored", f"the snapshot {name!r} can't be read: {error}", "Nothing was changed"
        ) from error
    daemon.stop(directory)
    daemon.discard(state)
    fresh.rename(state)
    return _snapshot(found)


def saved(directory: Path) -> list[Snapshot]:
    """The snapshots, oldest first."""
    folder = directory.resolve() / _FOLDER
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(map(_snapshot, found), key=lambda snapshot: (snapshot.saved_at, snapshot.name))


def delete(directory: Path, name: str) -> None:
    """Forget a snapshot; raises `LocalCloudError` if there is none of that name."""
    daemon.discard(_existing(directory.resolve(), name))


def _path(directory: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise LocalCloudError(
            "bad_name",
            f"{name!r} can't be the name of a snapshot",
            "A name has up to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit",
        )
    return directory / _FOLDER / name


def _existing(directory: Path, name: str) -> Path:
    path = _path(directory, name)
    if not path.is_dir():
        names = ", ".join(snapshot.name for snapshot in saved(directory))
        raise LocalCloudError(
            "no_snapshot",
            f"there is no snapshot {name!r}",
            f"There are: {names}" if names else "Save one: {command} snapshot save NAME",
        )
    return path


def _copy(state: Path, to: Path) -> None:
    book = Book(state)
    try:
        book.blobs.check(book.referred())
        book.copy(to)
    finally:
        book.close()


def _copy_address(state: Path, to: Path) -> None:
    for name in (daemon.PORT, daemon.REGION):
        shutil.copy2(state / name, to / name)


def _snapshot(path: Path) -> Snapshot:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Snapshot(path.name, datetime.fromisoformat((path / _SAVED_AT).read_text()), size)
