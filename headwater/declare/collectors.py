"""Collectors: rows that are fetched from where they are, by a schedule, and land as an upload of a source does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from headwater.declare.accounts import AwsOrigin
from headwater.declare.base import Declaration, Name
from headwater.declare.references import Reference
from headwater.declare.schedules import Schedule
from headwater.declare.secrets import Secret
from headwater.declare.streams import Kinesis, Sqs
from headwater.declare.times import OptionalDuration

LONGEST_NAME = 40
"""Characters of a collector's name: its schedule is called ``collect-<name>``."""
CollectorName = Annotated[Name, Field(max_length=LONGEST_NAME)]
MOST_PAGES = 10_000
INTERVAL = ("since", "until")
"""Places of an address or a query: the beginning and the end of the interval that a tick stands for."""
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
_TABLE = re.compile(r"[A-Za-z_][\w$]{0,62}(\.[A-Za-z_][\w$]{0,62}){0,2}")
_PLACE = re.compile(r"(?<!:):(\w+)")
HTTPS = 443
DATABASE_PORTS = (5432, 3306)
"""PostgreSQL's and MySQL's."""
RunsIn = Literal["function", "container"]
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


class Sql(Declaration):
    """Rows of a database: PostgreSQL or MySQL.

    With `cursor` each run lands the rows that no run has landed yet. With ``:since`` and ``:until`` in `query` each
    tick lands the rows of its interval, as a file of its own that a repeated tick replaces. With neither, each run
    lands all rows as one file that replaces the last.
    """

    kind: Literal["sql"] = "sql"
    """Tells this form from the others where it is stored."""
    url_secret: Secret
    """Where the database's address is kept: ``postgresql://user:password@host/name`` or ``mysql://...``."""
    table: Annotated[str, Field(max_length=191)] | None = None
    """Such as ``public.orders``. Exactly one of this and `query`."""
    query: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    """A SELECT in the database's own dialect."""
    cursor: str | None = None
    """Column that grows: a time of the last change, or a number that is given in order."""
    overlap: OptionalDuration = None  # type: ignore[assignment]
    """How far before the last cursor rows are read again, since transactions commit out of order, such as ``"1h"``: as
    long as the longest transaction. For cursors that are times; by default ten minutes. Rows that have landed are left
    out, row by row."""
    overlap_by: Annotated[int, Field(ge=0)] | None = None
    """The same for cursors that are numbers; by default 1,000."""
    null_cursors: Literal["refuse", "leave"] = "refuse"
    """For rows whose cursor is NULL, which no run would ever see: the run fails, or they are left in the database."""
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 200_000
    """Rows of a file, after which the cursor moves. Only with `cursor`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("Sql: exactly one of table and query is needed")
        if self.table is not None and not _TABLE.fullmatch(self.table):
            raise ValueError(f"Sql: table {self.table!r} is no name of a table: write schema.table, or a query")
        if self.cursor is not None and not _COLUMN.fullmatch(self.cursor):
            raise ValueError(f"Sql: cursor {self.cursor!r} is no name of a column")
        if self.query is not None:
            self._check_query(self.query)
        if self.cursor is None and (self.overlap, self.overlap_by) != (None, None):
            raise ValueError("Sql: overlap goes with cursor")
        if self.overlap is not None and self.overlap_by is not None:
            raise ValueError("Sql: overlap is for times and overlap_by for numbers: give one")
        return self

    def _check_query(self, query: str) -> None:
        if query.strip().partition(" ")[0].strip("(\n").upper().split("\n")[0] not in {"SELECT", "WITH", "TABLE"}:
            raise ValueError("Sql: the query must be one SELECT (or WITH ... SELECT)")
        if query.rstrip().endswith(";"):
            raise ValueError("Sql: the query is put into another one: write it without the semicolon at its end")
        used = set(_PLACE.findall(query)) & {*INTERVAL}
        if len(used) == 1:
            raise ValueError(f"Sql: the query has :{used.pop()} alone: an interval needs :since and :until")
        if used and self.cursor is not None:
            raise ValueError("Sql: a query with :since and :until reads an interval, and takes no cursor")

    @property
    def by_interval(self) -> bool:
        """Whether each tick lands the rows of its interval."""
        return self.query is not None and "since" in _PLACE.findall(self.query)

    @property
    def identity(self) -> str:
        """Table and column of a cursor: others make an old one meaningless."""
        return f"{self.table or self.query} by {self.cursor}" if self.cursor else ""

    @property
    def secrets(self) -> frozenset[str]:
        """Where its secrets are kept."""
        return frozenset({self.url_secret})


class LinkHeader(Declaration):
    """The next page is the ``rel="next"`` of the header ``Link`` (RFC 8288)."""

    kind: Literal["link"] = "link"
    """Tells this form from the others where it is stored."""


class NextToken(Declaration):
    """Each page of JSON names the next one: by its address, or by a token that goes into a parameter."""

    kind: Literal["token"] = "token"
    """Tells this form from the others where it is stored."""
    field: Annotated[str, Field(min_length=1)]
    """Where it stands in the page, such as ``meta.next``."""
    parameter: str = ""
    """The parameter of the address that takes the token; empty: the field holds an address."""


class PageNumber(Declaration):
    """Pages are counted; the first that has no records is the end.

    A list that changes while it is read moves records from one page to another. So the first page is read once more at
    the end: if it has changed, everything is read again.
    """

    kind: Literal["number"] = "number"
    """Tells this form from the others where it is stored."""
    parameter: Annotated[str, Field(min_length=1)] = "page"
    """The parameter of the address that takes the page's number, or an offset."""
    first: int = 1
    """The first page's number, or with `step` the first offset."""
    step: Annotated[int, Field(ge=1)] = 1
    """The step to the next page: the page's size, if the parameter is an offset."""


