"""Uploads a folder's files that a tree lacks, and checks out a tree's files that a folder lacks."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from headwater.versions import checksums
from headwater.versions.errors import Corrupt, InvalidFolder, LocalChanges, UnsafePath
from headwater.versions.staging import Progress
from headwater.versions.store import Objects, ordered
from headwater.versions.tree import Edit
from headwater.versions.types import LARGEST_PATH, Entry
from headwater.versions.verifying import checksum_of

STATE = ".headwater-checkout.json"
"""The file in the folder that lists the last checkout's files."""
SHOWN = 5
_LONGEST_NAME = 255


class Sent(NamedTuple):
    """Result of an upload."""

    edits: list[Edit]
    staged: list[Edit]
    """The files that changed the branch's place."""


class CheckedOut(NamedTuple):
    """Result of a checkout."""

    commit: str
    written: int
    removed: int
    kept: int
    """Files that were right already."""


def stage(objects: Objects, place: str, path: str, file: Path) -> Entry:
    """Upload one file to a branch's place."""
    objects.check_versioned(objects.bucket)
    prefix = place.partition("/")[2]
    if not path or len((prefix + path).encode("utf-8", "surrogatepass")) > LARGEST_PATH:
        raise InvalidFolder(
            f"{path[:80]!r}…: its key {prefix}… is longer than the {LARGEST_PATH} bytes that S3 allows, or empty"
        )
    if not file.is_file():
        raise InvalidFolder(f"{file} is no file")
    return objects.put(place, path, file)


def upload(
    objects: Objects, known: Iterable[Entry], place: str, folder: Path, delete: bool, progress: Progress
) -> Sent:
    """Upload the files of ``folder`` whose bytes the tree ``known`` lacks."""
    if not folder.is_dir():
        raise InvalidFolder(f"{folder} is no folder")
    files = dict(_files(folder))
    same, gone = set(), []
    for entry in known:
        file = files.get(entry.path)
        if file is None:
            gone.append(entry.path)
        elif checksums.file_matches(file, *entry.content[:1], entry.checksum, entry.algorithm):
            same.add(entry.path)

    def send(path: str) -> Edit:
        return path, stage(objects, place, path, files[path])

    sent = []
    progress(len(same))
    for edit in ordered(send, sorted(files.keys() - same)):
        sent.append(edit)
        progress(1)
    return Sent(sent + [(path, None) for path in gone if delete], sent)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_symlink():
            raise InvalidFolder(f"{file} is a link: upload what it leads to, or take it away")
        if not file.is_file() or path == STATE:
            continue
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise InvalidFolder(f"{path!r}: a file's name that isn't UTF-8 can't be a key in S3") from error
        yield path, file


def checkout(
    objects: Objects, dataset: str, commit: str, entries: Iterable[Entry], folder: Path, force: bool, progress: Progress
) -> CheckedOut:
    """Make ``folder`` hold ``entries``; see `Dataset.checkout`."""
    folder.mkdir(parents=True, exist_ok=True)
    known = _read_state(folder, dataset)
    wanted = [entry for entry in entries if not _is_folder_mark(entry)]
    targets = _targets(folder, wanted)
    # All checks come before the first write.
    due = [entry for entry in wanted if not _holds(targets[entry.path], entry, known.get(entry.path))]
    paths = {entry.path for entry in wanted}
    old = [path for path in known if path not in paths and _target(folder, path).exists()]
    _check_links(folder, due)
    if not force:
        _check_unchanged(folder, due, old, known)

    def write(entry: Entry) -> Entry:
        _fetch(objects, entry, folder, targets[entry.path])
        progress(1)
        return entry

    progress(len(wanted) - len(due))
    # Removed files make room first: a file may have become a folder.
    for path in old:
        _remove(folder, _target(folder, path))
    written = sum(1 for _ in ordered(write, due))
    state = {entry.path: [list(entry), *_stamp(targets[entry.path])] for entry in wanted}
    _write_state(folder, {"dataset": dataset, "commit": commit, "files": state})
    return CheckedOut(commit, written, len(old), len(wanted) - written)


def _is_folder_mark(entry: Entry) -> bool:
    return entry.path.endswith("/") and entry.size == 0


def _targets(folder: Path, wanted: Iterable[Entry]) -> dict[str, Path]:
    """The file that each path becomes.

    Raises
    ------
    UnsafePath
        A path leads out of the folder, can't be a file's name, or is a folder of another one.
    """
    targets, unsafe = {}, []
    for entry in wanted:
        if (problem := _problem(entry.path)) is not None:
            unsafe.append(f"{entry.path[:80]!r} {problem}")
        else:
            targets[entry.path] = _target(folder, entry.path)
    unsafe += [
        f"{path[:80]!r} lies below another path"
        for path in targets
        if any(parent in targets for parent in _parents(path))
    ]
    if unsafe:
        raise UnsafePath(
            f"{len(unsafe)} paths can't be files in {folder}: {'; '.join(unsafe[:SHOWN])}; nothing was written",
            next_steps=["headwater data cat DATASET PATH prints the file of any path"],
        )
    return targets


