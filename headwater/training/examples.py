"""Examples as requests of the past would have carried them: each value exact, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import duckdb
import pandas

from headwater.declare import Model, RequestInput
from headwater.features.errors import InvalidInput
from headwater.features.inputs import encode_value, shown
from headwater.lake.database import quoted
from headwater.training.errors import InvalidExamples
from headwater.training.types import ASKED, LABEL

MOST_SHOWN = 3
"""Examples that a refusal tells of."""

Reader = Callable[[str], Any]
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(_WHOLE, int),
    "DECIMAL": Decimal,
    "BOOLEAN": lambda text: text == "true",
    "UUID": str,
    "ENUM": str,
}


@dataclass(frozen=True)
class Asked:
    """Examples in memory, in their order.

    pandas turns whole numbers beside a missing one, decimals and large integers into float64, so inputs and the label
    of such types travel as text, and ``readers`` say what each text stands for.
    """

    frame: pandas.DataFrame
    readers: Mapping[str, Reader]

    @classmethod
    def of(cls, model: Model, relation: duckdb.DuckDBPyRelation) -> Self:
        """Read the examples, features included."""
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        named = {entry.name for entry in model.inputs} | {model.examples.label}
        readers = {
            name: _READERS[kind.partition("(")[0]]
            for name, kind in types.items()
            if name in named and kind.partition("(")[0] in _READERS
        }
        texts = ", ".join(f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" for name in readers)
        return cls(relation.project(f"* REPLACE ({texts})" if texts else "*").df(), readers)

    def value(self, name: str, held: Any) -> Any:
        """The value of a cell in column ``name``; None if the cell is missing."""
        if held is None or held is pandas.NA or (isinstance(held, float) and name in self.readers):
            return None
        return self.readers[name](held) if name in self.readers else held


def encoded(model: Model, asked: Asked, frame: pandas.DataFrame) -> pandas.DataFrame:
    """The training set of some of the examples: the model's columns, label, ``asked_at`` and timestamps as given.

    Raises
    ------
    InvalidExamples
        A value that no request could carry, a required input that is missing, or a label that isn't one.
    """
    columns: dict[str, Any] = {}
    for entry in model.inputs:
        columns |= _columns(model, entry, asked, frame)
    for name in (reference.replace(".", "__") for reference in model.features):
        # Missing text is empty, as that of an input.
        is_text = name in model.categories
        columns[name] = frame[name].astype(object).fillna("") if is_text else frame[name].astype("float64")
    columns[LABEL] = _label(model, asked, frame)
    if ASKED in frame.columns:
        columns[ASKED] = frame[ASKED].astype("datetime64[us]")
    for entry in model.inputs:
        if entry.kind == "timestamp" and entry.name != ASKED:
            columns[entry.name] = frame[entry.name]
    return pandas.DataFrame(columns, index=frame.index)


def _columns(model: Model, entry: RequestInput, asked: Asked, frame: pandas.DataFrame) -> Mapping[str, Any]:
    """A column's values by `encode_value`, asked once for each different value."""
    codes, distinct = pandas.factorize(frame[entry.name], use_na_sentinel=False)
    made: list[tuple[Any, ...]] = []
    refused: dict[int, str] = {}
    nothing = encode_value(entry, None)
    for number, held in enumerate(distinct):
        value = asked.value(entry.name, held)
        try:
            made.append(encode_value(entry, value))
        except InvalidInput as error:
            refused[number] = error.message
            made.append(nothing)
            continue
        if entry.required and all(column == "" or column != column for column in made[-1]):
            refused[number] = f"{entry.name}: missing, but every request must carry it"
    if refused:
        places = [place for place, code in enumerate(codes) if code in refused]
        raise InvalidExamples(
            f"model {model.name!r}: {len(places):,} of {len(frame):,} examples hold what no request could: "
            f"{refused[codes[places[0]]]}. {_rows(model, asked, frame, places)}",
            next_steps=[
                f"leave them out by a WHERE in the SQL of the examples, or declare input {entry.name} as what it holds"
                + (" (required=False lets it be missing)" if entry.required else "")
            ],
        )
    return {name: [made[code][place] for code in codes] for place, name in enumerate(entry.columns)}


def _rows(model: Model, asked: Asked, frame: pandas.DataFrame, places: list[int]) -> str:
    """The first examples of a kind, by their place among all and their inputs."""
    told = []
    for place in places[:MOST_SHOWN]:
        row = frame.iloc[place]
        names = [*([ASKED] if ASKED in frame.columns else []), *(entry.name for entry in model.inputs[:5])]
        values = ", ".join(f"{name} {_words(asked.value(name, row[name]))}" for name in dict.fromkeys(names))
        told.append(f"example {int(frame.index[place]) + 1:,} ({values})")
    return "; ".join(told) + (" ..." if len(places) > MOST_SHOWN else "")


def _words(value: Any) -> str:
    if value is None or value is pandas.NaT or value != value:
        return "missing"
    return str(value) if isinstance(value, pandas.Timestamp) else shown(value)


def _label(model: Model, asked: Asked, frame: pandas.DataFrame) -> pandas.Series[Any]:
    """The label as a number: never guessed from text, and of a classifier exactly 0 or 1."""
    name = model.examples.label
    codes, distinct = pandas.factorize(frame[name])
    wanted = "0 or 1, or true or false" if model.task == "classification" else "a finite number"
    made: list[float] = []
    for code, held in enumerate(distinct):
        value = asked.value(name, held)
        number = _number(value)
        right = number in (0, 1) if model.task == "classification" else abs(number) <= 3e38
        if not right:
            places = [place for place, other in enumerate(codes) if other == code]
            raise InvalidExamples(
                f"model {model.name!r}: label {name!r} holds {shown(value)} in {len(places):,} of {len(frame):,} "
                f"examples, expected {wanted}. {_rows(model, asked, frame, places)}",
                next_steps=[f"say in the SQL of the examples which number it stands for, as {name}"],
            )
        made.append(float(number))
    kind = "int64" if model.task == "classification" else "float64"
    return pandas.Series([made[code] for code in codes], index=frame.index, dtype=kind)


def _number(value: Any) -> Any:
    """A number as it is; NaN for what isn't one, so that no comparison holds."""
    try:
        is_text = isinstance(value, str | bytes)
        return float("nan") if is_text else value if isinstance(value, int | Decimal) else float(value)
    except (TypeError, ValueError):
        return float("nan")
