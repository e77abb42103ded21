"""The end of a materialisation by one or many processes: the record is written, and the run counts as completed."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime

from headwater.features.online.progress import ProgressOf, Run
from headwater.features.online.reading import EPOCH
from headwater.features.online.records import Materialisation, Materialisations
from headwater.storage.table import Table
from headwater.values import Value


class Counted(Value):
    """Counts of the offline rows at a run's moment."""

    rows: int = 0
    """Offline rows of the view."""
    entities: int = 0
    """Entities with a row that is available by now."""
    newest_event: AwareDatetime | None = None
    """Newest event time of the rows that are available by now."""
    next_known: int | None = None
    """When the next row becomes known; microseconds since 1970."""


def complete(registry: Table, view: str, version: str, run: Run, counted: Counted, written: int) -> None:
    """Record a run whose items are all online. A second call changes nothing.

    Parameters
    ----------
    registry : Table
        The registry table.
    view, version : str
        The view's name and its definition's version.
    run : Run
    counted : Counted
    written : int
        Online items that the run changed.

    Raises
    ------
    RegistryBusy
        Other writers kept coming first.
    """
    at = EPOCH + timedelta(microseconds=run.moment)
    # Known to people before the run counts as completed: a death between the two repeats both.
    Materialisations(registry).record(
        Materialisation(
            view=view,
            version=version,
            data_version=run.data_version,
            commits=run.commits,
            revision=run.revision,
            rows=counted.rows,
            entities=counted.entities,
            written=written,
            newest_event=counted.newest_event,
            at=at,
            last_at=at,
        )
    )
    ProgressOf(registry, view, version).end(run, counted.next_known)
