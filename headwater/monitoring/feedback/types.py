"""Feedback on a prediction: an entry each time that an author says something."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Any

from pydantic import AwareDatetime

from headwater.values import Stored

LONGEST_COMMENT = 2000
"""Characters."""
LONGEST_AUTHOR = 100
LONGEST_WRITE_ID = 64
KIND = "verdict"
"""The only kind of feedback so far. Each kind of an author is replaced by itself alone."""


class Verdict(StrEnum):
    """Whether a prediction was right, to whoever says so."""

    RIGHT = "right"
    WRONG = "wrong"


class Feedback(Stored):
    """One entry of one author on one prediction. It is never changed; the author's next one replaces it.

    Texts are as they were given, whatever characters they have: who shows them must make them harmless.
    """

    prediction_id: str
    """``<request_id>.<n>``."""
    model: str
    day: date
    """The day on which the prediction's request was received, UTC."""
    kind: str = KIND
    author: Any = ""
    """Text; empty if nobody was named. The application says it, and nobody checks it."""
    sequence: int
    """1 for what the author said first, 2 for what replaced it, ..., by receipt."""
    verdict: Verdict
    corrected: Any = None
    """A number, text, true or false; None if there is no correction."""
    comment: Any = None
    """Text; None if there is none."""
    write_id: Any = None
    """Text that names the entry; None if the application gave none."""
    received_at: AwareDatetime

    @property
    def author_key(self) -> str:
        """The author as keys have it: of any text, in any length, letters that sort and mean nothing."""
        return hashlib.sha256(self.author.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def says_the_same(self, other: Feedback) -> bool:
        """Whether the two differ in nothing that was said."""
        return _content(self) == _content(other)


def _content(feedback: Feedback) -> tuple[Any, ...]:
    """Everything that the author said, without the time and the number."""
    corrected = feedback.corrected
    # True equals 1 for Python.
    return feedback.author, feedback.kind, feedback.verdict, type(corrected) is bool, corrected, feedback.comment


def current(history: Iterable[Feedback]) -> Iterator[Feedback]:
    """The last entry of each prediction, kind and author, of entries in the order of `FeedbackStore.entries`."""
    for _, entries in groupby(history, key=lambda one: (one.day, one.prediction_id, one.kind, one.author_key)):
        *_, last = entries
        yield last
