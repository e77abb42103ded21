"""A source of orders whose contract has changed, with numbers, texts, dates and missing values to look for."""

from __future__ import annotations

import pandera.pandas as pa

from headwater.declare import Source

HERE = "tests.unit.lineage.orders"

BEFORE = pa.DataFrameSchema({"name": pa.Column(str), "day": pa.Column(str)}, coerce=True)
CONTRACT = pa.DataFrameSchema(
    {
        "customer": pa.Column("Int64", pa.Check.ge(0), nullable=True),
        "day": pa.Column("datetime64[us]"),
        "note": pa.Column(str, nullable=True),
        "Odd \"name'; --": pa.Column(str, nullable=True),
    },
    coerce=True,
)
ORDERS_BEFORE = Source(name="orders", contract=f"{HERE}:BEFORE")
ORDERS = Source(name="orders", contract=f"{HERE}:CONTRACT", max_rejected=0.9)
INJECTION = "' OR 1=1; DROP TABLE x; --"
HEADER = 'customer,day,note,"Odd ""name\'; --"\n'
ROWS = (
    HEADER + f'4711,2024-01-01,"{INJECTION}",a\n'
    "4711,2024-01-02,plain,b\n"
    ",2024-01-01,nobody,c\n"
    "47110,2024-01-01,other,d\n"
    "-4711,2024-01-03,refused,e\n"
)
