"""Features in Python: a table in, the same kind of table out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy
import pandas
import pyarrow
import pytest

from headwater.client import Stack, connect
from headwater.client.errors import BadFrame
from headwater.declare import InvalidProduct
from headwater.features.errors import NeverMaterialised, UnknownFeature, UnknownView
from tests.unit.features.shop import NOW, SECOND, fill
from tests.unit.lake.world import new_world

WANTED = ["last_sale.amount", "last_sale.thrice"]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with new_world(monkeypatch) as world:
        fill(world)
        yield connect("dev")


def test_online_values_come_with_status_and_age_in_the_frame_s_own_kind(stack: Stack) -> None:
    frame = pandas.DataFrame({"note": ["x", "y", "z", "w"], "shop": ["a", "b", None, "nowhere"]}, index=[7, 8, 9, 7])
    seen = stack.features.online(frame, WANTED, as_of=NOW)
    assert list(seen.columns) == [
        "note", "shop", "last_sale__amount", "last_sale__thrice", "last_sale__status", "last_sale__age_seconds",
    ]  # fmt: skip
    assert list(seen.index) == [7, 8, 9, 7]
    assert seen["last_sale__status"].tolist() == ["FOUND", "FOUND", "MISSING", "MISSING"]
    numpy.testing.assert_equal(seen["last_sale__thrice"].to_numpy(), [90.0, numpy.nan, numpy.nan, numpy.nan])
    assert seen["last_sale__age_seconds"].tolist()[:2] == [6.5 * 3600, 5.5 * 3600]
    assert list(frame.columns) == ["note", "shop"]

    arrow = stack.features.online(pyarrow.table({"shop": ["a", "b"]}), WANTED[:1], as_of=NOW + timedelta(hours=2))
    assert arrow.schema.field("last_sale__amount").type == pyarrow.float64()
    assert arrow.column("last_sale__status").to_pylist() == ["EXPIRED", "FOUND"]

    (row,) = stack.features.online([{"shop": "c", "more": 1}], WANTED[:1], as_of=NOW)
    assert row == {
        "shop": "c", "more": 1, "last_sale__amount": 60.0, "last_sale__status": "FOUND",
        "last_sale__age_seconds": 4.5 * 3600,
    }  # fmt: skip
    assert stack.features.online([], WANTED) == []
    nobody = stack.features.online(pyarrow.table({"shop": pyarrow.array([], pyarrow.string())}), WANTED)
    assert nobody.schema.field("last_sale__status").type == pyarrow.string()


def test_what_can_not_be_looked_up_is_refused_with_what_there_is(stack: Stack) -> None:
    online = stack.features.online
    with pytest.raises(BadFrame, match="lacks shop; its columns are store"):
        online(pandas.DataFrame({"store": ["a"]}), WANTED)
    with pytest.raises(BadFrame, match=r"builtins.dict is no table"):
        online({"shop": "a"}, WANTED)
    with pytest.raises(BadFrame, match="name at least one feature"):
        online([{"shop": "a"}], "last_sale.amount")
    with pytest.raises(UnknownFeature, match=r"no feature 'last_sale.amonut'; did you mean last_sale.amount"):
        online([{"shop": "a"}], ["last_sale.amonut"])
    with pytest.raises(UnknownView, match="did you mean 'last_sale'"):
        online([{"shop": "a"}], ["last_sales.amount"])
    with pytest.raises(NeverMaterialised):
        online([{"shop": "a"}], ["unseen.amount"])


def test_the_client_finds_what_the_command_finds(stack: Stack) -> None:
    features = stack.features
    assert [entry.view for entry in features.list()] == ["last_sale", "unseen"]
    assert features.show("last_sale").definition.view == SECOND
    assert features.stats("last_sale").materialisation.at == NOW
    assert features.diff("last_sale").after.version == SECOND.version
    assert features.lineage("last_sale").uses[0].model == "habit"
    assert features.search("thrice").hits[0].name == "last_sale.thrice"
    assert isinstance(features.list()[0].newest_event, datetime)


def test_a_training_set_comes_in_the_frame_s_own_kind_with_its_own_columns_untouched(stack: Stack) -> None:
    frame = pandas.DataFrame(
        {
            "asked_at": [NOW, NOW.replace(hour=3, minute=30)],
            "shop": ["c", "b"],
            "label": pandas.array([1, None], "Int64"),
        },
        index=["x", "x"],
    )
    made = stack.features.historical(frame, WANTED)
    assert list(made.columns) == ["asked_at", "shop", "label", "last_sale__amount", "last_sale__thrice"]
    assert list(made.index) == ["x", "x"]
    assert made["label"].dtype == "Int64"
    assert made["last_sale__thrice"].tolist() == [180.0, 6.0]
    rows = [{"shop": "a", "asked_at": NOW.replace(hour=5)}]
    assert stack.features.historical(rows, WANTED[:1]) == [{**rows[0], "last_sale__amount": 30.0}]
    table = stack.features.historical(pyarrow.Table.from_pylist(rows), WANTED[:1])
    assert table.column_names == ["shop", "asked_at", "last_sale__amount"]


def test_another_definition_can_be_tried_without_being_declared(stack: Stack) -> None:
    rows = [{"shop": "a", "asked_at": NOW}]
    tried = SECOND.model_copy(update={"ttl": timedelta(hours=6)})
    assert stack.features.historical(rows, WANTED[:1])[0]["last_sale__amount"] == 30.0
    assert stack.features.historical(rows, WANTED[:1], views=[tried])[0]["last_sale__amount"] is None
    assert stack.features.show("last_sale").definition.view == SECOND
    other = SECOND.model_copy(update={"sources": ("other",)})
    with pytest.raises(InvalidProduct, match="unknown source 'other'"):
        stack.features.historical(rows, WANTED[:1], views=[other])
