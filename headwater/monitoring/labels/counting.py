"""Counts of a window's labels, and the columns that labels are to a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy
import pandas

from headwater.monitoring.labels.coverage import Coverage, DelayPoint, why_no_delay
from headwater.monitoring.labels.lake import Found, LakeAnswer
from headwater.monitoring.labels.spooling import spool, unspooled
from headwater.monitoring.labels.written import WrittenAnswer

LAKE, WRITTEN = "lake", "api"


@dataclass
class WindowCount:
    """A window's predictions as they are counted."""

    model: str
    since: datetime
    until: datetime
    known: datetime
    folder: Path
    predictions: int = 0
    labelled: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    corrected: int = 0
    early: int = 0
    files: int = 0

    def add(self, frame: pandas.DataFrame, lake: LakeAnswer, written: WrittenAnswer) -> None:
        """Count a frame."""
        columns = columns_of_labels(lake, written)
        label = columns["label"]
        self.predictions += len(frame)
        self.labelled += int((~numpy.isnan(label)).sum())
        self.sources.update(pandas.Series(columns["label_source"]).dropna().tolist())
        values = numpy.unique(label[~numpy.isnan(label)], return_counts=True)
        if set(values[0]) <= {0.0, 1.0}:
            self.classes.update({f"{value:g}": int(rows) for value, rows in zip(*values, strict=True)})
        self.states.update(columns["label_state"].tolist())
        self.conflicts += int(columns["label_conflict"].sum())
        self.corrected += int((written.by_hand.told > 1).sum())
        self.early += int(written.by_hand.early.sum())
        spool(frame, written.by_hand.first, self.folder / f"{self.files}.parquet")
        self.files += 1

    def spooled(self) -> Iterator[tuple[pandas.DataFrame, Any]]:
        """The frames again, each with when its predictions' first written labels were received."""
        for number in range(self.files):
            yield unspooled(self.folder / f"{number}.parquet")

    def coverage(self, delay: tuple[DelayPoint, ...], unmatched: int, expired: int, deleted: int) -> Coverage:
        """The counts."""
        return Coverage(
            model=self.model,
            since=self.since,
            until=self.until,
            known=self.known,
            predictions=self.predictions,
            labelled=self.labelled,
            sources=dict(sorted(self.sources.items())),
            classes=dict(sorted(self.classes.items())),
            waiting=self.states[Found.WAITING.name],
            ambiguous=self.states[Found.AMBIGUOUS.name],
            invalid=self.states[Found.INVALID.name],
            conflicts=self.conflicts,
            corrected=self.corrected,
            early=self.early,
            unmatched=unmatched,
            expired=expired,
            deleted=deleted,
            delay=delay,
            delay_reason=why_no_delay(delay, self.labelled, self.until, self.known),
        )


def columns_of_labels(lake: LakeAnswer, written: WrittenAnswer) -> dict[str, Any]:
    """The columns that `Labels.of` adds."""
    told = written.by_hand
    by_hand = told.sources >= 0
    label = numpy.where(by_hand, told.labels, lake.labels)
    names = [f"{WRITTEN}:{name}" if name else WRITTEN for name in written.names]
    in_lake = lake.found == Found.LABELLED
    # The last name is that of what has no label.
    codes = numpy.where(by_hand, told.sources, numpy.where(in_lake, len(names), len(names) + 1))
    sources = numpy.array([*names, LAKE, None], dtype=object)
    state = numpy.array([found.name for found in Found], dtype=object)
    return {
        "label": label,
        "label_source": pandas.array(sources[codes], dtype="str"),
        "labelled_at": _times(told.received, by_hand),
        "observed_at": _times(told.observed, by_hand),
        "label_conflict": told.conflict | (by_hand & in_lake & (told.labels != lake.labels)),
        "label_state": pandas.array(state[numpy.where(by_hand, Found.LABELLED.value, lake.found)], dtype="str"),
    }


def _times(moments: Any, there: Any) -> Any:
    values = moments.astype("datetime64[us]")
    values[~there] = numpy.datetime64("NaT")
    return pandas.DatetimeIndex(values).tz_localize("UTC")
