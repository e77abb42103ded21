"""An entity's newest row of one view as bytes whose order is the documented one: the newer row is the larger value.

    byte 0            format, 1: numbers only
    bytes 1 to 8      event time, microseconds since 1970, plus 2^63
    bytes 9 to 16     available time, likewise
    bytes 17 to 20    revision of the data that the row was computed from
    from byte 21      a float32 for each feature in declared order, four bytes each

A view that has text is of format 2, where a byte before each value says what it is:

    N                 a number's four bytes
    T                 text: each byte of its UTF-8 plus one, then a zero byte; that alone is a missing one

No byte of UTF-8 is above 0xF4, so none becomes zero, and a text that begins like another but ends sooner is smaller.

All numbers are big-endian and unsigned. A float32's bits are turned so that they order as numbers do: all of them
flipped if it is negative, else the sign bit alone; four zero bytes, below the smallest number, are a missing value. All
values of a view's version are of one format, with the same bytes N and T at the same places. DynamoDB compares Binary
byte by byte, unsigned, so ``old < new`` in a condition is the tie rule of `headwater.features.offline.point_in_time`:
by event time, then available time, then the values, feature by feature, texts by their UTF-8. Between the times and the
values stands the revision, for a correction of the same moment replaces whatever value was there.

The online state is then the maximum of all that was ever written: writing it twice, late or out of order ends the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headwater.declare import FeatureView

FORMAT, WITH_TEXT = 1, 2
_HEAD = struct.Struct(">BQQI")
HEAD_BYTES, VALUE_BYTES = _HEAD.size, 4
EXACT = 2**24
"""Whole numbers up to this are exact in float32."""
_SHIFT = 2**63
_NUMBER, _TEXT = b"N", b"T"
_UP, _DOWN = bytes([*range(1, 256), 0]), bytes([255, *range(255)])
"""Tables that turn each byte into the next one, and back."""

Known = float | str | None
"""A value: a number, text, or missing."""


class Row(NamedTuple):
    """A row of an entity; times in microseconds since 1970."""

    event_time: int
    available_time: int
    revision: int
    values: tuple[Known, ...]
    """Numbers of float32's precision and texts, in the order in which the view declares its features."""


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


def pack(row: Row, texts: Collection[int] = ()) -> bytes:
    """The bytes of ``row``; ``texts`` are the places of the values that are text, or missing text."""
    kind = WITH_TEXT if texts else FORMAT
    head = _HEAD.pack(kind, row.event_time + _SHIFT, row.available_time + _SHIFT, row.revision)
    if not texts:
        return head + b"".join(map(_ordered, row.values))
    return head + b"".join(
        _ordered_text(value) if place in texts else _NUMBER + _ordered(value) for place, value in enumerate(row.values)
    )


def text_places(view: FeatureView) -> tuple[int, ...]:
    """The places of the features that are text, among all that ``view`` declares."""
    return tuple(place for place, feature in enumerate(view.features) if feature.is_text)


def pack_all(
    event_times: NDArray[np.int64],
    available_times: NDArray[np.int64],
    revision: int,
    values: Sequence[NDArray[Any]],
    texts: Collection[int] = (),
) -> list[bytes]:
    """The bytes of many rows, as `pack` makes them one by one.

    Parameters
    ----------
    event_times, available_times : array of int64, shape (n,)
    revision : int
    values : sequence of arrays of float64, or of objects for text, shape (n,)
        One a feature; NaN, and in a column of text whatever isn't text, is missing.
    texts : collection of int
        The places of the columns that are text.
    """
    if texts:
        heads = _pack_numbers(WITH_TEXT, event_times, available_times, revision, ())
        columns = [
            map(_ordered_text, column) if place in texts else _tagged(column) for place, column in enumerate(values)
        ]
        return list(map(b"".join, zip(heads, *columns, strict=True)))
    return _pack_numbers(FORMAT, event_times, available_times, revision, values)


def _pack_numbers(
    kind: int,
    event_times: NDArray[np.int64],
    available_times: NDArray[np.int64],
    revision: int,
    values: Sequence[NDArray[np.float64]],
) -> list[bytes]:
    import numpy as np

    rows = len(event_times)
    width = HEAD_BYTES + VALUE_BYTES * len(values)
    table = np.empty((rows, width), dtype=np.uint8)
    table[:, 0] = kind
    for first, times in ((1, event_times), (9, available_times)):
        # The sign bit flipped: what adding 2^63 comes to.
        shifted = times.astype(">i8").view(">u8") ^ np.uint64(_SHIFT)
        table[:, first : first + 8] = shifted.astype(">u8").view(np.uint8).reshape(rows, 8)
    table[:, 17:21] = np.frombuffer(struct.pack(">I", revision), dtype=np.uint8)
    for number, column in enumerate(values):
        first = HEAD_BYTES + VALUE_BYTES * number
        table[:, first : first + VALUE_BYTES] = _ordered_all(column)
    return _rows_of(table)


