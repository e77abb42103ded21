"""Segments and importance, as training leaves them with a version."""

from __future__ import annotations

from typing import Any

import numpy
import pandas

from headwater import declare
from headwater.training.dataset import Rows
from headwater.training.describing import importance, segment_columns, segments_of
from tests.unit.declare.test_catalog import MODEL


def rows(columns: dict[str, Any], label: Any) -> Rows:
    frame = pandas.DataFrame(columns)
    return Rows(columns=frame, label=pandas.Series(label), asked=pandas.DataFrame(index=frame.index))


def test_the_31_most_frequent_values_are_segments_and_missing_ones_are_none() -> None:
    shops = [f"shop {place:03}" for place in range(1_000) for _ in range(1 + (place < 40))]
    found = segments_of(rows({"shop": [*shops, "", "", ""]}, [0] * (len(shops) + 3)), ["shop"])
    assert found == {"shop": tuple(f"shop {place:03}" for place in range(31))}


def test_columns_of_segments_are_the_model_s_columns() -> None:
    watched = declare.Monitoring(segments=("shop", "view.seller"))
    given = {**MODEL, "features": ("view.seller", "view.total"), "text_features": ("view.seller",)}
    model = declare.Model(**given, monitoring=watched)
    assert segment_columns(model) == ("shop", "view__seller")
    # A feature that was text once is no segment any more.
    assert segment_columns(model.model_copy(update={"text_features": ()})) == ("shop",)


class First:
    """A graph that looks at one column alone."""

    def predict(self, columns: pandas.DataFrame) -> Any:
        return columns["view__total"].to_numpy()


def test_a_column_that_a_model_goes_by_is_important_and_others_are_not() -> None:
    draw = numpy.random.default_rng(0)
    total = draw.random(500)
    columns = {"shop": ["n"] * 500, "at_hour": draw.random(500), "at_weekday": draw.random(500),
               "at_month": draw.random(500), "view__total": total}  # fmt: skip
    found = importance(declare.Model(**MODEL), First(), rows(columns, (total > 0.5).astype(int)))
    assert found["view__total"] > 0.4
    assert {name: value for name, value in found.items() if name != "view__total"} == dict.fromkeys(
        ("shop", "at_hour", "at_weekday", "at_month"), 0.0
    )


def test_importance_is_unknown_where_the_metric_is() -> None:
    columns = {"shop": ["n"], "at_hour": [1.0], "at_weekday": [1.0], "at_month": [1.0], "view__total": [0.5]}
    assert importance(declare.Model(**MODEL), First(), rows(columns, [1])) == {}
