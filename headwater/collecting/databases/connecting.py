"""A connection to a database by its address, encrypted unless the address says otherwise."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError
from sqlalchemy.pool import NullPool

from headwater.collecting.databases.dialects import Dialect, MySQL, PostgreSQL
from headwater.collecting.errors import CollectFailed

CONNECT_SECONDS = 20.0
GRACE = 5.0
"""Seconds that a database is given to say that it gave up."""
_POSTGRESQL = frozenset({"postgresql", "postgres"})
_MYSQL = frozenset({"mysql", "mariadb"})
DEFAULT_PORTS: Mapping[type, int] = {PostgreSQL: 5432, MySQL: 3306}
_MODES = ("disable", "require", "verify-full")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@contextmanager
def connected(
    secret: str, seconds: float, *, ports: frozenset[int] = frozenset()
) -> Iterator[tuple[Connection, Dialect]]:
    """A connection whose transaction is ready to read, and its dialect.

    Parameters
    ----------
    secret : str
        ``postgresql://user:password@host:5432/name``, ``mysql://...``, or the JSON that Secrets Manager keeps for RDS.
    seconds : float
        After which the database is to give up.
    ports : frozenset of int
        Ports that can be reached; empty if all can.

    Raises
    ------
    CollectFailed
        It is no address of a database that is known, or its port can't be reached.
    """
    url = _url_of(secret)
    name = url.get_backend_name()
    if name not in _POSTGRESQL | _MYSQL:
        raise CollectFailed("the database's address begins with neither postgresql:// nor mysql://")
    dialect: Dialect = PostgreSQL() if name in _POSTGRESQL else MySQL()
    # Else it would time out, and nobody know why.
    if ports and (port := url.port or DEFAULT_PORTS[type(dialect)]) not in ports:
        raise CollectFailed(
            f"the database's address has the port {port}, and the container reaches "
            f"{', '.join(map(str, sorted(ports)))} alone: declare ports=({port},) of the collector"
        )
    driver = "postgresql+pg8000" if name in _POSTGRESQL else "mysql+pymysql"
    url, context = _encryption(url)
    # Longer than the database's own patience, so that its words come, and not those of a lost connection.
    arguments, patience = dict[str, Any](), seconds + GRACE
    if name in _POSTGRESQL:
        arguments = {"timeout": patience, "application_name": "headwater", "ssl_context": context}
    else:
        arguments = {"connect_timeout": CONNECT_SECONDS, "read_timeout": patience, "charset": "utf8mb4", "ssl": context}
    engine = create_engine(url.set(drivername=driver), poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    try:
        with engine.connect() as connection:
            for statement in dialect.prepare(seconds):
                connection.exec_driver_sql(statement)
            yield connection, dialect
    except DBAPIError as error:
        # Not chained: drivers repeat addresses, and the whole query.
        raise CollectFailed(_said_by(error)) from None
    finally:
        engine.dispose()


def _said_by(error: DBAPIError) -> str:
    """The words of the database, or else of its driver."""
    given = error.orig.args if error.orig is not None else ()
    match given:
        case ({"M": message, "C": code, **more}, *_):
            detail = f": {more['D']}" if "D" in more else ""
            return f"the database says: {message}{detail} ({code})"
        case (int(code), str(message), *_):
            return f"the database says: {message} ({code})"
    said = str(given[0] if given else error)
    return f"the database can't be reached: {said}" if isinstance(error, InterfaceError) else said


def _url_of(secret: str) -> URL:
    if secret.startswith("{"):
        try:
            kept = json.loads(secret)
            return URL.create(
                "mysql" if str(kept["engine"]).startswith(("mysql", "maria", "aurora-mysql")) else "postgresql",
                username=kept["username"],
                password=kept["password"],
                host=kept["host"],
                port=int(kept["port"]) if kept.get("port") else None,
                database=kept.get("dbname"),
            )
        except (ValueError, KeyError, TypeError):
            raise CollectFailed(
                "the secret is JSON, but not as Secrets Manager keeps it for RDS: expected engine, host, username, "
                "password, and port and dbname"
            ) from None
    try:
        return make_url(secret)
    except (ArgumentError, ValueError):
        raise CollectFailed(
            "the secret is no address of a database: expected postgresql://user:password@host:5432/name, with "
            "special characters of the password escaped (%40 for @)"
        ) from None


def _encryption(url: URL) -> tuple[URL, ssl.SSLContext | None]:
    """The address without its ``sslmode``, which the drivers don't know, and what it means."""
    mode = url.query.get("sslmode", "disable" if url.host in _LOCAL or not url.host else "require")
    if mode not in _MODES:
        raise CollectFailed(f"sslmode={mode!r} isn't known: expected one of {', '.join(_MODES)}")
    url = url.difference_update_query(["sslmode"])
    if mode == "disable":
        return url, None
    context = ssl.create_default_context()
    if mode == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return url, context