def _ordered_all(column: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Each number's four bytes, a row each."""
    import numpy as np

    with np.errstate(over="ignore"):
        numbers = column.astype(np.float32) + np.float32(0.0)  # -0.0 becomes 0.0
    bits = numbers.view(np.uint32)
    ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(0x8000_0000))
    ordered = np.where(np.isfinite(numbers), ordered, np.uint32(0))
    return ordered.astype(">u4").view(np.uint8).reshape(len(column), VALUE_BYTES)


def _tagged(column: NDArray[np.float64]) -> list[bytes]:
    import numpy as np

    table = np.empty((len(column), 1 + VALUE_BYTES), dtype=np.uint8)
    table[:, 0] = _NUMBER[0]
    table[:, 1:] = _ordered_all(column)
    return _rows_of(table)


def _rows_of(table: NDArray[np.uint8]) -> list[bytes]:
    rows, width = table.shape
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
    if value[0] == WITH_TEXT:
        return Row(event, available, revision, tuple(_mixed(value)))
    count = (len(value) - HEAD_BYTES) // VALUE_BYTES
    return Row(event, available, revision, values_of(value, range(count)))


def times_of(value: bytes) -> tuple[int, int, int]:
    """Event time, available time and revision; raises `ValueError` for another format."""
    if (len(value) < HEAD_BYTES or value[0] != FORMAT or (len(value) - HEAD_BYTES) % VALUE_BYTES) and (
        len(value) <= HEAD_BYTES or value[0] != WITH_TEXT
    ):
        raise _other_format(value)
    _, event, available, revision = _HEAD.unpack_from(value)
    return event - _SHIFT, available - _SHIFT, revision


def values_of(value: bytes, positions: Sequence[int]) -> tuple[Known, ...]:
    """The features at ``positions``; None where missing."""
    if value[0] == WITH_TEXT:
        known = _mixed(value)
        return tuple([known[place] for place in positions])
    numbers = _numbers(value[HEAD_BYTES:])
    return tuple([number if (number := numbers[place]) == number else None for place in positions])


def _numbers(run: bytes | bytearray) -> tuple[float, ...]:
    """The numbers of a run of four bytes each; NaN where one is missing."""
    layout, mask = _layout(len(run))
    ordered = int.from_bytes(run, "big")
    # All values turned back at once: where the sign bit is clear the number was negative (or missing, which comes out
    # as a NaN) and all bits are flipped, elsewhere the sign bit alone. 0x7FFFFFFF carries into no neighbour.
    negative = (mask & ~ordered) >> 31
    bits = ordered ^ (mask | negative * 0x7FFF_FFFF)
    numbers: tuple[float, ...] = layout.unpack(bits.to_bytes(len(run), "big"))
    return numbers


def _mixed(value: bytes) -> list[Known]:
    """All values of format 2."""
    found: list[Known] = []
    place, end = HEAD_BYTES, len(value)
    while place < end:
        first = place
        while place < end and value[place] == _NUMBER[0]:
            place += 1 + VALUE_BYTES
        if first < place <= end:
            run = bytearray(value[first:place])
            del run[:: 1 + VALUE_BYTES]
            found += [number if number == number else None for number in _numbers(run)]
        elif place == first and value[place] == _TEXT[0] and (stop := value.find(0, place)) >= 0:
            found.append(value[place + 1 : stop].translate(_DOWN).decode() or None)
            place = stop + 1
        else:
            raise _other_format(value)
    return found


def _other_format(value: bytes) -> ValueError:
    return ValueError(
        f"an online value of {len(value)} bytes that begins with {value[:1]!r} isn't of format {FORMAT} or {WITH_TEXT}"
    )


def _ordered_text(value: Any) -> bytes:
    return _TEXT + (value.encode().translate(_UP) if isinstance(value, str) else b"") + b"\0"


def _ordered(value: Any) -> bytes:
    value = single(value)
    if value is None:
        return b"\0\0\0\0"
    bits: int = struct.unpack(">I", struct.pack(">f", value))[0]
    return struct.pack(">I", ~bits & 0xFFFF_FFFF if bits >> 31 else bits | 0x8000_0000)


@lru_cache(maxsize=256)
def _layout(size: int) -> tuple[struct.Struct, int]:
    count = size // VALUE_BYTES
    return struct.Struct(f">{count}f"), int.from_bytes(b"\x80\0\0\0" * count, "big")


def same(one: Known, other: Known) -> bool:
    """Whether two values are the same float32, the same text, or both missing."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return _single(one) == _single(other)
    return one == other


def _single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value
