"""Which of several written labels of a prediction counts: plain arrays, no order of arrival matters."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy

Array = numpy.ndarray[Any, numpy.dtype[Any]]


class Met(NamedTuple):
    """Labels that met predictions, one an entry. Times are microseconds since 1970."""

    place: Array
    """The prediction's place."""
    value: Array
    observed: Array
    """`UNKNOWN` if the label doesn't say."""
    received: Array
    source: Array
    """Codes."""
    write: Array
    """Codes of write ids; -1 without one."""
    number: Array
    """The label's own number: it decides between equal moments."""
    early: Array
    """True if the label was observed before the moment that was asked about."""

    def some(self, which: Any) -> Self:
        """Some of the entries."""
        return type(self)(*(column[which] for column in self))

    def by_place(self) -> Self:
        """The entries in the order of their places, those of one place as they were."""
        # Sorted numbers of 64 bits give a stable order in a fraction of the time that a stable sort of it takes.
        keys = (self.place.astype("int64") << 32) | numpy.arange(len(self.place))
        return self.some(numpy.sort(keys) & 0xFFFFFFFF)


class Settled(NamedTuple):
    """The labels that count, one entry a prediction, in their order."""

    labels: Array
    """float64, NaN without a label that counts."""
    sources: Array
    """Codes, -1 without one."""
    observed: Array
    received: Array
    """When the label that counts was received first."""
    first: Array
    """When the first label of the prediction was received."""
    told: Array
    """Labels that count or that a later one replaced, the same one once."""
    conflict: Array
    """Whether two sources' latest labels differ."""
    early: Array
    """Labels that were observed before the moment that was asked about: none of them counts."""

    @classmethod
    def nothing(cls, rows: int) -> Self:
        """The answer of predictions without any label."""
        observed, received, first, told, early = (numpy.zeros(rows, dtype="int64") for _ in range(5))
        nobody, differs = numpy.full(rows, -1, dtype="int64"), numpy.zeros(rows, dtype=bool)
        return cls(numpy.full(rows, numpy.nan), nobody, observed, received, first, told, differs, early)


UNKNOWN = numpy.iinfo("int64").min


def settle(met: Met, rows: int) -> Settled:
    """The label that counts of each prediction.

    Of labels with one write id the first counts, and of labels that say the same. Of what is left the one that was
    observed last counts, of equal moments the one received last. Labels observed too early don't count.

    Parameters
    ----------
    met : Met
    rows : int
        How many predictions there are.
    """
    made = Settled.nothing(rows)
    if not len(met.place):
        return made
    counts = numpy.bincount(met.place, minlength=rows)
    # NumPy would convert other positions each time that they are used.
    place = met.place.astype(numpy.intp, copy=False)
    # What several labels stand at is written once more below.
    made.labels[place] = met.value
    made.observed[place] = _observed(met)
    made.received[place] = met.received
    made.sources[place] = met.source
    numpy.minimum(counts, 1, out=made.told)
    if met.early.any():
        early = place[met.early]
        made.labels[early], made.sources[early] = numpy.nan, -1
        made.observed[early] = made.received[early] = made.told[early] = 0
        made.early[early] = 1
    made.first[:] = made.received
    several = numpy.flatnonzero((counts > 1)[place])
    if len(several):
        _several(_once(met.some(several).by_place()), made)
    return made


def _observed(met: Met) -> Array:
    """When each label was observed: at its receipt if it doesn't say."""
    unknown = met.observed == UNKNOWN
    return numpy.where(unknown, met.received, met.observed) if unknown.any() else met.observed


def _once(met: Met) -> Met:
    """Each label once, as it was received first."""
    if (met.write < 0).all() and _ascends(met.place, met.observed):
        # No two say that they were observed at one moment, so no two are the same.
        return met
    order = numpy.lexsort((met.observed, met.place))
    if (met.write < 0).all() and _starts(met.place[order], met.observed[order]).all():
        return met.some(order)
    has_id = met.write >= 0
    value, observed, source = (numpy.where(has_id, 0, part) for part in (met.value, met.observed, met.source))
    identity = (met.place, met.write, value, observed, source)
    order = numpy.lexsort((met.number, met.received, *reversed(identity)))
    return met.some(order[_starts(*(part[order] for part in identity))])


def _several(met: Met, made: Settled) -> None:
    """Settle the places of several labels."""
    places = met.place
    made.early[places] = 0
    numpy.add.at(made.early, places[met.early], 1)
    made.labels[places], made.sources[places] = numpy.nan, -1
    for column in (made.observed, made.received, made.first, made.told):
        column[places] = 0
    if met.early.any():
        met = met.some(~met.early)
    if not len(met.place):
        return
    observed = _observed(met)
    if not _ascends(met.place, observed):
        order = numpy.lexsort((met.number, met.received, observed, met.place))
        met, observed = met.some(order), observed[order]
    first = numpy.flatnonzero(_starts(met.place))
    last = numpy.append(first[1:], len(met.place)) - 1
    at = met.place[last]
    made.labels[at], made.sources[at] = met.value[last], met.source[last]
    made.observed[at], made.received[at] = observed[last], met.received[last]
    made.first[at] = numpy.minimum.reduceat(met.received, first)
    made.told[at] = numpy.diff(numpy.append(first, len(met.place)))
    if (met.source == met.source[0]).all():
        # A source that corrects itself is in no conflict.
        return
    # The latest label of each source.
    order = numpy.lexsort((met.source, met.place))
    starts = numpy.flatnonzero(_starts(met.place[order], met.source[order]))
    latest = order[numpy.append(starts[1:], len(order)) - 1]
    first = numpy.flatnonzero(_starts(met.place[latest]))
    value = met.value[latest]
    made.conflict[at] = numpy.minimum.reduceat(value, first) != numpy.maximum.reduceat(value, first)


def _ascends(place: Array, observed: Array) -> bool:
    """Whether labels are in the order of places, and those of one place were each observed after the one before."""
    step = place[1:] - place[:-1]
    return bool(((step > 0) | ((step == 0) & (observed[1:] > observed[:-1]))).all())


def _starts(*columns: Array) -> Array:
    """Where a group of equal sorted entries begins."""
    found: Array = numpy.ones(len(columns[0]), dtype=bool)
    found[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        found[1:] |= column[1:] != column[:-1]
    return found
