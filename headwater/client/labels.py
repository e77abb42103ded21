"""Labels: what really happened after predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headwater.client.connection import Verbs
from headwater.client.errors import ApiRefused, BadTarget, needed
from headwater.client.predictions import ApiValue
from headwater.errors import InvalidRequest
from headwater.routes import WRITE_LABELS

if TYPE_CHECKING:
    import pandas

    from headwater.monitoring.days.service import Days
    from headwater.monitoring.labels import service
    from headwater.monitoring.labels.coverage import Coverage, WrittenLabel
    from headwater.monitoring.labels.uploading import UploadedLabels

_TOGETHER = 500
"""Labels of a request."""
MOST_DAYS = 400
"""Days that one question may be about."""
_COLUMNS = ("prediction_id", "version", "received_at", "as_of", "inputs")


class LabelsRefused(ApiRefused):
    """The API took no label of the call: the message says why."""


class LabelVerdict(ApiValue):
    """The outcome of one label."""

    verdict: Literal["TAKEN", "KNOWN", "REFUSED"]
    """TAKEN: it is stored. KNOWN: it is stored already. REFUSED: it can't be a label of the model."""
    field: str | None = None
    """The field that is wrong, of a refused label."""
    given: str | None = None
    """The value that stands there."""
    expected: str | None = None
    """The values that may stand there."""


