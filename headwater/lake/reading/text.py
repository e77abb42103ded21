"""A file's bytes as text in the encoding that its source declares, and which other encoding it seems to be in."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from headwater.lake.errors import FileRefused

_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARK = "\ufeff"
BLOCK = 1 << 20


def open_bytes(path: Path, *, gzipped: bool) -> IO[bytes]:
    """The file's bytes as they were before they were packed."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if gzipped else path.open("rb")


def open_text(path: Path, encoding: str, *, gzipped: bool) -> IO[str]:
    """The file's text, line ends as they are, without a byte order mark.

    Raises
    ------
    FileRefused
        The file begins with the mark of another encoding.
    """
    refuse_other_mark(path, encoding, gzipped=gzipped)
    return io.TextIOWrapper(
        io.BufferedReader(cast("io.RawIOBase", open_bytes(path, gzipped=gzipped)), BLOCK),
        encoding=encoding,
        errors="strict",
        newline="",
    )


def without_mark(lines: Iterator[str]) -> Iterator[str]:
    """Lines without the byte order mark before the first."""
    for first in lines:
        yield first.removeprefix(_MARK)
        break
    yield from lines


def is_utf8(encoding: str) -> bool:
    """Whether the encoding is UTF-8, by any of its names."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def refuse_other_mark(path: Path, encoding: str, *, gzipped: bool) -> None:
    """Raise `FileRefused` if the file's byte order mark is another encoding's than ``encoding``."""
    with open_bytes(path, gzipped=gzipped) as file:
        first = file.read(4)
    declared = codecs.lookup(encoding).name.replace("utf-8-sig", "utf-8")
    for mark, name in _BOMS.items():
        if first.startswith(mark):
            if not declared.startswith(name):
                raise FileRefused(
                    f"can't be read as {declared}: its byte order mark says {name}: declare encoding={name!r}"
                )
            return


def likely_encoding(path: Path, *, gzipped: bool) -> str:
    """The encoding that a file's mark tells; UTF-8 if all of it is that; else the one that it looks like."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path, gzipped=gzipped) as file:
        while block := file.read(BLOCK):
            if file.tell() <= BLOCK:
                for mark, name in _BOMS.items():
                    if block.startswith(mark):
                        return name
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return _likely(block)
    return "utf-8"


def _likely(data: bytes) -> str:
    """The encoding that bytes which aren't UTF-8 look like."""
    if data[:BLOCK].count(0) * 4 > len(data[:BLOCK]):
        return "utf-16-le"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def wrong_byte(error: UnicodeDecodeError, encoding: str) -> str:
    """The words for a byte that can't be decoded: ``byte 0xE9: the file isn't UTF-8; it looks like cp1252: ...``."""
    byte = error.object[error.start] if error.start < len(error.object) else 0
    declared = codecs.lookup(encoding).name
    name = declared.upper() if declared.startswith("utf") else declared
    words = f"byte 0x{byte:02X}: the file isn't {name}"
    if is_utf8(encoding):
        like = _likely(error.object)
        return f"{words}; it looks like {like.removesuffix('-le')}: declare encoding={like!r}"
    return f"{words} as its source declares"


def row_of_wrong_byte(path: Path, encoding: str, *, gzipped: bool, lines_before: int) -> FileRefused:
    """The refusal of a file that can't be decoded: which byte, in which row, and what to declare.

    ``lines_before`` are the lines before the first row.
    """
    with open_bytes(path, gzipped=gzipped) as file:
        for number, line in enumerate(file):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                where = f"in row {number - lines_before + 1}" if number >= lines_before else "in the header"
                told = wrong_byte(error, encoding)
                return FileRefused(f"can't be read: {told.replace(':', f' {where}:', 1)}")
    return FileRefused(f"can't be read: the file isn't {encoding} as its source declares")
