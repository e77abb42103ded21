"""Tables and views whose columns are traced."""

from __future__ import annotations

from headwater.declare import Aggregations, Feature, FeatureView, count, distinct, last, mean

TABLES = {"o": ("x", "y", "z"), "p": ("k", "c", "d")}

DELAYS = FeatureView(
    name="delays",
    entity=("origin",),
    sources=("flights",),
    aggregate=Aggregations(where="arr_delay IS NOT NULL", event_time="landed", available_time="known"),
    features=(
        Feature(name="late", aggregate=mean("arr_delay > 15", over="6h")),
        Feature(name="n", aggregate=count(over="6h")),
        Feature(name="carriers", aggregate=distinct("carrier", over="24h")),
        Feature(name="newest", kind="category", aggregate=last("carrier", over="24h")),
    ),
    ttl="24h",
)
JOINED = FeatureView(
    name="joined",
    entity=("origin",),
    sources=("flights",),
    sql="""
        SELECT origin, landed AS event_time, known AS available_time, distance * 2 AS twice,
            avg(arr_delay) OVER (PARTITION BY carrier ORDER BY landed) AS mean
        FROM flights WHERE arr_delay > -5
    """,
    features=(Feature(name="twice"), Feature(name="mean")),
    ttl="24h",
)
