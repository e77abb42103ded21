"""How the verification's model is fitted: its label is a linear function of the columns, so the answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from headwater.verification import UNIT

if TYPE_CHECKING:
    import pandas


def fit(params: Mapping[str, Any], inputs: pandas.DataFrame, label: pandas.Series[Any]) -> Pipeline:
    """Fit a straight line through the numbers of ``inputs``; a missing number becomes the column's mean."""
    del params
    numbers = ColumnTransformer([("unit", "drop", [UNIT])], remainder=SimpleImputer())
    return Pipeline([("numbers", numbers), ("line", LinearRegression())]).fit(inputs, label)
