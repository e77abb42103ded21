"""Feedback in the registry table; the only module of this package that calls AWS.

``FEEDBACK#<model>`` / ``<day>#<prediction id>#<kind>#<author>#<sequence>`` is an entry, as JSON in ASCII, so that any
text comes out as it went in; the author is the beginning of its SHA-256. ``FEEDBACK#OF#<prediction id>`` / ``AT`` says
of which model and day the prediction is; no model is called ``OF``, for models' names are in small letters. Nothing is
ever overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from headwater.json_values import dumps, loads
from headwater.monitoring.feedback.types import Feedback
from headwater.storage.table import ABSENT, Table

PREFIX = "FEEDBACK#"
_AT = "AT"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class FeedbackStore:
    """The entries."""

    table: Table
    """The registry table."""

    def of_prediction(self, model: str, day: date, prediction_id: str) -> list[Feedback]:
        """All that was said of a prediction: author by author, each in the order of receipt."""
        return [_feedback(item) for item in self.table.query(f"{PREFIX}{model}", f"{day}#{prediction_id}#")]

    def place(self, prediction_id: str) -> tuple[str, date] | None:
        """Model and day of a prediction; None if nobody said anything of it."""
        item = self.table.get(f"{PREFIX}OF#{prediction_id}", _AT)
        return (item["model"], date.fromisoformat(item["day"])) if item else None

    def entries(self, model: str, since: date, until: date) -> Iterator[Feedback]:
        """All that was said of a model's predictions of the days from ``since`` to ``until``, both included.

        By day and prediction, in each of it author by author, in the order of receipt. Memory holds a page.
        """
        # Keys are text, so the days before are skipped by one that is smaller than the first, and greater than theirs.
        after = f"{since - _DAY}$"
        for century in sorted({str(since)[:2], str(until)[:2]}):
            for item in self.table.query(f"{PREFIX}{model}", century, after=after):
                if item["sk"][:10] > str(until):
                    return
                yield _feedback(item)

    def place_at(self, feedback: Feedback) -> None:
        """Note of which model and day a prediction is; noting it again changes nothing."""
        item = {"pk": f"{PREFIX}OF#{feedback.prediction_id}", "sk": _AT, "model": feedback.model}
        self.table.write(self.table.put({**item, "day": str(feedback.day)}))

    def add(self, feedback: Feedback) -> bool:
        """Keep an entry; False if there is one with its sequence already, which may be this very one."""
        return self.table.write(self.table.put(_item(feedback), only_if=ABSENT))


def _item(feedback: Feedback) -> dict[str, Any]:
    sk = f"{feedback.day}#{feedback.prediction_id}#{feedback.kind}#{feedback.author_key}#{feedback.sequence:06}"
    # Pydantic would make text of a decimal, and knows no half of a surrogate pair.
    given = {name: getattr(feedback, name) for name in ("author", "corrected", "comment", "write_id")}
    document = feedback.model_dump(mode="json", exclude=set(given)) | given
    return {"pk": f"{PREFIX}{feedback.model}", "sk": sk, "document": dumps(document)}


def _feedback(item: dict[str, Any]) -> Feedback:
    return Feedback.model_validate(loads(item["document"]))


def newest_first(history: Iterable[Feedback]) -> list[Feedback]:
    """Entries of any authors by the time of their receipt, the last one first."""
    return sorted(history, key=lambda one: (one.received_at, one.sequence), reverse=True)
