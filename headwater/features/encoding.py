"""An entity's newest row of one view as bytes whose order is the documented one: the newer row is the larger value.

    byte 0            format, 1
    bytes 1 to 8      event time, microseconds since 1970, plus 2^63
    bytes 9 to 16     available time, likewise
    bytes 17 to 20    revision of the data that the row was computed from
    from byte 21      a float32 for each feature in declared order, four bytes each

All numbers are big-endian and unsigned. A float32's bits are turned so that they order as numbers do: all of them
flipped if it is negative, else the sign bit alone; four zero bytes, below the smallest number, are a missing value.
DynamoDB compares Binary byte by byte, unsigned, so ``old < new`` in a condition is the tie rule of
`headwater.features.history`: by event time, then available time, then the values, feature by feature. Between the
times and the values stands the revision, for a correction of the same moment replaces whatever value was there.

The online state is then the maximum of all that was ever written: writing it twice, late or out of order ends the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from headwater.features.errors import InvalidView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
_HEAD = struct.Struct(">BQQI")
HEAD_BYTES, VALUE_BYTES = _HEAD.size, 4
LARGEST_REVISION = 2**32 - 1
EXACT = 2**24
"""Whole numbers up to this are exact in float32."""
LARGEST_ITEM = 400 * 1024
"""DynamoDB's limit for an item, names and values of all its attributes, in bytes."""
MOST_FEATURES = (LARGEST_ITEM - 4096 - HEAD_BYTES) // VALUE_BYTES
"""Of a view that has an item to itself, with room for the longest key."""
_SHIFT = 2**63


class Row(NamedTuple):
    """What is known of an entity; times in microseconds since 1970."""

    event_time: int
    available_time: int
    revision: int
    values: tuple[float | None, ...]
    """Each of float32's precision, in the order in which the view declares its features."""


def single(value: float | None) -> float | None:
    """``value`` in float32's precision; None for what is missing or that float32 can't hold.

    Zero has no sign: -0.0 and 0.0 are the same value to whoever compares, and must be the same bytes.
    """
    if value is None:
        return None
    try:
        found: float = struct.unpack(">f", struct.pack(">f", value))[0]
    except OverflowError:
        return None
    return (found or 0.0) if math.isfinite(found) else None


def pack(row: Row) -> bytes:
    """The bytes of ``row``."""
    head = _HEAD.pack(FORMAT, row.event_time + _SHIFT, row.available_time + _SHIFT, row.revision)
    return head + b"".join(map(_ordered, row.values))


def pack_all(
    event_times: NDArray[np.int64],
    available_times: NDArray[np.int64],
    revision: int,
    values: Sequence[NDArray[np.float64]],
) -> list[bytes]:
    """The bytes of many rows, as `pack` makes them one by one.

    Parameters
    ----------
    event_times, available_times : array of int64, shape (n,)
    revision : int
    values : sequence of arrays of float64, shape (n,)
        One a feature; NaN is missing.
    """
    import numpy as np

    rows = len(event_times)
    width = HEAD_BYTES + VALUE_BYTES * len(values)
    table = np.empty((rows, width), dtype=np.uint8)
    table[:, 0] = FORMAT
    for first, times in ((1, event_times), (9, available_times)):
        # The sign bit flipped: what adding 2^63 comes to.
        shifted = times.astype(">i8").view(">u8") ^ np.uint64(_SHIFT)
        table[:, first : first + 8] = shifted.astype(">u8").view(np.uint8).reshape(rows, 8)
    table[:, 17:21] = np.frombuffer(struct.pack(">I", revision), dtype=np.uint8)
    for number, column in enumerate(values):
        with np.errstate(over="ignore"):
            numbers = column.astype(np.float32) + np.float32(0.0)  # -0.0 becomes 0.0
        bits = numbers.view(np.uint32)
        ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(0x8000_0000))
        ordered = np.where(np.isfinite(numbers), ordered, np.uint32(0))
        first = HEAD_BYTES + VALUE_BYTES * number
        table[:, first : first + VALUE_BYTES] = ordered.astype(">u4").view(np.uint8).reshape(rows, VALUE_BYTES)
    whole = table.tobytes()
    return [whole[start : start + width] for start in range(0, rows * width, width)]


def unpack(value: bytes) -> Row:
    """The row whose bytes ``value`` is.

    Raises
    ------
    ValueError
        Another format, or cut short.
    """
    event, available, revision = times_of(value)
    count = (len(value) - HEAD_BYTES) // VALUE_BYTES
    return Row(event, available, revision, values_of(value, range(count)))


def times_of(value: bytes) -> tuple[int, int, int]:
    """Event time, available time and revision; raises `ValueError` for another format."""
    if len(value) < HEAD_BYTES or value[0] != FORMAT or (len(value) - HEAD_BYTES) % VALUE_BYTES:
        raise ValueError(f"an online value of {len(value)} bytes that begins with {value[:1]!r} isn't of format 1")
    _, event, available, revision = _HEAD.unpack_from(value)
    return event - _SHIFT, available - _SHIFT, revision


def values_of(value: bytes, positions: Sequence[int]) -> tuple[float | None, ...]:
    """The features at ``positions``; None where missing."""
    count = (len(value) - HEAD_BYTES) // VALUE_BYTES
    layout, mask = _layout(count)
    ordered = int.from_bytes(value[HEAD_BYTES:], "big")
    # All values turned back at once: where the sign bit is clear the number was negative (or missing, which comes out
    # as a NaN) and all bits are flipped, elsewhere the sign bit alone. 0x7FFFFFFF carries into no neighbour.
    negative = (mask & ~ordered) >> 31
    bits = ordered ^ (mask | negative * 0x7FFF_FFFF)
    numbers = layout.unpack(bits.to_bytes(VALUE_BYTES * count, "big"))
    return tuple([number if (number := numbers[place]) == number else None for place in positions])


def check_size(view: str, features: int) -> None:
    """Raise `InvalidView` if no item could hold that many features."""
    if features > MOST_FEATURES:
        raise InvalidView(
            f"feature view {view!r} has {features:,} features; an online item holds {MOST_FEATURES:,} at most "
            f"(DynamoDB's limit of {LARGEST_ITEM // 1024} KB): declare them as several views"
        )


def _ordered(value: float | None) -> bytes:
    value = single(value)
    if value is None:
        return b"\0\0\0\0"
    bits: int = struct.unpack(">I", struct.pack(">f", value))[0]
    return struct.pack(">I", ~bits & 0xFFFF_FFFF if bits >> 31 else bits | 0x8000_0000)


@lru_cache(maxsize=256)
def _layout(count: int) -> tuple[struct.Struct, int]:
    return struct.Struct(f">{count}f"), int.from_bytes(b"\x80\0\0\0" * count, "big")
