"""Replaces attributes of moto's classes and modules while a local cloud is open, and puts them back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

_MISSING = object()


class Patches:
    """What was replaced, in order; `close` undoes it."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Let ``owner.name`` be ``value``; returns what it was (a method as it is called: ``original(self, …)``)."""
        before = getattr(owner, name, None)
        # What the class itself holds: getattr would unwrap a staticmethod, and an inherited one must stay inherited.
        own = vars(owner).get(name, _MISSING)
        if own is _MISSING:
            self._undo.callback(delattr, owner, name)
        else:
            self._undo.callback(setattr, owner, name, own)
        setattr(owner, name, value)
        return before

    def wrap(self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Let ``owner.name`` be what ``make`` returns for moto's own version."""
        self.set(owner, name, make(getattr(owner, name)))

    def after_init(self, kind: type, act: Callable[[Any], None]) -> None:
        """Call ``act`` with each new object of ``kind`` once it is made."""
        original = kind.__init__  # type: ignore[misc]

        def initialise(made: Any, *arguments: Any, **more: Any) -> None:
            original(made, *arguments, **more)
            act(made)

        self.set(kind, "__init__", initialise)

    def item(self, owner: dict[Any, Any], key: Any, value: Any) -> None:
        """Let ``owner[key]`` be ``value``."""
        before = owner.get(key, _MISSING)
        if before is _MISSING:
            self._undo.callback(owner.pop, key, None)
        else:
            self._undo.callback(owner.__setitem__, key, before)
        owner[key] = value

    def remove(self, owner: dict[Any, Any], key: Any) -> None:
        """Take ``owner[key]`` away, if it is there."""
        if key in owner:
            self._undo.callback(owner.__setitem__, key, owner.pop(key))

    def close(self) -> None:
        """Put everything back, last first."""
        self._undo.close()