Paging = Annotated[LinkHeader | NextToken | PageNumber, Field(discriminator="kind")]


class Http(Declaration):
    """Records of an address: JSON, JSON lines or CSV.

    With ``{since}`` or ``{until}`` in `url` each tick lands what the address has for its interval, as a file of its own
    that a repeated tick replaces. Without, each run lands one file that replaces the last, if it has changed.
    """

    kind: Literal["http"] = "http"
    """Tells this form from the others where it is stored."""
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+[^\s@]*$", max_length=2_000)]
    """The address, without a secret. ``{since:%Y-%m-%d}`` and ``{until:...}`` are the interval's ends, UTC, in a format
    of ``strftime``; without a format ISO 8601."""
    format: Literal["json", "jsonl", "csv"] = "json"
    """The form of the answers. CSV and JSON lines land as they come."""
    records: str = ""
    """Where the records stand in a page of JSON, such as ``data.items``; empty: the page is the list."""
    paging: Paging | None = None
    """The way to the next page: `LinkHeader`, `NextToken` or `PageNumber`; None if there is one page."""
    headers: Mapping[str, str] = Field(default_factory=dict)
    """Headers without secrets."""
    secret_headers: Mapping[str, Secret] = Field(default_factory=dict)
    """Headers whose whole value is a secret, such as ``{"Authorization": "ssm:/weather/token"}``."""
    allow_private: bool = False
    """Whether the address may be http, or one of a private network."""
    max_pages: Annotated[int, Field(ge=1, le=MOST_PAGES)] = 1_000
    """Pages of one run, after which it fails."""
    max_bytes: Annotated[int, Field(ge=1, le=2**31)] = 256 * 2**20
    """Bytes of one run, all pages together, after which it fails."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.allow_private and not self.url.startswith("https://"):
            raise ValueError("Http: the address isn't https://; allow_private=True allows it")
        used = self.places
        if unknown := sorted(used - {*INTERVAL}):
            raise ValueError(f"Http: the address has {{{unknown[0]}}}, known are {{since}} and {{until}}")
        if self.format != "json" and (self.paging or self.records):
            raise ValueError(f"Http: {'paging' if self.paging else 'records'} needs format='json'")
        for name in (*self.headers, *self.secret_headers):
            if not _HEADER.fullmatch(name):
                raise ValueError(f"Http: {name!r} is no name of a header")
        if any(not value.isprintable() for value in self.headers.values()):
            raise ValueError("Http: a header's value has a line break")
        self.address(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        return self

    @property
    def places(self) -> frozenset[str]:
        """Names in braces."""
        try:
            parsed = list(Formatter().parse(self.url))
        except ValueError as error:
            raise ValueError(f"Http: the address {self.url!r}: {error}") from None
        return frozenset(field for _, field, _, _ in parsed if field is not None)

    @property
    def by_interval(self) -> bool:
        """Whether each tick lands what there is for its interval."""
        return bool(self.places)

    @property
    def identity(self) -> str:
        """The address that a validator (``ETag``) belongs to."""
        return self.url

    @property
    def secrets(self) -> frozenset[str]:
        """Where its secrets are kept."""
        return frozenset(self.secret_headers.values())

    def address(self, since: datetime, until: datetime) -> str:
        """The address for an interval."""
        found = []
        for text, field, spec, _ in Formatter().parse(self.url):
            found.append(text)
            if field is not None:
                moment = since if field == "since" else until
                found.append(moment.strftime(spec) if spec else moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return "".join(found)


class S3(AwsOrigin):
    """Objects under a prefix of a bucket, also of another account: each lands as a file, and again when it changes."""

    kind: Literal["s3"] = "s3"
    """Tells this form from the others where it is stored."""
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """The bucket's name."""
    prefix: Annotated[str, Field(max_length=900)] = ""
    """Such as ``exports/orders/``."""
    pattern: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    """Objects that count, by the rest of their keys, as shells match names: ``*.csv``."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,30}$")] | None = None
    """The bucket's region, if it isn't the stack's."""
    max_object_bytes: Annotated[int, Field(ge=1, le=5 * 2**30)] = 2**30
    """A larger object fails the run."""

    @property
    def identity(self) -> str:
        """The prefix whose objects have landed."""
        return f"s3://{self.bucket}/{self.prefix}"