class Labels(Verbs):
    """The verbs on labels; ``headwater.connect().labels``."""

    def add(self, model: str, items: Sequence[Mapping[str, Any]]) -> tuple[LabelVerdict, ...]:
        """Write labels down by the API, five hundred a request.

        A label without ``observed_at`` gets the time of the call, so that a request that is sent again is the same.

        Parameters
        ----------
        model : str
            Registered model.
        items : sequence of mapping
            Each has ``value``, and ``prediction_id`` or both ``keys`` (input name to value) and ``as_of``;
            ``observed_at``, ``source`` and ``write_id`` may be left out.

        Returns
        -------
        tuple of LabelVerdict
            One for each item, in their order.

        Raises
        ------
        LabelsRefused
            A request was refused whole; those before it were taken.
        NotJson
            A value has no exact form in JSON.
        """
        if isinstance(items, Mapping | str):
            raise InvalidRequest(f"labels: one {type(items).__name__}, expected a list of mappings, such as [{{...}}]")
        now, verdicts = datetime.now(UTC), list[LabelVerdict]()
        stamped = [{"observed_at": now, **item} if isinstance(item, Mapping) else item for item in items]
        for first in range(0, len(stamped), _TOGETHER):
            body = {"labels": stamped[first : first + _TOGETHER]}
            answer = self._connection.api.send(
                WRITE_LABELS.method, WRITE_LABELS.url(model=model), body, refusal=LabelsRefused
            )
            verdicts += map(LabelVerdict.model_validate, answer["verdicts"])
        return tuple(verdicts)

    def upload(
        self, model: str, path: str | Path, *, progress: Callable[[int, int], None] | None = None
    ) -> UploadedLabels:
        """Write a file's labels down, straight into the stack's bucket: a million take seconds.

        Parameters
        ----------
        model : str
            Registered model.
        path : path
            CSV, JSON lines or Parquet: ``value``, ``prediction_id`` or else ``as_of`` and the label keys, and perhaps
            ``observed_at``, ``source`` and ``write_id``. A file that is uploaded again changes nothing.
        progress : callable, optional
            Told the labels that are stored, and how many there are.

        Returns
        -------
        UploadedLabels
            How many rows were taken, and those that were refused with column, value and reason.

        Raises
        ------
        BadTarget
            There is no such file, or DuckDB or pandera isn't installed.
        FileRefused
            The file can't be read.
        InvalidLabels
            It lacks a column, or has one that nobody knows.
        ModelNotRegistered, NoDefinition
        """
        file = Path(path)
        if not file.is_file():
            raise BadTarget(f"{file} is no file")
        with needed("files of labels are read by DuckDB, pandas and pandera"):
            from headwater.monitoring.labels.definitions import Definitions
            from headwater.monitoring.labels.store import LabelStore
            from headwater.monitoring.labels.uploading import BulkUpload
        connection = self._connection
        declared = Definitions(connection.registry, connection.artifacts).current(model)
        return BulkUpload(
            LabelStore(connection.description.predictions_bucket, connection.table, connection.clients), declared
        ).upload(file, progress)

    def list(
        self, model: str, *, prediction: str | None = None, known: datetime | None = None, limit: int = 1000
    ) -> tuple[WrittenLabel, ...]:
        """Written labels with their corrections, in the order of their receipt.

        Parameters
        ----------
        model : str
        prediction : str, optional
            ``<request id>.<instance>``: those of one prediction, also if they name it by its inputs.
        known : datetime, optional
            Those that were received by then (with its time zone); by default all.
        limit : int
            The newest so many.

        Raises
        ------
        ModelNotRegistered, NoDefinition
        """
        with self._labels(model) as labels:
            return labels.history(prediction, known, limit=limit)

    def coverage(self, model: str, since: date, until: date, *, as_of: datetime | None = None) -> Coverage:
        """How many of the predictions of some days have a label, and when they had one.

        Parameters
        ----------
        model : str
        since, until : date
            First and last day, UTC, by the predictions' ``as_of``; those of all versions.
        as_of : datetime, optional
            Only predictions and labels that were received before this moment (with its time zone) count.

        Raises
        ------
        InvalidRequest
            The days aren't in order, or more than 400; ``as_of`` has no time zone.
        ModelNotRegistered, NoDefinition
        InvalidExamples
            The SQL of the model's examples fails on the data of then.
        """
        if as_of is not None and as_of.tzinfo is None:
            raise InvalidRequest(f"as_of {as_of.isoformat()} has no time zone: give one, such as +00:00")
        if not since <= until < since + timedelta(days=MOST_DAYS):
            raise InvalidRequest(
                f"{since} to {until}: expected 1 to {MOST_DAYS} days, the first one not after the last"
            )
        with self._labels(model) as labels:
            from headwater.monitoring.days.types import start_of

            days, reader = self._days(as_of), self._connection.predictions

            def frames() -> Iterator[pandas.DataFrame]:
                for day, version in days.answered(model, since, until):
                    yield from days.frames(model, version, day, _COLUMNS)

            def around(first: datetime, last: datetime) -> Iterator[pandas.DataFrame]:
                return reader.frames(model, first, last, _COLUMNS)

            end = start_of(until) + timedelta(days=1)
            return labels.coverage(frames(), start_of(since), end, as_of, around=around)

    def of(self, model: str, frame: pandas.DataFrame, *, known: datetime | None = None) -> pandas.DataFrame:
        """A frame of logged predictions (`Stack.predictions`) with its labels.

        It gets the columns ``label``, ``label_source``, ``labelled_at``, ``observed_at``, ``label_conflict`` and
        ``label_state``.

        Parameters
        ----------
        model : str
        frame : DataFrame
            With at least ``prediction_id``, ``version``, ``as_of`` and ``inputs``.
        known : datetime, optional
            As known then; by default now.
        """
        with self._labels(model) as labels:
            return labels.of(frame, known)

    def _labels(self, model: str) -> service.Labels:
        with needed("labels are joined by DuckDB and pandas"):
            from headwater.monitoring.labels.service import Labels as Joined
        connection = self._connection
        connection.registry.versions(model)
        return Joined(
            model,
            connection.clients,
            registry=connection.table,
            artifacts=connection.artifacts,
            predictions_bucket=connection.description.predictions_bucket,
            lake_bucket=connection.description.lake_bucket,
        )

    def _days(self, known: datetime | None) -> Days:
        from headwater.monitoring.days.service import Days
        from headwater.monitoring.days.store import DayStore
        from headwater.monitoring.days.versions import Versions
        from headwater.monitoring.log.store import CompactionStore

        connection = self._connection
        versions = Versions(connection.registry, connection.artifacts)
        at = connection.description.predictions_bucket, connection.table, connection.clients
        log, days = CompactionStore(*at), DayStore(*at)
        return Days(log, days, versions, now=datetime.now(UTC), known=known)
