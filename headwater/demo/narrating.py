"""The narrator of a demo."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Stage(Protocol):
    """A stage as somebody follows it."""

    def update(self, detail: str) -> None:
        """Say what it is doing, or did."""


class Narrator(Protocol):
    """Follows the stages."""

    def stage(self, key: str, title: str) -> AbstractContextManager[Stage]:
        """Follow one stage."""
