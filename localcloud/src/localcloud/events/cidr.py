"""``cidr`` of an event pattern, as AWS's own matcher (aws/event-ruler) reads it: a range over hexadecimal digits.

The matcher stops at the first digit that settles the question. So an IPv6 address whose first digits lie in the range
of an IPv4 pattern matches it: ``0.0.0.0/0`` takes nearly every address of either kind.
"""

from __future__ import annotations

import ipaddress
import re

_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LARGEST = 2**31


class CidrInvalid(ValueError):
    """What AWS's compiler refuses; the text is its reason."""


class Cidr:
    """The addresses that ``text``, such as ``10.0.0.0/8``, stands for.

    Raises
    ------
    CidrInvalid
        It isn't a CIDR block, or one of a single address.
    """

    def __init__(self, text: str) -> None:
        address, mask = _split(text)
        digits = _digits(address)
        bits, width = len(digits) * 4, 4 if len(digits) == 8 else 6
        if mask >= bits:
            raise CidrInvalid(f"IPv{width} mask bits must be < {bits}")
        variable = (1 << (bits - mask)) - 1
        number = int(digits, 16)
        self._bottom = f"{number & ~variable:0{len(digits)}X}"
        self._top = f"{number | variable:0{len(digits)}X}"

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        try:
            digits = _digits(value)
        except CidrInvalid:
            return False
        is_at_bottom = is_at_top = True
        for digit, low, high in zip(digits, self._bottom, self._top, strict=False):
            if (is_at_bottom and digit < low) or (is_at_top and digit > high):
                return False
            is_at_bottom, is_at_top = is_at_bottom and digit == low, is_at_top and digit == high
            if not (is_at_bottom or is_at_top):
                return True
        return len(digits) >= len(self._bottom)


def _split(text: str) -> tuple[str, int]:
    parts = text.split("/")
    while parts and not parts[-1]:  # Java's split drops what is empty at the end
        parts.pop()
    if len(parts) != 2:
        raise CidrInvalid("Malformed CIDR, one '/' required")
    if not _INTEGER.fullmatch(parts[1]) or not -_LARGEST <= int(parts[1]) < _LARGEST:
        raise CidrInvalid("Malformed CIDR, mask bits must be an integer")
    if int(parts[1]) < 0:
        raise CidrInvalid("Malformed CIDR, mask bits must not be negative")
    return parts[0], int(parts[1])


def _digits(address: str) -> str:
    """An address as 8 or 32 hexadecimal digits. Octets are decimal, also with zeros in front."""
    if _IPV4.fullmatch(address):
        octets = [int(octet) for octet in address.split(".")]
        if max(octets) > 255:
            raise CidrInvalid(f"Invalid IP address: {address}")
        return "".join(f"{octet:02X}" for octet in octets)
    if not _IPV6.fullmatch(address):
        raise CidrInvalid(f"Nonstandard IP address: {address}")
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError as error:
        raise CidrInvalid(f"Invalid IP address: {address}") from error
    return f"{int(parsed.ipv4_mapped):08X}" if parsed.ipv4_mapped else f"{int(parsed):032X}"
