"""Labels of predictions: those of the lake and those that were written, as known at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy
import pandas

from headwater.clock import Clock, in_utc, utc_now
from headwater.declare import Product
from headwater.errors import InvalidRequest
from headwater.json_values import dumps
from headwater.monitoring.labels.checking import key_inputs, prediction_id
from headwater.monitoring.labels.counting import WindowCount, columns_of_labels
from headwater.monitoring.labels.coverage import HORIZONS, Coverage, DelayPoint, WrittenLabel
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.lake import Found, LakeAnswer, LakeLabels
from headwater.monitoring.labels.settling import Settled
from headwater.monitoring.labels.store import BEGINNING, LabelStore
from headwater.monitoring.labels.types import RETENTION, Label, micros, moment_of
from headwater.monitoring.labels.written import WrittenAnswer, WrittenLabels
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.store import PredictionStore
from headwater.storage.clients import Clients
from headwater.storage.table import Table

NEEDED = ("prediction_id", "version", "as_of", "inputs")
"""Columns of a frame that labels are joined to (`headwater.monitoring.log.records.COLUMNS`)."""
LOOKED = 31
"""Days of the log in which a prediction's record is looked for."""
Frames = Iterable[pandas.DataFrame]


class Labels:
    """The labels of one model's predictions. Close it, or use it as a context: it keeps files of the lake meanwhile.

    Parameters
    ----------
    model : str
    clients : Clients
    registry : Table
        The registry table.
    artifacts : ArtifactStore
        Where the versions' declarations lie.
    predictions_bucket : str
        Where written labels lie.
    lake_bucket : str
    now : callable
        The time, UTC. What is asked without ``known`` is asked as of the first call's time.
    """

    def __init__(
        self,
        model: str,
        clients: Clients,
        *,
        registry: Table,
        artifacts: ArtifactStore,
        predictions_bucket: str,
        lake_bucket: str,
        now: Clock = utc_now,
    ) -> None:
        self.model, self._clients = model, clients
        self._table, self._lake_bucket, self._now = registry, lake_bucket, now
        self._definitions = Definitions(Registry(registry), artifacts)
        self._store = LabelStore(predictions_bucket, registry, clients)
        self._lakes: dict[str, LakeLabels] = {}
        self._written: WrittenLabels | None = None
        self._since = BEGINNING
        self._asked: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete local files; the next question fetches them again."""
        with ExitStack() as stack:
            for lake in self._lakes.values():
                stack.callback(lake.close)
            if self._written is not None:
                stack.callback(self._written.close)
        self._lakes, self._written = {}, None

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        """A frame of predictions with columns more that say what really happened.

        Parameters
        ----------
        frame : DataFrame
            As `headwater.monitoring.log.reading.Reader.frames` gives it, with at least `NEEDED`.
        known : datetime, optional
            As known then: written labels received by then, and the lake as it stood then. By default now.

        Returns
        -------
        DataFrame
            The same rows and index with ``label`` (float64, NaN without one), ``label_source`` (``lake``, ``api`` or
            ``api:<source>``, missing without one), ``labelled_at`` (when a written label was received first) and
            ``observed_at`` (NaT where unknown), ``label_conflict`` (whether two sources differ) and ``label_state``:
            LABELLED, WAITING (the example has no label yet), AMBIGUOUS, INVALID or NOTHING.

        Raises
        ------
        InvalidRequest
            The frame lacks a column, or ``known`` a time zone.
        ModelNotRegistered, NoDefinition, InvalidExamples
        """
        lake, written = self.both(frame, self._moment(known))
        return frame.assign(**columns_of_labels(lake, written))

    @contextmanager
    def counting(self, since: datetime, until: datetime, known: datetime | None = None) -> Iterator[CountedLabels]:
        """`of` for the frames of a window, which are counted meanwhile: who needs both joins labels once.

        Parameters
        ----------
        since, until : datetime
            The window.
        known : datetime, optional
            By default now.
        """
        with TemporaryDirectory(prefix="headwater-labels-") as folder:
            yield CountedLabels(self, WindowCount(self.model, since, until, self._moment(known), Path(folder)))

    def history(
        self, prediction: str | None = None, known: datetime | None = None, *, limit: int = 1000
    ) -> tuple[WrittenLabel, ...]:
        """Written labels with their corrections, in the order of their receipt.

        Parameters
        ----------
        prediction : str, optional
            ``<request id>.<instance>``: those of one prediction, also if they name it by its inputs (its record is
            looked for among the last `LOOKED` days).
        known : datetime, optional
            Those received by then; by default now.
        limit : int
            The newest so many.

        Raises
        ------
        LabelRefused
            It is no prediction's id.
        ModelNotRegistered, NoDefinition
        """
        moment = self._moment(known)
        with WrittenLabels(self._store, self.model, since=BEGINNING, known=moment) as written:
            if prediction is not None:
                frame = self._logged(prediction_id(prediction), moment)
                if frame is not None:
                    product = self._definitions.product(self.model, int(frame["version"].iloc[0]))
                    written.of(frame, key_inputs(product.models[0]))
            return tuple(map(_written_label, written.history(prediction, limit)))

    def _logged(self, prediction: str, moment: datetime) -> pandas.DataFrame | None:
        """A prediction as it was logged; None if its record isn't found."""
        request, _, instance = prediction.rpartition(".")
        log, today = PredictionStore(self._store.bucket, self._clients), moment.astimezone(UTC).date()
        for day in log.days_of(self.model, [today - timedelta(days=days) for days in range(LOOKED)], request):
            record = log.record(self.model, day, request)
            if record is not None and int(instance) < len(record["predictions"]):
                frame = pandas.DataFrame(
                    {
                        "prediction_id": [prediction], "version": [int(record["version"])],
                        "as_of": [datetime.fromisoformat(record["as_of"])],
                        "inputs": [dumps(record["predictions"][int(instance)]["inputs"])],
                    }
                )  # fmt: skip
                return frame.assign(as_of=pandas.to_datetime(frame["as_of"], utc=True).astype("datetime64[us, UTC]"))
        return None

    def coverage(
        self,
        frames: Frames,
        since: datetime,
        until: datetime,
        known: datetime | None = None,
        *,
        around: Callable[[datetime, datetime], Frames] | None = None,
    ) -> Coverage:
        """How many predictions of a window have a label, and how many had one some time after its end.

        Parameters
        ----------
        frames : iterable of DataFrame
            The window's predictions; read once.
        since, until : datetime
            The window.
        known : datetime, optional
            By default now.
        around : callable, optional
            Gives the predictions of another stretch of time: where labels that were received in the window may belong.
        """
        moment = self._moment(known)
        with TemporaryDirectory(prefix="headwater-coverage-") as folder:
            count = WindowCount(self.model, since, until, moment, Path(folder))
            watched = False
            for frame in frames:
                if not len(frame):
                    continue
                written = self._labels(frame, moment, since)
                if not watched:
                    written.watch_unmatched(since, until)
                    watched = True
                count.add(frame, *self.both(frame, moment))
            delay = self.delay(count)
            unmatched, expired, deleted = self._unmatched(count, watched, around)
            return count.coverage(delay, unmatched, expired, deleted)

    def _unmatched(
        self, count: WindowCount, watched: bool, around: Callable[[datetime, datetime], Frames] | None
    ) -> tuple[int, int, int]:
        written = self._written
        if not watched or written is None:
            written = self._written = self._replaced(WrittenLabels(
                self._store, self.model, since=count.since, known=count.known))  # fmt: skip
            written.watch_unmatched(count.since, count.until)
        limit = count.known - RETENTION
        left, _ = written.unmatched(limit)
        for first, last in (
            # What was received in the window may have been asked about another time, as a replay of July is.
            (count.since, count.until),
            (count.since - RETENTION, count.since),
            (count.until, min(count.until + RETENTION, count.known)),
        ):
            if left and around is not None and first < last:
                for frame in around(first, last):
                    for group, product in self._by_definition(frame):
                        written.of(frame.loc[group], key_inputs(product.models[0]))
                left, _ = written.unmatched(limit)
        return *written.unmatched(limit), len(written.gone)

    def delay(self, count: WindowCount) -> tuple[DelayPoint, ...]:
        """How many of a window's counted predictions had a label at each time of `HORIZONS` after its end."""
        found = []
        for after in HORIZONS:
            known = count.until + after
            if known > count.known:
                break
            labelled = 0
            for frame, first in count.spooled():
                has = (first > 0) & (first <= micros(known))
                rest = frame.loc[~has]
                lake = self._of_lake(rest, known)
                labelled += int(has.sum()) + int((lake.found == Found.LABELLED).sum())
            found.append(DelayPoint(after=after, known=known, labelled=labelled))
        return tuple(found)

    def changes(self, known: datetime | None = None) -> datetime | None:
        """When time alone gives the next label: the lake holds rows back until their available time. None if never.

        To be asked behind `of`, of the same moment.
        """
        moment = self._moment(known)
        return min(filter(None, (lake.changes(moment) for lake in self._lakes.values())), default=None)

    # -- both kinds ---------------------------------------------------------------------------------------------

    def both(self, frame: pandas.DataFrame, known: datetime) -> tuple[LakeAnswer, WrittenAnswer]:
        """The answers of the lake and of what was written about a frame's rows."""
        if lacking := [name for name in NEEDED if name not in frame]:
            raise InvalidRequest(f"labels are joined by {', '.join(NEEDED)}; the frame lacks {', '.join(lacking)}")
        frame = frame.reset_index(drop=True)
        if not len(frame):
            return self._of_lake(frame, known), WrittenAnswer([], Settled.nothing(0))
        written = self._labels(frame, known, None)
        answers = [
            (group, written.of(frame.loc[group], key_inputs(product.models[0])))
            for group, product in self._by_definition(frame)
        ]
        return self._of_lake(frame, known), WrittenAnswer.joined(len(frame), answers)

    def _of_lake(self, frame: pandas.DataFrame, known: datetime) -> LakeAnswer:
        frame = frame.reset_index(drop=True)
        answer = LakeAnswer(numpy.full(len(frame), numpy.nan), numpy.zeros(len(frame), dtype=numpy.uint8))
        for group, product in self._by_definition(frame):
            found = self._lake_of(product).of(frame.loc[group], known)
            answer.labels[group], answer.found[group] = found
        return answer

    def _by_definition(self, frame: pandas.DataFrame) -> Iterator[tuple[Any, Product]]:
        """The places of a frame's rows by the declaration of their version."""
        versions = frame["version"].to_numpy()
        groups: dict[str, tuple[list[int], Product]] = {}
        for version in numpy.unique(versions):
            product = self._definitions.product(self.model, int(version))
            groups.setdefault(_meaning(product), ([], product))[0].append(int(version))
        for numbers, product in groups.values():
            yield numpy.flatnonzero(numpy.isin(versions, numbers)), product

    def _lake_of(self, product: Product) -> LakeLabels:
        meaning = _meaning(product)
        if meaning not in self._lakes:
            self._lakes[meaning] = LakeLabels(self._table, self._lake_bucket, product, self._clients)
        return self._lakes[meaning]

    def _labels(self, frame: pandas.DataFrame, known: datetime, since: datetime | None) -> WrittenLabels:
        """The written labels that a frame's predictions may have, read again only for earlier predictions."""
        times = [frame[name].min() for name in ("received_at", "as_of") if name in frame]
        first = min(filter(None, [since, *(one.to_pydatetime() for one in times)]))
        if self._written is None or self._written.known != known or first < self._since:
            self._since = first
            self._written = self._replaced(WrittenLabels(self._store, self.model, since=first, known=known))
        return self._written

    def _replaced(self, labels: WrittenLabels) -> WrittenLabels:
        if self._written is not None:
            labels.go_on_watching(self._written)
            self._written.close()
        return labels

    def _moment(self, known: datetime | None) -> datetime:
        if known is None:
            self._asked = self._asked or self._now()
            return self._asked
        return in_utc(known, "known")


