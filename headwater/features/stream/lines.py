"""A streamed row as kept until its commit: a line of JSON that names its definition's keys and features."""

from __future__ import annotations

import json
from collections.abc import Sequence

from headwater.declare import Feature, FeatureView
from headwater.features.online.encoding import Known

ENTITY, FEATURES = "__entity", "__features"
"""Columns beside the view's own: the join keys of the definition that the row was sent to, joined by commas; and its
features (`mark`), each between commas."""


TEXT = "text:"
"""First character of a text feature's mark."""


def mark(feature: Feature) -> str:
    """The mark of a feature in `FEATURES`; numbers and text have different marks."""
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
