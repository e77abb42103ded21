"""A product's sample is read as ingestion and training read it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas
import pandera.pandas as pa
import pytest

from headwater import declare
from headwater.checking.rows import curated_sample
from headwater.checking.sample import ingested_sample, sampled_training_set
from headwater.errors import InvalidRequest

SAMPLE = "customer,sold,amount\n00001,20260101,1.5\n00001,20260103,2.5\n00002,20260104,4\n"


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> declare.Product:
    module = ModuleType("sampled_contracts")
    module.__file__ = str(tmp_path / "contracts.py")
    vars(module)["ROWS"] = pa.DataFrameSchema(
        {
            "customer": pa.Column(str, pa.Check.str_matches("^[0-9]{5}$")),
            "sold": pa.Column(pandas.DatetimeTZDtype(unit="us", tz="UTC")),
            "amount": pa.Column(float),
        }
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "sample.csv").write_text(SAMPLE)
    source = declare.Source(name="sales", contract="sampled_contracts:ROWS", event_time="sold")
    window = declare.count(over="9d")
    view = declare.FeatureView(
        name="habits", entity=("customer",), sources=("sales",), aggregate=declare.Aggregations(), ttl="9d",
        features=(declare.Feature(name="sales_9d", aggregate=window),),
    )  # fmt: skip
    model = declare.Model(
        name="dear", task="classification", inputs=(declare.category("customer"),),
        features=("habits.sales_9d",), on_demand=(declare.OnDemand(name="twice", sql="habits.sales_9d * 2"),),
        examples=declare.Examples(
            sources=("sales",), label="dear",
            sql="SELECT customer, sold AS asked_at, CAST(amount > 2 AS INTEGER) AS dear FROM sales ORDER BY sold",
        ),
        train="x:y", holdout=declare.Holdout(share=0.5), gates=(declare.Gate(metric="roc_auc", at_least=0.5),),
    )  # fmt: skip
    return declare.Product(sources=(source,), views=(view,), models=(model,))


def test_identifiers_keep_their_zeros_and_compact_dates_are_dates(product: declare.Product, tmp_path: Path) -> None:
    made = ingested_sample(product.sources[0], tmp_path)
    assert (made.rows_out, made.reasons) == (3, ())


def test_the_training_set_has_features_as_they_were_known_and_on_demand_ones(product: declare.Product) -> None:
    known = declare.catalog([product])
    columns, label = sampled_training_set(known, known.model("dear"))
    assert columns["customer"].tolist() == ["00001", "00001", "00002"]
    assert columns["habits__sales_9d"].fillna(-1).tolist() == [-1, 1, -1]
    assert columns["twice"].fillna(-1).tolist() == [-1, 2, -1]
    assert label.tolist() == [0, 1, 1]


def test_a_source_without_a_sample_is_named(product: declare.Product, tmp_path: Path) -> None:
    (tmp_path / "sample.csv").write_text("another\n1\n")
    with pytest.raises(InvalidRequest, match=r"'sales': expected a sample\.csv"):
        ingested_sample(product.sources[0], tmp_path)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (SAMPLE.replace(",", ";").replace(".5", ",5"), {"encoding": "utf-16", "decimal": ","}),
        ("made by hand\n" + SAMPLE.replace(",", "|"), {"skiprows": 1, "delimiter": "|"}),
        (SAMPLE.partition("\n")[2], {"names": ("customer", "sold", "amount")}),
        ("\ufeff" + SAMPLE, {}),
    ],
)
def test_a_sample_is_written_as_its_source_declares(
    text: str, written: dict[str, object], product: declare.Product, tmp_path: Path
) -> None:
    source = product.sources[0].model_copy(update=written)
    (tmp_path / "sample.csv").write_bytes(text.encode(source.encoding))
    (tmp_path / "made").mkdir()
    made = ingested_sample(source, tmp_path / "made")
    assert (made.rows_out, made.reasons) == (3, ())
    curated = curated_sample(source, tmp_path / "sample.csv", tmp_path / "made")
    assert curated is not None
    assert pandas.read_parquet(curated)["amount"].tolist() == [1.5, 2.5, 4.0]
