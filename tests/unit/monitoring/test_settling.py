"""Which of several labels counts: the quick arrays beside the rules in plain words."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy
import pytest

from headwater.monitoring.labels.settling import UNKNOWN, Met, Settled, settle


def labels(chance: numpy.random.Generator, rows: int, *, sources: int, ids: float, early: float, unsaid: float) -> Met:
    """Labels of few predictions at few moments, so that all kinds of ties happen."""
    count = int(chance.integers(1, 30))
    return Met(
        place=chance.integers(0, rows, count).astype("int32"),
        value=chance.integers(0, 2, count).astype(float),
        observed=numpy.where(chance.random(count) < unsaid, UNKNOWN, chance.integers(0, 4, count)),
        received=chance.integers(1, 5, count),
        source=chance.integers(0, sources, count),
        write=numpy.where(chance.random(count) < ids, chance.integers(0, 3, count), -1),
        number=chance.permutation(100)[:count],
        early=chance.random(count) < early,
    )


def said_plainly(met: Met, rows: int) -> list[dict[str, Any]]:
    """The rules of decision 118, one prediction after the other."""
    by_place: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in zip(*(column.tolist() for column in met), strict=True):
        by_place[row[0]].append(dict(zip(Met._fields, row, strict=True)))
    answers = []
    for place in range(rows):
        seen, once = set(), []
        for one in sorted(by_place[place], key=lambda one: (one["received"], one["number"])):
            same = one["write"] if one["write"] >= 0 else (one["value"], one["observed"], one["source"])
            if same not in seen:
                seen.add(same)
                once.append(one | {"at": one["received"] if one["observed"] == UNKNOWN else one["observed"]})
        counting = sorted((one for one in once if not one["early"]), key=lambda one: (one["at"], one["received"],
                                                                                     one["number"]))  # fmt: skip
        last = counting[-1] if counting else {"value": math.nan, "source": -1, "at": 0, "received": 0}
        answers.append({
            "labels": last["value"], "sources": last["source"], "observed": last["at"], "received": last["received"],
            "first": min((one["received"] for one in counting), default=0), "told": len(counting),
            "conflict": len(set({one["source"]: one["value"] for one in counting}.values())) > 1,
            "early": len(once) - len(counting),
        })  # fmt: skip
    return answers


@pytest.mark.parametrize(
    "kinds",
    [
        {"sources": 1, "ids": 0.0, "early": 0.0, "unsaid": 0.0},
        {"sources": 3, "ids": 0.0, "early": 0.0, "unsaid": 0.0},
        {"sources": 2, "ids": 0.4, "early": 0.0, "unsaid": 0.3},
        {"sources": 3, "ids": 0.2, "early": 0.3, "unsaid": 0.2},
        {"sources": 1, "ids": 0.0, "early": 1.0, "unsaid": 0.0},
    ],
)
def test_the_arrays_say_what_the_rules_say(kinds: dict[str, Any]) -> None:
    for seed in range(60):
        chance = numpy.random.default_rng(seed)
        rows = int(chance.integers(1, 8))
        met = labels(chance, rows, **kinds)
        # A label isn't early and in time at once: whether it is follows from its moment and its prediction.
        met = met._replace(early=met.early.all() | (numpy.where(met.observed == UNKNOWN, 9, met.observed) < 1)
                           if kinds["early"] else met.early)  # fmt: skip
        found = settle(met, rows)
        told = said_plainly(met, rows)
        for name in Settled._fields:
            expected = numpy.array([answer[name] for answer in told], dtype=float)
            got = getattr(found, name).astype(float)
            assert numpy.array_equal(got, expected, equal_nan=True), (seed, name, got, expected)
