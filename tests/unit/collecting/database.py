"""A schema of a PostgreSQL or of a MariaDB, and a collector that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from headwater.collecting.databases.reading import read_sql
from headwater.collecting.types import Outcome
from headwater.declare import Collector, Schedule, Sql
from tests.unit.collecting import mariadb
from tests.unit.collecting.postgresql import URL, connect
from tests.unit.collecting.world import landed, lines, run


@dataclass
class Database:
    """A schema."""

    port: int
    schema: str
    session: Any
    url: ClassVar[str] = URL

    @classmethod
    @contextmanager
    def new(cls, port: int, schema: str) -> Iterator[Database]:
        session = connect(port)
        session.run(f"CREATE SCHEMA {schema}")
        session.run(f"SET search_path TO {schema}")
        try:
            yield cls(port, schema, session)
        finally:
            session.close()

    def run(self, statement: str, **parameters: Any) -> Any:
        """What an application does."""
        return self.session.run(statement, **parameters)

    def another(self) -> Any:
        """A second session."""
        session = connect(self.port)
        session.run(f"SET search_path TO {self.schema}")
        return session

    def collect(self, name: str, *, hours: int = 0, url: str = "", **reads: Any) -> Outcome:
        """Run a collector; a ``table`` is one of the schema's."""
        if "table" in reads:
            reads["table"] = f"{self.schema}.{reads['table']}"
        if "query" in reads:
            reads["query"] = reads["query"].replace(" orders", f" {self.schema}.orders")
        sql = Sql(url_secret="ssm:/db", **reads)
        collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=sql)
        secrets = {"ssm:/db": (url or self.url).format(port=self.port)}
        return run(partial(read_sql, sql), name, collector, hours=hours, secrets=secrets)


class MariaDatabase(Database):
    """A database of a MariaDB."""

    url = mariadb.URL

    @classmethod
    @contextmanager
    def new(cls, port: int, schema: str) -> Iterator[MariaDatabase]:
        session = mariadb.connect(port)
        made = cls(port, schema, session)
        made.run(f"CREATE DATABASE {schema}")
        made.run(f"USE {schema}")
        try:
            yield made
        finally:
            session.close()

    def run(self, statement: str, **parameters: Any) -> Any:
        with self.session.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    def another(self) -> Any:
        session = mariadb.connect(self.port, self.schema)
        session.autocommit(False)
        return session


def told(column: str = "id") -> list[Any]:
    """A column of all rows that have landed, sorted."""
    return sorted(row[column] for row in records())


def records() -> list[dict[str, Any]]:
    """All rows that have landed."""
    return [json.loads(line) for line in lines(landed().values())]
