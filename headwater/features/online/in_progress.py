"""Materialisations in progress, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydantic import AwareDatetime

from headwater.features.online.handoff import execution_name
from headwater.features.online.progress import ProgressOf
from headwater.features.online.reading import EPOCH
from headwater.storage.executions import Executions
from headwater.storage.table import Table
from headwater.values import Value


class UnderWay(Value):
    """A materialisation that was begun and isn't completed."""

    version: str
    """Version of the definition."""
    data_version: str
    since: AwareDatetime
    full: bool
    execution: str = ""
    """Execution of the materialisation machine; empty if functions do the run, one call after the other."""
    status: str = ""
    """Status of the execution, in Step Functions' words."""
    shards: int | None = None
    """None until the execution has split the entities that are due."""
    shards_done: int | None = None


def in_progress(registry: Table, executions: Executions | None, view: str, version: str) -> Iterator[UnderWay]:
    """The runs in progress of a definition, with the progress of their executions if ``executions`` is given."""
    for run in ProgressOf(registry, view, version).read().in_progress:
        since = EPOCH + timedelta(microseconds=run.moment)
        told = UnderWay(version=version, data_version=run.data_version, since=since, full=run.full)
        if run.attempts and executions:
            name = execution_name(view, version, run, run.attempts)
            status, _ = executions.standing(name) or ("", "")
            done, shards = (executions.items(name) if status else None) or (None, None)
            news = {"execution": name, "status": status or "GONE", "shards": shards, "shards_done": done}
            told = told.model_copy(update=news)
        yield told
