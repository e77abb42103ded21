"""Which definitions are the same: by what they do, not by how they are written."""

from __future__ import annotations

import subprocess
import sys

import pandas
import pandera.pandas as pa

from headwater.declare import Source
from headwater.lake.definitions import definition_of
from tests.unit.lake.world import READINGS, READINGS_SOURCE

OTHER = READINGS.update_columns({"level": {"nullable": True}})
LIMIT = 3


def small(values: pandas.Series[int]) -> pandas.Series[bool]:
    return values < LIMIT


def few(values: pandas.Series[int]) -> pandas.Series[bool]:
    return small(values)


CHECKED = pa.DataFrameSchema({"level": pa.Column(int, pa.Check(few))})
LAMBDA = pa.DataFrameSchema({"level": pa.Column(int, pa.Check(lambda values: values > 1))})
LAMBDA_2 = pa.DataFrameSchema({"level": pa.Column(int, pa.Check(lambda values: values > 2))})


class Model(pa.DataFrameModel):
    level: int = pa.Field(ge=0)

    @pa.check("level")
    def even(cls, values: pandas.Series[int]) -> pandas.Series[bool]:  # noqa: N805 - pandera's own way
        return values % 2 == 0


def digest(contract: object, name: str = "SCHEMA") -> str:
    """The digest of a source whose contract is ``contract``."""
    setattr(sys.modules[__name__], name, contract)
    return definition_of(Source(name="readings", contract=f"{__name__}:{name}")).digest


def columns(**changes: object) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"level": pa.Column(int, **changes)})  # type: ignore[arg-type]


def test_each_rule_of_a_contract_counts_and_titles_do_not() -> None:
    rules = [
        columns(), columns(nullable=True), columns(coerce=True), columns(required=False), columns(unique=True),
        columns(checks=pa.Check.ge(0)), columns(checks=pa.Check.ge(1)), columns(checks=pa.Check.isin([1, 2])),
        columns(checks=pa.Check.ge(0, ignore_na=False)), columns(default=0),
        pa.DataFrameSchema({"level": pa.Column(float)}), pa.DataFrameSchema({"level": pa.Column(pa.Int32)}),
        pa.DataFrameSchema({"level": pa.Column(int)}, coerce=True), CHECKED, LAMBDA, LAMBDA_2, Model,
        pa.DataFrameSchema({"level": pa.Column(int)}, strict="filter"),
        pa.DataFrameSchema({"level": pa.Column(int)}, checks=pa.Check(lambda rows: rows["level"] > 0)),
    ]  # fmt: skip
    digests = [digest(rule) for rule in rules]
    assert len(set(digests)) == len(digests)
    assert digest(columns(title="a", description="b")) == digests[0]
    assert digest(columns(checks=pa.Check.ge(0, title="at least"))) == digests[5]


def test_what_a_check_calls_and_the_constants_that_it_uses_count() -> None:
    module = sys.modules[__name__]
    before = digest(CHECKED)
    known, limit = module.small, module.LIMIT
    try:
        module.LIMIT = 4
        other = digest(CHECKED)
        module.LIMIT, module.small = limit, lambda values: values < 9
        third = digest(CHECKED)
    finally:
        module.small, module.LIMIT = known, limit
    assert len({before, other, third}) == 3
    assert digest(CHECKED) == before


def test_another_process_finds_the_same_digest() -> None:
    names = ("CHECKED", "LAMBDA", "Model", "OTHER")
    program = (
        "from headwater.lake.definitions import definition_of\n"
        "from headwater.declare import Source\n"
        f"for name in {names}:\n"
        f"    source = Source(name='readings', contract='{__name__}:' + name)\n"
        "    print(definition_of(source).digest)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    ).stdout
    here = [definition_of(Source(name="readings", contract=f"{__name__}:{name}")).digest for name in names]
    assert said.split() == here


def test_a_definition_tells_its_columns_in_words() -> None:
    told = definition_of(READINGS_SOURCE)
    assert told.columns["level"] == "int64 in_range"
    assert told.columns["note"].endswith("nullable")
    assert "description" not in told.declared
