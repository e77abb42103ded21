"""Large values (bodies of objects, zips of functions) as files, each named by the SHA-256 of its content."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from localcloud.persistence.errors import StateUnusable

LARGE = 16_384
"""Values of at least this many bytes get a file; smaller ones stay with what refers to them."""
_YOUNG_SECONDS = 600.0


class Blobs:
    """A folder of immutable files. A file that is there is complete: it is renamed into place.

    Parameters
    ----------
    directory : Path
        Made if it isn't there; only its owner may read it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._unsynced: set[Path] = set()

    def put(self, data: bytes) -> str:
        """Keep ``data``; its name."""
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        with suppress(FileNotFoundError):
            os.utime(path)  # young again: whoever puts it refers to it in a moment
            return name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{uuid.uuid4().hex}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        draft.replace(path)
        self._unsynced.add(path)
        return name

    def get(self, name: str) -> bytes:
        """The content of a blob.

        Raises
        ------
        StateUnusable
            The file is gone, or isn't what its name says.
        """
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise StateUnusable(f"the file {path} is missing") from None
        if hashlib.sha256(data).hexdigest() != name:
            raise StateUnusable(f"the file {path} is damaged: its content doesn't have the SHA-256 in its name")
        return data

    def part(self, name: str, start: int, size: int) -> bytes:
        """Up to ``size`` bytes of a blob from ``start``, as they are on the disk: `get` checks the whole content.

        Raises
        ------
        StateUnusable
            The file is gone.
        """
        try:
            with self._path(name).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError:
            raise StateUnusable(f"the file {self._path(name)} is missing") from None

    def check(self, names: AbstractSet[str]) -> None:
        """Raise `StateUnusable` if one of ``names`` has no file."""
        missing = sorted(names - self.names())
        if missing:
            path = self._path(missing[0])
            raise StateUnusable(f"{len(missing)} of {len(names)} files are missing, the first is {path}")

    def link(self, names: AbstractSet[str], to: Path) -> None:
        """Let another folder have blobs, too, as hard links where the file system can: no blob ever changes."""
        for name in names:
            path = to / name[:2] / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                path.hardlink_to(self._path(name))
            except FileNotFoundError:
                raise StateUnusable(f"the file {self._path(name)} is missing") from None
            except OSError:
                shutil.copy2(self._path(name), path)

    def names(self) -> set[str]:
        """All that are there."""
        return {path.name for path in self.directory.glob("??/*") if len(path.name) == 64}

    def sync(self) -> None:
        """Bring what was put so far through to the disk (fsync)."""
        paths, self._unsynced = self._unsynced, set()
        for path in paths:
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def forget(self, wanted: AbstractSet[str], *, also_young: bool = False) -> int:
        """Delete what nobody wants; the bytes that this freed.

        A young file may belong to a call that is being answered, so only ``also_young`` deletes it.
        """
        freed, now = 0, time.time()
        for path in self.directory.glob("??/*"):
            with suppress(FileNotFoundError):
                found = path.stat()
                if path.name not in wanted and (also_young or now - found.st_mtime > _YOUNG_SECONDS):
                    path.unlink()
                    freed += found.st_size
        return freed

    def _path(self, name: str) -> Path:
        return self.directory / name[:2] / name


class Body:
    """Bytes that moto would hold in memory: an object of S3 (up to 16 MB each there), a function's zip.

    A large content is a blob, read when somebody asks for it.
    """

    def __init__(self, blobs: Blobs, data: bytes = b"", name: str = "") -> None:
        self._blobs, self._data, self.name = blobs, data, name
        self._at = 0

    @property
    def inline(self) -> bytes:
        """The content, if it is no blob."""
        return self._data

    def seek(self, at: int) -> int:
        """Read on from ``at``."""
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        """What follows."""
        if self.name and size >= 0 and self._at:
            part = self._blobs.part(self.name, self._at, size)  # whoever reads on has read the checked beginning
        else:
            data = self._blobs.get(self.name) if self.name else self._data
            part = data[self._at :] if size < 0 else data[self._at : self._at + size]
        self._at += len(part)
        return part

    def truncate(self) -> int:
        """Forget what lies behind the place that was sought."""
        if self._at or not self.name:
            self.seek(0)
            self._data = (self._blobs.get(self.name) if self.name else self._data)[: self._at]
        else:
            self._data = b""
        self.name = ""
        return len(self._data)

    def write(self, data: bytes) -> int:
        """Append ``data``."""
        whole = self.read_all() + bytes(data) if self.name or self._data else bytes(data)
        if len(whole) >= LARGE:
            self.name, self._data = self._blobs.put(whole), b""
        else:
            self.name, self._data = "", whole
        return len(data)

    def read_all(self) -> bytes:
        """The whole content."""
        self.seek(0)
        return self.read()

    def __deepcopy__(self, _: object) -> Body:
        """Another one with the same content: blobs don't change."""
        return Body(self._blobs, self._data, self.name)

    def close(self) -> None:
        """Nothing is open between two reads."""
