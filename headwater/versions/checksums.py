"""Checksums as S3 writes them, of bytes that are here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

SHA256, CRC64NVME = "SHA256", "CRC64NVME"
TRUSTED = (SHA256, CRC64NVME)
"""Algorithms whose value stands for an object's bytes. A 32-bit sum doesn't, and an ETag is no checksum at all."""
PART_BYTES = 64 * 1024 * 1024
"""Larger files are uploaded in parts of this size."""
_CHUNK = 1 << 20


class _State(Protocol):
    def update(self, data: bytes, /) -> Any: ...

    def digest(self) -> bytes: ...


def start(algorithm: str) -> _State:
    """A sum that hasn't seen anything yet."""
    return hashlib.sha256() if algorithm == SHA256 else Crc64Nvme()


def text(digest: bytes) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(digest).decode()


def of(chunks: Iterable[bytes], algorithm: str = SHA256) -> str:
    """The checksum of a stream."""
    state = start(algorithm)
    for chunk in chunks:
        state.update(chunk)
    return text(state.digest())


def of_parts(digests: Iterable[bytes]) -> str:
    """The composite checksum of an object that was uploaded in parts, from the SHA-256 of each."""
    found = list(digests)
    return f"{text(hashlib.sha256(b''.join(found)).digest())}-{len(found)}"


def parts(checksum: str) -> int | None:
    """How many parts a composite checksum is made of; None if it is of the whole object."""
    _, dash, count = checksum.rpartition("-")
    return int(count) if dash else None


def file_matches(path: Path, size: int, checksum: str, algorithm: str) -> bool:
    """Whether a file holds those bytes. A composite checksum is understood if its parts have the size we upload."""
    if path.stat().st_size != size:
        return False
    if parts(checksum) is None:
        return of(chunks(path), algorithm) == checksum
    return of_parts(hashlib.sha256(part).digest() for part in file_parts(path)) == checksum


def chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes, a megabyte at a time."""
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


def file_parts(path: Path) -> Iterator[bytes]:
    """A file's bytes in the parts that it is uploaded in."""
    with path.open("rb") as file:
        yield from iter(lambda: file.read(PART_BYTES), b"")


class Crc64Nvme:
    """CRC-64/NVME, S3's default checksum: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html.

    In plain Python, for boto3 has it only with awscrt; about ten megabytes a second.
    """

    def __init__(self) -> None:
        self._value = 0xFFFF_FFFF_FFFF_FFFF
        self._update = _native()

    def update(self, data: bytes, /) -> None:
        """See more bytes."""
        if self._update is not None:
            self._value = self._update(data, self._value ^ 0xFFFF_FFFF_FFFF_FFFF) ^ 0xFFFF_FFFF_FFFF_FFFF
            return
        value, table = self._value, _table()
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def digest(self) -> bytes:
        """Eight bytes, the highest first."""
        return (self._value ^ 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big")


@cache
def _native() -> Callable[[bytes, int], int] | None:
    try:
        from awscrt.checksums import crc64nvme
    except ImportError:
        return None
    native: Callable[[bytes, int], int] = crc64nvme
    return native


@cache
def _table() -> tuple[int, ...]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x9A6C_9329_AC4B_C9B5 if value & 1 else 0)
        made.append(value)
    return tuple(made)
