"""What botocore's clients work out when they are made, once a process: moto and tests make many.

These are its descriptions of AWS's services, the names of its events and which of its handlers take keywords.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import botocore.loaders
import botocore.session
from botocore import hooks
from botocore.loaders import Loader


class _Paths(list[str]):
    """Folders to look in: every boto3 session adds its own once more."""

    def append(self, path: str) -> None:
        if path not in self:
            super().append(path)


def share() -> None:
    """Let everybody in this process who asks for the default descriptions have the same reader.

    A reader looks through some 400 folders before its first answer and parses megabytes of JSON; nobody changes what it
    answers. Moto asks when it is imported, so this comes before moto. It isn't undone: the process is the local cloud's
    own.
    """
    original = botocore.loaders.create_loader
    shared = Loader(extra_search_paths=_Paths())

    def create_loader(search_path_string: str | None = None) -> Loader:
        return shared if search_path_string is None else original(search_path_string)

    botocore.loaders.create_loader = create_loader
    botocore.session.create_loader = create_loader
    _share_event_names()
    _ask_functions_quickly()


def _share_event_names() -> None:
    """Each client and session compares each event's name with 150 that once were others, unless another has."""
    begin = hooks.EventAliaser.__init__
    names: dict[str, str] = {}

    def initialise(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
        begin(self, event_emitter, event_aliases)
        if self._event_aliases == hooks.EVENT_ALIASES:
            self._alias_name_cache = names

    hooks.EventAliaser.__init__ = initialise  # type: ignore[method-assign]


def _ask_functions_quickly() -> None:
    """Each session asks for the whole signature of 110 functions, to see whether they take any keywords."""
    carefully: Callable[[Any], Any] = hooks.accepts_kwargs

    def accepts_kwargs(func: Any) -> Any:
        plain = inspect.isfunction(func) or inspect.ismethod(func)
        if not plain or hasattr(func, "__signature__") or not hasattr(func, "__code__"):
            return carefully(func)
        return bool(func.__code__.co_flags & inspect.CO_VARKEYWORDS)

    hooks.accepts_kwargs = accepts_kwargs


def share_with_moto() -> None:
    """`share`, and one reader for all of moto's services: moto's own looks for its additions, too."""
    share()
    import moto.core.utils
    from moto.core.loaders import create_loader

    shared = create_loader()
    moto.core.utils.create_loader = lambda: shared  # type: ignore[attr-defined]
