"""The formats that OpenLineage's schemas demand of texts: times with their offset, URIs and UUIDs.

jsonschema itself checks ``uuid`` alone and lets the others pass silently unless further packages are installed, so the
two that matter are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import FormatChecker

from headwater.lineage.openlineage.moments import moment

_UNRESERVED = r"A-Za-z0-9\-._~!$&'()*+,;="
_PART = rf"(?:[{_UNRESERVED}:@]|%[0-9A-Fa-f]{{2}})"
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:"
    rf"(?://(?:(?:[{_UNRESERVED}:]|%[0-9A-Fa-f]{{2}})*@)?"
    rf"(?:\[[0-9A-Fa-f:.]+\]|(?:[{_UNRESERVED}]|%[0-9A-Fa-f]{{2}})*)(?::\d*)?(?:/{_PART}*)*"
    rf"|/?(?:{_PART}+(?:/{_PART}*)*)?)"
    rf"(?:\?(?:{_PART}|[/?])*)?(?:#(?:{_PART}|[/?])*)?"
)
"""RFC 3986, ``URI``: with a scheme. An IPv6 address is judged by its characters alone."""


def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or moment(value) is not None


def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


def _checker(**formats: tuple[Any, type[Exception] | tuple[()]]) -> FormatChecker:
    made = FormatChecker(formats=())
    # The class keeps one dictionary for all of its instances; this one is ours.
    made.checkers = {name.replace("_", "-"): check for name, check in formats.items()}
    return made


_TIMES_AND_IDS: Mapping[str, Any] = {"date_time": (_is_time, ValueError), "uuid": FormatChecker.checkers["uuid"]}
NO_FORMATS = _checker()
TIMES_AND_IDS = _checker(**_TIMES_AND_IDS)
FORMATS = _checker(**_TIMES_AND_IDS, uri=(_is_uri, ()))
"""Checks ``date-time``, ``uuid`` and ``uri``."""
