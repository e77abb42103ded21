"""Feedback of end users on single predictions: what was said, how much there is, and the key that signs its tokens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from headwater.client.connection import Verbs
from headwater.client.errors import ApiRefused, BadTarget, needed
from headwater.client.predictions import ApiValue
from headwater.errors import InvalidRequest
from headwater.monitoring.feedback.errors import NoFeedback
from headwater.monitoring.feedback.store import FeedbackStore, newest_first
from headwater.monitoring.feedback.summary import FeedbackSummary, summarise
from headwater.monitoring.feedback.types import Feedback as Entry
from headwater.monitoring.feedback.types import Verdict, current
from headwater.routes import FEEDBACK
from headwater.serving.feedback.tokens import parameter_name
from headwater.storage.clients import Clients
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table

DAYS = 30
LONGEST = 400
"""Days that one question may be about: a metric of a day is kept for 455."""
_DAY = timedelta(days=1)
_NAMESPACE, _METRIC = "Headwater", "FeedbackAsked"


class FeedbackRefused(ApiRefused):
    """The API answered feedback with an error."""


class SentFeedback(ApiValue):
    """Feedback that was taken, now or when it was sent before."""

    prediction_id: str
    """``<request_id>.<n>``."""
    sequence: int
    """1 for what the author said first of the prediction, 2 for what replaced it, ..."""
    received_at: datetime
    """When it came, UTC."""


class Feedback(Verbs):
    """The verbs on feedback; ``headwater.connect().feedback``."""

    def list(
        self, model: str, since: date | None = None, until: date | None = None, *, history: bool = False
    ) -> tuple[Entry, ...]:
        """Feedback on a model's predictions, by the day of the prediction.

        Parameters
        ----------
        model : str
        since, until : date, optional
            First and last day on which the predictions were asked for, UTC; by default the last 30.
        history : bool
            Whether what authors replaced is there too; by default each author's last word alone.

        Raises
        ------
        ModelNotRegistered
        """
        first, last = _span(since, until)
        table = self._registered(model)
        entries = FeedbackStore(table).entries(model, first, last)
        return tuple(entries if history else current(entries))

    def show(self, prediction_id: str) -> tuple[Entry, ...]:
        """All that was ever said of a prediction, the last one first.

        Raises
        ------
        NoFeedback
            Nobody said anything of it.
        """
        store = FeedbackStore(self._connection.table)
        place = store.place(prediction_id)
        history = store.of_prediction(*place, prediction_id) if place else []
        if not history:
            raise NoFeedback(
                f"nobody said anything of prediction {prediction_id!r}: expected <request_id>.<n>, such as "
                "8f0c1d6e-6b1e-4c57-9a1e-0d2b4c5f6a7b.0",
                next_steps=["headwater feedback list MODEL"],
            )
        return tuple(newest_first(history))

    def summary(self, model: str, since: date | None = None, until: date | None = None) -> FeedbackSummary:
        """How many predictions are called right and wrong, by day, and how many say nothing.

        Who tells isn't drawn by chance: the share says nothing of the predictions nobody spoke of.

        Parameters
        ----------
        model : str
        since, until : date, optional
            First and last day on which the predictions were asked for, UTC; by default the last 30.

        Raises
        ------
        ModelNotRegistered
        BadTarget
            DuckDB, which counts predictions, isn't installed.
        """
        first, last = _span(since, until)
        table = self._registered(model)
        predictions = self._predictions(model, first, last)
        asked = _asked(self._connection.clients, model, first, last)
        return summarise(model, first, last, FeedbackStore(table).entries(model, first, last), predictions, asked)

    def send(
        self,
        prediction_id: str,
        token: str,
        verdict: str,
        *,
        corrected: float | str | bool | None = None,
        comment: str | None = None,
        author: str | None = None,
        write_id: str | None = None,
    ) -> SentFeedback:
        """Say what a prediction was worth, as an end user would.

        Parameters
        ----------
        prediction_id : str
            ``<request_id>.<n>``, the first prediction of a request being 0.
        token : str
            The prediction's ``feedback_token``.
        verdict : str
            ``right`` or ``wrong``.
        corrected : number, text or bool, optional
            What would have been right.
        comment : str, optional
            At most 2,000 characters.
        author : str, optional
            Who says so, in at most 100 characters.
        write_id : str, optional
            Names this entry: with the same one it may be sent again. By default a new one.

        Raises
        ------
        FeedbackRefused
            The token isn't one of this prediction or has expired, or a value isn't taken.
        """
        if verdict not in tuple(Verdict):
            raise InvalidRequest(f"verdict: {verdict!r}, expected right or wrong")
        given = {"corrected": corrected, "comment": comment, "author": author}
        body: dict[str, Any] = {"token": token, "verdict": verdict, "write_id": write_id or uuid.uuid4().hex}
        body |= {name: value for name, value in given.items() if value is not None}
        path = FEEDBACK.url(id=prediction_id)
        return SentFeedback.model_validate(self._connection.api.send(FEEDBACK.method, path, body, FeedbackRefused))

    def rotate_key(self, *, revoke: bool = False) -> int:
        """Make a new key for tokens; the stack signs with it within five minutes.

        Parameters
        ----------
        revoke : bool
            Whether tokens of all earlier keys are refused from now on (within five minutes): for a key that others
            may know. By default they stay valid until they expire.

        Returns
        -------
        int
            The new key's number.
        """
        stack = self._description
        keys = KeyStore(parameter_name(stack.project, stack.name), self._connection.clients)
        return keys.rotate(revoke=revoke).number

    def _registered(self, model: str) -> Table:
        self._connection.registry.versions(model)
        return self._connection.table

    def _predictions(self, model: str, first: date, last: date) -> Mapping[date, int]:
        with needed("predictions are counted by DuckDB"):
            reader = self._connection.predictions
        days = [first + number * _DAY for number in range((last - first).days + 1)]
        return {day: reader.count(model, _start(day), _start(day + _DAY)) for day in days}


def _asked(clients: Clients, model: str, first: date, last: date) -> Mapping[date, int]:
    """Predictions that were answered with a token, by day, as the predict function counted them."""
    found = clients("cloudwatch").get_metric_statistics(
        Namespace=_NAMESPACE,
        MetricName=_METRIC,
        Dimensions=[{"Name": "service", "Value": "serving"}, {"Name": "model", "Value": model}],
        StartTime=_start(first),
        EndTime=_start(last + _DAY),
        Period=int(_DAY.total_seconds()),
        Statistics=["Sum"],
    )
    return {point["Timestamp"].astimezone(UTC).date(): round(point["Sum"]) for point in found["Datapoints"]}


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _span(since: date | None, until: date | None) -> tuple[date, date]:
    last = until or datetime.now(UTC).date()
    first = since or last - (DAYS - 1) * _DAY
    if not first <= last < first + LONGEST * _DAY:
        raise BadTarget(f"{first} to {last}: expected 1 to {LONGEST} days, the first one not after the last")
    return first, last
