"""The feature store: one definition of a feature view gives training sets (point in time) and online values.

`inputs` and `online` are what serving needs and load nothing heavier than botocore; the rest needs DuckDB,
and `spark`, which nothing else imports, an environment of its own.
"""
