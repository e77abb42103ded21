"""The declarations of a model product, in ``pipelines/<product>/product.py``: sources, collectors, views and models.

Declarations are frozen values that can be imported without AWS and without any heavy library. `load_catalog` reads
every product, checks each name that one declaration uses of another, and is run before anything is deployed.
"""

from __future__ import annotations

from headwater.declare.base import Declaration, InvalidProduct, Name, location_of
from headwater.declare.calendars import Calendar, business_days, dates, holidays, last_of_month, weekdays
from headwater.declare.collectors import S3, Code, Collector, Http, LinkHeader, NextToken, PageNumber, Sql
from headwater.declare.inputs import OnDemand, RequestInput, category, number, timestamp
from headwater.declare.models import LONGEST_BODY, MOST_INSTANCES, Model
from headwater.declare.monitoring import MOST_SEGMENTS, Monitoring
from headwater.declare.products import Catalog, Product, catalog, load_catalog, product_of
from headwater.declare.references import Reference, resolve
from headwater.declare.retraining import Retraining
from headwater.declare.schedules import Schedule
from headwater.declare.sources import LANDED, TIME_FORMATS, Source
from headwater.declare.streams import Kinesis, Sqs
from headwater.declare.times import Duration, OptionalDuration
from headwater.declare.training import (
    LOWER_IS_BETTER,
    Choice,
    Examples,
    Gate,
    Holdout,
    Integers,
    Metric,
    Search,
    Uniform,
)
from headwater.declare.views import LONGEST_TEXT, Feature, FeatureView
from headwater.declare.windows import Aggregations, Window, count, distinct, last, maximum, mean, minimum, total

__all__ = [
    "LANDED",
    "LONGEST_BODY",
    "LONGEST_TEXT",
    "LOWER_IS_BETTER",
    "MOST_INSTANCES",
    "MOST_SEGMENTS",
    "S3",
    "TIME_FORMATS",
    "Aggregations",
    "Calendar",
    "Catalog",
    "Choice",
    "Code",
    "Collector",
    "Declaration",
    "Duration",
    "Examples",
    "Feature",
    "FeatureView",
    "Gate",
    "Holdout",
    "Http",
    "Integers",
    "InvalidProduct",
    "Kinesis",
    "LinkHeader",
    "Metric",
    "Model",
    "Monitoring",
    "Name",
    "NextToken",
    "OnDemand",
    "OptionalDuration",
    "PageNumber",
    "Product",
    "Reference",
    "RequestInput",
    "Retraining",
    "Schedule",
    "Search",
    "Source",
    "Sql",
    "Sqs",
    "Uniform",
    "Window",
    "business_days",
    "catalog",
    "category",
    "count",
    "dates",
    "distinct",
    "holidays",
    "last",
    "last_of_month",
    "load_catalog",
    "location_of",
    "maximum",
    "mean",
    "minimum",
    "number",
    "product_of",
    "resolve",
    "timestamp",
    "total",
    "weekdays",
]
