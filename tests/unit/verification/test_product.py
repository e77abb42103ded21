"""The library's own product is whole, known to functions, and in nobody's way."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pandas
import pytest
from pandera.errors import SchemaErrors

from headwater.checking import ProductProblems, checked_catalog, problems
from headwater.declare import catalog, load_catalog, product_of
from headwater.deployed import deployed_catalog
from headwater.verification import MODEL, SOURCE, UNIT, VIEW, product
from headwater.verification.contracts import ROWS
from headwater.verification.rows import BAD_ROW, ROWS_PER_UNIT, UNITS, Sample, answer
from headwater.verification.train import fit

SAMPLE = Sample("0a1b2c3d", datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC))


def test_the_product_passes_the_checks_of_any_product() -> None:
    assert problems(catalog([product_of(product)])) == []


def test_functions_know_the_product_beside_the_projects_own() -> None:
    own, deployed = load_catalog(), deployed_catalog()
    assert deployed.models.keys() - own.models.keys() == {MODEL}
    assert deployed.sources.keys() - own.sources.keys() == {SOURCE}
    assert deployed.views.keys() - own.views.keys() == {VIEW}


def test_a_bundle_without_the_product_has_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "headwater.deployed.find_spec", lambda name: None if name == "headwater.verification" else found(name)
    )
    assert deployed_catalog() == load_catalog()


def test_a_project_may_not_use_the_reserved_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine" / "rows"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "product.py").write_text(
        "from headwater.declare import Source\n"
        'ROWS = Source(name="headwater_verify_more", contract="headwater.verification.contracts:ROWS")\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ProductProblems, match=r"headwater_verify_more.*those of headwater verify"):
        checked_catalog("mine")


def test_a_samples_rows_keep_the_contract_but_for_the_bad_one(tmp_path: Path) -> None:
    frames = []
    for name in ("good", "bad"):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(SAMPLE.good_file if name == "good" else SAMPLE.bad_file)
        frames.append(pandas.read_csv(path, parse_dates=["happened_at"]))
    assert len(ROWS.validate(frames[0])) == UNITS * ROWS_PER_UNIT
    with pytest.raises(SchemaErrors) as raised:
        ROWS.validate(frames[1], lazy=True)
    assert list(raised.value.failure_cases["index"]) == [BAD_ROW - 1]


def test_no_row_is_later_than_the_verification_and_the_same_id_gives_the_same_rows() -> None:
    assert max(row.at for row in SAMPLE.rows) < SAMPLE.now
    assert Sample(SAMPLE.run_id, SAMPLE.now).rows == SAMPLE.rows
    other = Sample("another", SAMPLE.now)
    assert not set(other.units) & set(SAMPLE.units)


def test_the_model_learns_the_answer_that_is_known() -> None:
    rows = [
        (unit, row.size, before.level, row.outcome)
        for unit in SAMPLE.units
        for before, row in zip(
            [one for one in SAMPLE.rows if one.unit == unit],
            [one for one in SAMPLE.rows if one.unit == unit][1:],
            strict=False,
        )
    ]
    frame = pandas.DataFrame(rows, columns=[UNIT, "size", f"{VIEW}__level", "outcome"])
    fitted = fit({}, frame.drop(columns="outcome"), frame["outcome"])
    asked = pandas.DataFrame([("new", 42.0, 17.0)], columns=[UNIT, "size", f"{VIEW}__level"])
    assert fitted.predict(asked)[0] == pytest.approx(answer(42, 17))