def _problem(path: str) -> str | None:
    names = path.split("/")
    if "\0" in path:
        return "holds NUL"
    if any(name in {"", ".", ".."} for name in names):
        return "has an empty part, . or .."
    if any(len(name.encode()) > _LONGEST_NAME for name in names):
        return f"has a part longer than {_LONGEST_NAME} bytes"
    if os.name == "nt" and any(character in path for character in '\\:*?"<>|'):  # pragma: no cover
        return "holds a character that Windows keeps for itself"
    if names[0] == STATE:
        return "is the name of the checkout's own state"
    return None


def _parents(path: str) -> Iterator[str]:
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)


def _target(folder: Path, path: str) -> Path:
    return folder.joinpath(*path.split("/"))


def _holds(target: Path, entry: Entry, known: list[Any] | None) -> bool:
    """Whether a file has the entry's bytes: by its stamp if the last checkout wrote it, else by its checksum."""
    if target.is_symlink() or not target.is_file():
        return False
    if known is not None and known[1:] == _stamp(target):
        # The same bytes under another pin are right as well.
        return Entry(*known[0]).content == entry.content
    return checksums.file_matches(target, entry.size, entry.checksum, entry.algorithm)


def _check_links(folder: Path, due: Iterable[Entry]) -> None:
    """Raise `UnsafePath` if a parent folder is a link: files are never written through links."""
    looked: set[str] = set()
    for entry in due:
        for parent in _parents(entry.path):
            if parent not in looked and _target(folder, parent).is_symlink():
                raise UnsafePath(
                    f"{_target(folder, parent)} is a link, and files of the dataset belong below; nothing was written"
                )
            looked.add(parent)


def _check_unchanged(folder: Path, due: Iterable[Entry], old: Iterable[str], known: Mapping[str, list[Any]]) -> None:
    changed = []
    going = {_target(folder, path) for path in old}
    for path in [*(entry.path for entry in due), *old]:
        target = _target(folder, path)
        if not os.path.lexists(target):
            continue
        if target.is_dir() and not target.is_symlink() and going.issuperset(_below(target)):
            continue
        if path not in known or target.is_symlink() or not target.is_file() or known[path][1:] != _stamp(target):
            changed.append(path)
    if changed:
        shown = ", ".join(changed[:SHOWN]) + (" …" if len(changed) > SHOWN else "")
        raise LocalChanges(
            f"{len(changed)} files in {folder} aren't what the last checkout wrote: {shown}; nothing was written",
            next_steps=["--force overwrites them"],
        )


def _below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _fetch(objects: Objects, entry: Entry, folder: Path, target: Path) -> None:
    parent = _real_parent(folder, target)
    descriptor, name = tempfile.mkstemp(prefix=".headwater-", dir=parent)
    state = checksums.start(entry.algorithm)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in objects.stream(entry):
                file.write(chunk)
                state.update(chunk)
        if checksums.parts(entry.checksum) is None:
            found = checksums.text(state.digest())
        elif checksums.file_matches(Path(name), entry.size, entry.checksum, entry.algorithm):
            found = entry.checksum
        else:
            # Parts of another size than ours: only S3 knows where they end.
            found = checksum_of(objects, entry)
        if found != entry.checksum:
            raise Corrupt(
                f"s3://{entry.bucket}/{entry.key} version {entry.version_id} has {entry.algorithm} {found}, "
                f"committed was {entry.checksum}"
            )
        Path(name).chmod(0o644)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()  # empty by now, or it is in the way and stays
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _real_parent(folder: Path, target: Path) -> Path:
    """The folder that ``target`` lies in, made if need be: below ``folder`` also when links are followed."""
    home, parent = folder.resolve(), folder
    for name in target.parent.relative_to(folder).parts:
        parent = parent / name
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise UnsafePath(f"{parent} is a link or a file, and files of the dataset belong below it")
        parent.mkdir(exist_ok=True)
    if not parent.resolve().is_relative_to(home):
        raise UnsafePath(f"{parent} leads out of {folder}")
    return parent


def _remove(folder: Path, target: Path) -> None:
    if any(parent.is_symlink() for parent in target.parents if parent != folder and folder in parent.parents):
        raise UnsafePath(f"{target} lies behind a link")
    target.unlink()
    for parent in target.parents:
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()


def _stamp(target: Path) -> list[int]:
    seen = target.stat()
    return [seen.st_size, seen.st_mtime_ns]


def _read_state(folder: Path, dataset: str) -> dict[str, list[Any]]:
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidFolder(f"{folder / STATE} can't be read: {error}; delete it to check out anew") from error
    if state.get("dataset") != dataset:
        raise InvalidFolder(f"{folder} holds dataset {state.get('dataset')!r}, not {dataset!r}: take another folder")
    files: dict[str, list[Any]] = state["files"]
    return files


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".headwater-", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)
    Path(name).replace(folder / STATE)
