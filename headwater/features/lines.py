"""A streamed row as it is kept until it is committed: a line of JSON that says by itself what it is a row of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from headwater.features.encoding import Known
from headwater.model import Feature, FeatureView

ENTITY, FEATURES = "__entity", "__features"
"""Columns beside the view's own: the join keys of the definition that the row was sent to, joined by commas; and its
features (`mark`), each between commas."""


TEXT = "text:"
"""What begins the mark of a feature that is text."""


def mark(feature: Feature) -> str:
    """A feature in `FEATURES`; another kind of values, another mark."""
    return f"{TEXT}{feature.name}" if feature.is_text else feature.name


def marks(view: FeatureView) -> tuple[str, str]:
    """`ENTITY` and `FEATURES` of a definition's rows."""
    return ",".join(view.entity), f",{','.join(map(mark, view.features))},"


def line(view: FeatureView, entity: Sequence[str | None], event: int, available: int, values: Sequence[Known]) -> str:
    """A row of a definition as it is kept.

    Parameters
    ----------
    view : FeatureView
    entity : sequence of str
        Of the join keys, in their order (`headwater.features.inputs.entity_text`).
    event, available : int
        Microseconds since 1970.
    values : sequence of float, str or None
        Of the features, in their order.
    """
    columns = {
        **dict(zip(view.entity, entity, strict=True)),
        "event_time": event,
        "available_time": available,
        **{feature.name: value for feature, value in zip(view.features, values, strict=True)},
        **dict(zip((ENTITY, FEATURES), marks(view), strict=True)),
    }
    return json.dumps(columns) + "\n"
