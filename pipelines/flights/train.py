"""How the delay model is fitted: scikit-learn's own steps only, for the result is compiled to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

if TYPE_CHECKING:
    import pandas

CATEGORIES = ["carrier", "origin", "dest"]


def fit(params: Mapping[str, Any], inputs: pandas.DataFrame, label: pandas.Series[Any]) -> Pipeline:
    """Fit gradient-boosted trees, which take missing numbers as they are.

    Parameters
    ----------
    params : mapping
        One choice from the model's search space.
    inputs : DataFrame
        The request inputs' columns, and the features' unless they are left out for comparison.
    label : Series
        1 for a flight that arrived late.
    """
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("categories", codes, CATEGORIES)], remainder="passthrough")
    learn = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0, **params)
    return Pipeline([("encode", encode), ("learn", learn)]).fit(inputs, label)
