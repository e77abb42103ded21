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
    """Whether it was observed before the moment that was asked about."""

    def some(self, which: Any) -> Self:
        """Some of the entries."""
        return type(self)(*(column[which] for column in self))


class Settled(NamedTuple):
    """What counts, one entry a prediction that met a label."""

    place: Array
    value: Array
    source: Array
    """-1 if none of its labels counts."""
    observed: Array
    received: Array
    first: Array
    told: Array
    conflict: Array
    early: Array


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
    counts = numpy.bincount(met.place, minlength=rows)
    alone = counts[met.place] == 1
    if alone.all():
        return _alone(met)
    several = _several(_once(met.some(~alone)))
    return Settled(*map(numpy.concatenate, zip(_alone(met.some(alone)), several, strict=True)))


def _alone(met: Met) -> Settled:
    observed = numpy.where(met.observed == UNKNOWN, met.received, met.observed)
    value = numpy.where(met.early, numpy.nan, met.value)
    source = numpy.where(met.early, -1, met.source)
    told = (~met.early).astype("int64")
    nobody = numpy.zeros(len(met.place), dtype=bool)
    early = met.early.astype("int64")
    return Settled(met.place, value, source, observed, met.received, met.received, told, nobody, early)


def _once(met: Met) -> Met:
    """Each label once, as it was received first."""
    has_id = met.write >= 0
    value, observed, source = (numpy.where(has_id, 0, part) for part in (met.value, met.observed, met.source))
    identity = (met.place, met.write, value, observed, source)
    order = numpy.lexsort((met.number, met.received, *reversed(identity)))
    return met.some(order[_starts(*(part[order] for part in identity))])


def _several(met: Met) -> Settled:
    places, start = numpy.unique(met.place, return_index=True)
    early = numpy.add.reduceat(met.early.astype("int64"), start)
    made = Settled(
        places, numpy.full(len(places), numpy.nan), numpy.full(len(places), -1), *_zeros(len(places), 4),
        numpy.zeros(len(places), dtype=bool), early,
    )  # fmt: skip
    met = met.some(~met.early)
    if not len(met.place):
        return made
    observed = numpy.where(met.observed == UNKNOWN, met.received, met.observed)
    order = numpy.lexsort((met.number, met.received, observed, met.place))
    first = numpy.flatnonzero(_starts(met.place[order]))
    last = order[numpy.append(first[1:], len(order)) - 1]
    at = numpy.searchsorted(places, met.place[last])
    for name in ("value", "source", "received"):
        getattr(made, name)[at] = getattr(met, name)[last]
    made.observed[at] = observed[last]
    made.first[at] = numpy.minimum.reduceat(met.received[order], first)
    made.told[at] = numpy.diff(numpy.append(first, len(order)))
    # The latest label of each source.
    order = numpy.lexsort((met.number, met.received, observed, met.source, met.place))
    starts = numpy.flatnonzero(_starts(met.place[order], met.source[order]))
    latest = order[numpy.append(starts[1:], len(order)) - 1]
    first = numpy.flatnonzero(_starts(met.place[latest]))
    value = met.value[latest]
    made.conflict[at] = numpy.minimum.reduceat(value, first) != numpy.maximum.reduceat(value, first)
    return made


def _zeros(rows: int, count: int) -> list[Array]:
    return [numpy.zeros(rows, dtype="int64") for _ in range(count)]


def _starts(*columns: Array) -> Array:
    """Where a group of equal sorted entries begins."""
    found: Array = numpy.ones(len(columns[0]), dtype=bool)
    found[1:] = numpy.any([column[1:] != column[:-1] for column in columns], axis=0)
    return found
