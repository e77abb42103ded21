"""Notes and owners that people put on nodes: an append-only log of its own in the registry table."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pydantic import AwareDatetime

from headwater.clock import Clock, utc_now
from headwater.errors import InvalidRequest
from headwater.graph import Known, Node, Told
from headwater.storage.table import ABSENT, Table, WriteRefused
from headwater.values import Stored

PREFIX = "ANNOTATION#"
LONGEST_TEXT, LONGEST_OWNER = 2_000, 200
"""Characters."""
_LOG, _WRITE = "AT#", "WRITE#"
_TRIES = 3
_WRITE_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_HIDING = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters after which a terminal shows text in another order than it is written in."""


class InvalidAnnotation(InvalidRequest):
    """A note or an owner that can't be kept as it is."""


class Annotation(Stored):
    """A note on a node, its owner, or both; as somebody wrote it down at a time."""

    node: str
    """The node's id with its whole version."""
    text: str = ""
    owner: str = ""
    by: str = ""
    at: AwareDatetime
    write_id: str
    """Identifies the write: another one with the same id is the same annotation."""


@dataclass(frozen=True)
class Annotations:
    """Writes annotations, and is the log that lineage reads them from."""

    name = "lineage/annotations"
    is_ordered = False
    """Two people's clocks differ: an annotation may appear below one that is there."""

    table: Table
    """The registry table."""
    now: Clock = utc_now

    def add(
        self, node: Node, *, text: str = "", owner: str = "", by: str = "", write_id: str | None = None
    ) -> Annotation:
        """Write a note, an owner or both down.

        Parameters
        ----------
        node : Node
            With its whole version. That it exists is for the caller to find out.
        text : str
            At most `LONGEST_TEXT` characters in one line.
        owner : str
            At most `LONGEST_OWNER` characters; of several annotations the latest says who owns the node.
        by : str
            The person who says so.
        write_id : str, optional
            A call with the id of an earlier one changes nothing, and returns what that one wrote.

        Raises
        ------
        InvalidAnnotation
            Both are empty, one is too long, or holds characters that hide or turn around what a terminal shows.
        """
        text, owner = _checked("text", text, LONGEST_TEXT), _checked("owner", owner, LONGEST_OWNER)
        if not text and not owner:
            raise InvalidAnnotation(f"nothing to write down on {node.id}: give a text, an owner or both")
        write_id = uuid.uuid4().hex if write_id is None else write_id
        if not _WRITE_ID.fullmatch(write_id):
            raise InvalidAnnotation(f"write id {write_id[:80]!r}: expected up to 128 letters, digits, _ . : / and -")
        made = Annotation(node=node.id, text=text, owner=owner, by=by, at=self.now(), write_id=write_id)
        for _ in range(_TRIES):
            if (there := self._written(made.write_id)) is not None:
                return there
            document = made.model_dump_json()
            keys = (f"{_WRITE}{made.write_id}", f"{_LOG}{_time(made.at)}#{made.write_id}")
            items = [{"pk": PREFIX, "sk": sk, "document": document} for sk in keys]
            # Refused, the same write came first, or its answer was lost: the stored item tells.
            with suppress(WriteRefused):
                self.table.transact([self.table.put(item, only_if=ABSENT) for item in items])
                return made
        raise WriteRefused(f"table {self.table.table}: others kept writing the annotation {made.write_id}")

    def _written(self, write_id: str) -> Annotation | None:
        return self.table.document(PREFIX, f"{_WRITE}{write_id}", Annotation)

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], Told]]]:
        """See `headwater.graph.Log`."""
        for item in self.table.query(PREFIX, _LOG, after=after):
            yield item["sk"], partial(_tell, item["document"])


def _tell(document: str) -> Told:
    found = Annotation.model_validate_json(document)
    said = {"by": found.by, "owner": found.owner, "text": found.text}
    notes = {name: value for name, value in said.items() if value}
    node, fact = Node.parse(found.node), f"annotation:{found.write_id}"
    return Told(nodes=[Known(node, found.at, found.at, fact, notes)])


def _time(moment: datetime) -> str:
    """A time as text that sorts as times do, whether or not it has a fraction."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _checked(what: str, given: str, longest: int) -> str:
    if len(given) > longest:
        raise InvalidAnnotation(f"the {what} has {len(given):,} characters, expected at most {longest:,}")
    if bad := next((letter for letter in given if unicodedata.category(letter) in _HIDING or letter in _TURNING), None):
        raise InvalidAnnotation(
            f"the {what} holds the control character U+{ord(bad):04X}, expected one line of plain text"
        )
    return given.strip()
