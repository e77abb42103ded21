"""Which route of an HTTP API a request takes.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

DEFAULT_ROUTE = "$default"
_VARIABLE = re.compile(r"\{([^}+]+)(\+?)\}")


@dataclass(frozen=True)
class Match:
    """The route, and what its variables stand for."""

    route_key: str
    path_parameters: dict[str, str] = field(default_factory=dict)


def select(route_keys: Iterable[str], method: str, path: str) -> Match | None:
    """The most specific of ``route_keys`` for a request; None if there is none.

    A literal segment goes before a variable, a variable before a greedy one, a method before ``ANY``, and
    ``$default`` comes last.

    Parameters
    ----------
    route_keys : iterable of str
        Such as ``"GET /pets/{id}"`` or ``"$default"``.
    method : str
        Upper-case.
    path : str
        Without the stage; still percent-encoded.
    """
    best: tuple[tuple[tuple[int, ...], int], Match] | None = None
    default = None
    for key in route_keys:
        if key == DEFAULT_ROUTE:
            default = Match(DEFAULT_ROUTE)
            continue
        route_method, _, template = key.partition(" ")
        if route_method not in (method, "ANY"):
            continue
        found = _match(template, path)
        if found is None:
            continue
        parameters, ranks = found
        rank = ranks, 0 if route_method == method else 1
        if best is None or rank < best[0]:
            best = rank, Match(key, parameters)
    return best[1] if best else default


def _match(template: str, path: str) -> tuple[dict[str, str], tuple[int, ...]] | None:
    wanted, given = template.split("/")[1:], path.split("/")[1:]
    parameters: dict[str, str] = {}
    ranks: list[int] = []
    for position, segment in enumerate(wanted):
        variable = _VARIABLE.fullmatch(segment)
        if variable and variable[2]:
            rest = "/".join(given[position:])
            if not rest:
                return None
            parameters[variable[1]] = unquote(rest)
            return parameters, (*ranks, 2)
        if position >= len(given):
            return None
        if variable:
            if not given[position]:
                return None
            parameters[variable[1]] = unquote(given[position])
            ranks.append(1)
        elif segment == unquote(given[position]):
            ranks.append(0)
        else:
            return None
    return (parameters, tuple(ranks)) if len(wanted) == len(given) else None