class Code(Declaration):
    """A function of the project's own, such as ``functions.weather:collect``.

    It takes a `headwater.collecting.types.Request` and yields `headwater.collecting.types.Batch`.
    """

    kind: Literal["code"] = "code"
    """Tells this form from the others where it is stored."""
    function: Reference
    """``package.module:name``."""
    secret_names: Mapping[str, Secret] = Field(default_factory=dict)
    """Secrets that it may read by name, such as ``{"token": "ssm:/weather/token"}``."""
    settings: Mapping[str, str] = Field(default_factory=dict)
    """Given to it as they are."""

    @property
    def by_interval(self) -> bool:
        """The function decides."""
        return False

    @property
    def identity(self) -> str:
        """The function may change and keep its cursor."""
        return ""

    @property
    def secrets(self) -> frozenset[str]:
        """Where its secrets are kept."""
        return frozenset(self.secret_names.values())


Reads = Annotated[Sql | Http | S3 | Kinesis | Sqs | Code, Field(discriminator="kind")]


class Collector(Declaration):
    """Rows that a schedule fetches, and that land in a source as an upload does.

    What a run fetched and how far it got are written in one step: a run that is killed, started twice or late neither
    loses nor doubles rows.
    """

    name: CollectorName
    """Its files are called by it: two collectors of a source never replace each other's."""
    source: Name
    """The source that the files land in."""
    schedule: Schedule
    """When it runs; its ledger of ticks is called ``collect-<name>``."""
    reads: Reads
    """The origin: `Sql`, `Http`, `S3`, `Kinesis`, `Sqs` or `Code`."""
    runs_in: RunsIn = "function"
    """``function``: fifteen minutes a call, outside of any VPC. ``container``: a Fargate task with eleven hours, the
    CPU, memory and disk of a training, and the network of the settings ``vpcId`` and ``subnetIds``."""
    ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = ()
    """TCP ports that its container may reach besides 443; by default those that `reads` needs: 5432 and 3306 for `Sql`,
    the address's for `Http`. Only with ``runs_in="container"``."""
    description: str = ""
    """One line for people."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ports and self.runs_in != "container":
            raise ValueError("Collector: ports goes with runs_in='container': a function reaches every port")
        try:
            _ = self.reaches
        except ValueError as error:
            raise ValueError(f"Collector: the address's port: {error}") from None
        return self

    @property
    def schedule_name(self) -> str:
        """The name of its ledger of ticks."""
        return f"collect-{self.name}"

    @property
    def reaches(self) -> frozenset[int]:
        """TCP ports that it may reach; empty: any, since it runs in a function."""
        if self.runs_in == "function":
            return frozenset()
        own: tuple[int, ...]
        match self.reads:
            case Sql():
                own = DATABASE_PORTS
            case Http(url=url):
                parts = urlsplit(url)
                own = (parts.port or (HTTPS if parts.scheme == "https" else 80),)
            case _:
                own = ()
        return frozenset({HTTPS, *(self.ports or own)})
