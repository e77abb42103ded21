"""Records that Kinesis's producer library (KPL) packed into one.

After https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md: four magic bytes, a message
of Protocol Buffers, its MD5. Its user records may have hash keys that are none of the shard's: KPL sends these again
once it knows of a resharding, and the client library (KCL) drops them; other libraries never send them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST = 16
_PARTITION_KEYS, _HASH_KEYS, _RECORDS = 1, 2, 3
_KEY_INDEX, _HASH_INDEX, _DATA = 1, 2, 3


class Packed(ValueError):
    """A packed record can't be unpacked."""


class Stray(Packed):
    """A packed record has a user record of another shard."""


class HashRange(NamedTuple):
    """The hash keys of a shard, both ends part of it."""

    first: int
    last: int


class UserRecord(NamedTuple):
    """One record of those that were packed."""

    data: bytes
    is_stray: bool
    """Whether its hash key is none of the shard's."""


def unpacked(data: bytes, hashes: HashRange) -> Sequence[UserRecord] | None:
    """The user records of a packed record, in their order; None if it isn't a packed one.

    Raises
    ------
    Packed
        It says that it is packed, and its message is no such one.
    """
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + _DIGEST:
        return None
    body, digest = data[len(MAGIC) : -_DIGEST], data[-_DIGEST:]
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        return None
    partition_keys: list[bytes] = []
    hash_keys: list[bytes] = []
    records: list[bytes] = []
    tables = {_PARTITION_KEYS: partition_keys, _HASH_KEYS: hash_keys, _RECORDS: records}
    for field, value in _fields(body):
        if field in tables and isinstance(value, bytes):
            tables[field].append(value)
    found = (_record(one, partition_keys, hash_keys) for one in records)
    return [UserRecord(data, not hashes.first <= key <= hashes.last) for key, data in found]


def _record(record: bytes, partition_keys: Sequence[bytes], hash_keys: Sequence[bytes]) -> tuple[int, bytes]:
    """Hash key and data of a user record."""
    found = dict(_fields(record))
    index, explicit, data = found.get(_KEY_INDEX), found.get(_HASH_INDEX), found.get(_DATA)
    try:
        if not isinstance(data, bytes) or not isinstance(index, int):
            raise Packed("a packed record has a user record without data or partition key")
        if isinstance(explicit, int):
            return int(hash_keys[explicit].decode()), data
        return int.from_bytes(hashlib.md5(partition_keys[index], usedforsecurity=False).digest()), data
    except (IndexError, UnicodeDecodeError) as error:
        raise Packed(f"a packed record names a key that it doesn't have: {error}") from None


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message of Protocol Buffers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Packed(f"a packed record has a field of the unknown kind {kind}")
        if at + size > len(message):
            raise Packed("a packed record ends within a field")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte, at = message[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Packed("a packed record ends within a number")
