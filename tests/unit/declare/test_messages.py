"""What a person reads after a slip of the pen in a product: what was meant, never pydantic's words for it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from headwater.declare import Examples, Holdout, Model, Source, number
from headwater.declare.base import Declaration
from headwater.declare.locations import of_validation


@pytest.mark.parametrize(
    ("declaration", "fields", "line"),
    [
        (
            Source,
            {"name": "rows", "contract": "a:b", "max_reject": 0.05},
            "Source.max_reject: there is no such field; did you mean max_rejected?",
        ),
        (Holdout, {"share": 0.2, "colour": "red"}, "Holdout.colour: there is no such field"),
        (
            Examples,
            {"sources": "rows", "sql": "SELECT 1 AS y", "label": "y"},
            "Examples.sources: expected several, in parentheses; of one alone a comma comes behind it: (one,)",
        ),
        (
            Source,
            {"name": "My-Rows", "contract": "a:b"},
            "Source.name: expected lower-case letters, digits and underscores, a letter first, at most 48 characters, "
            "got 'My-Rows'",
        ),
    ],
)
def test_a_slip_is_answered_in_one_line_with_what_was_meant(
    declaration: type[Declaration], fields: dict[str, object], line: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        declaration(**fields)
    assert of_validation(caught.value) == [line]


def test_one_input_without_its_comma_is_one_problem() -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"name": "basket", "inputs": number("items")})
    told = [line for line in of_validation(caught.value) if line.startswith("Model.inputs")]
    assert told == ["Model.inputs: expected several, in parentheses; of one alone a comma comes behind it: (one,)"]