@dataclass(frozen=True)
class CountedLabels:
    """Labels of a window's frames, and how long labels took (`Labels.counting`)."""

    labels: Labels
    count: WindowCount

    @property
    def known(self) -> datetime:
        """The window's moment."""
        return self.count.known

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        """As `Labels.of`, as known at the window's moment; each frame once.

        Raises
        ------
        InvalidRequest
            ``known`` is another moment.
        """
        if known not in (None, self.count.known):
            raise InvalidRequest(f"the window is counted as known at {self.count.known}, not at {known}")
        lake, written = self.labels.both(frame, self.count.known)
        if len(frame):
            self.count.add(frame, lake, written)
        return frame.assign(**columns_of_labels(lake, written))

    def delay(self) -> tuple[DelayPoint, ...]:
        """How many of the predictions so far had a label some time after the window's end."""
        return self.labels.delay(self.count)


def _written_label(row: tuple[Any, ...]) -> WrittenLabel:
    *fields, received, counts = row
    label = Label(*fields)
    return WrittenLabel(
        prediction_id=label.prediction_id,
        keys=label.keys,
        as_of=None if label.as_of is None else moment_of(label.as_of),
        value=label.value,
        observed_at=None if label.observed_at is None else moment_of(label.observed_at),
        received_at=moment_of(received),
        source=label.source,
        write_id=label.write_id,
        counts=bool(counts),
    )


def _meaning(product: Product) -> str:
    """The parts of a declaration that decide which label a prediction gets: versions that agree are asked together."""
    (model,) = product.models
    sources = [source for source in product.sources if source.name in model.examples.sources]
    parts = [model.examples, *model.inputs, *sources]
    said = [model.task, *model.monitoring.labelled_by, *(part.model_dump_json() for part in parts)]
    return "\n".join(said)
