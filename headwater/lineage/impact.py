"""Everything that a bad file, commit or definition touched, down to predictions, and how to put it right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import groupby, zip_longest

from pydantic import AwareDatetime

from headwater.graph import Node, Places
from headwater.lineage.standing import Moments
from headwater.lineage.walking import NOW, Moment, Walker
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.types import Status
from headwater.serving.store import PredictionStore
from headwater.values import Value


class Interval(Value):
    """A time in which an alias pointed at a version that was touched."""

    alias: str
    since: AwareDatetime
    until: AwareDatetime | None
    """None if it points there still."""


class TouchedVersion(Value):
    """A version of a model that learnt from the bad thing."""

    model: str
    version: int
    status: str
    aliases: tuple[Interval, ...]
    """When which alias pointed at it, oldest first."""
    days: tuple[date, ...]
    """Days of which predictions are kept and on which an alias pointed at it; UTC."""


class Impact(Value):
    """Everything that was made from a node, directly or not."""

    node: str
    commits: tuple[str, ...] = ()
    """Commits of datasets that hold it and that something was made from, as nodes."""
    views: tuple[str, ...] = ()
    """Rows of feature views."""
    sets: tuple[str, ...] = ()
    """Training sets."""
    versions: tuple[TouchedVersion, ...] = ()
    others: tuple[str, ...] = ()
    """Further nodes, such as those of foreign jobs."""
    remedies: tuple[str, ...] = ()
    """Commands that put it right, in their order."""


class Impacts:
    """Finds what a node touched."""

    def __init__(self, walker: Walker, places: Places) -> None:
        self._walker, self._places = walker, places
        self._moments = Moments(places)
        self._registry = Registry(places.table)

    def of(self, node: Node, moment: Moment = NOW) -> Impact:
        """All that was made from ``node``, with the aliases that pointed at what, and the days of predictions."""
        below = self._walker.walk(node, "DOWN", moment=moment).nodes[1:]
        by_kind: dict[str, list[str]] = {}
        for found in below:
            by_kind.setdefault(found.kind, []).append(found.id)
        versions = [self.touched(found, moment) for found in sorted(below, key=_by_number) if found.kind == "model"]
        shown = {"data", "view", "set", "model", "run", "file"}
        # The files and the commits of a version are the version's own.
        commits = [name for name in sorted(by_kind.get("data", ())) if not name.startswith("data:models/")]
        return Impact(
            node=node.id,
            commits=tuple(commits),
            views=tuple(sorted(by_kind.get("view", ()))),
            sets=tuple(sorted(by_kind.get("set", ()))),
            versions=tuple(versions),
            others=tuple(sorted(found.id for found in below if found.kind not in shown)),
            remedies=tuple(self._remedies(node, versions)),
        )

    def touched(self, node: Node, moment: Moment = NOW) -> TouchedVersion:
        """A version of a model with the aliases that pointed at it and the days of predictions."""
        number = int(node.version)
        intervals = tuple(self._intervals(node.name, number, moment))
        return TouchedVersion(
            model=node.name,
            version=number,
            status=self._registry.version(node.name, number).status.value,
            aliases=intervals,
            days=tuple(self._days(node.name, intervals)),
        )

    def _intervals(self, model: str, version: int, moment: Moment) -> Iterator[Interval]:
        for _, moves in groupby(self._moments.moves(model), key=lambda move: move.alias):
            counted = [move for move in moves if moment.at is None or move.at <= moment.at]
            # A move to where the alias points already ends nothing.
            turns = [move for move in counted if move.before != move.to]
            for move, following in zip_longest(turns, turns[1:]):
                if move.to == version:
                    yield Interval(alias=move.alias, since=move.at, until=following.at if following else None)

    def _days(self, model: str, intervals: Sequence[Interval]) -> Iterator[date]:
        """Days with predictions on which one of the aliases could have answered with the version."""
        if not intervals or not self._places.predictions_bucket:
            return
        for day in PredictionStore(self._places.predictions_bucket, self._places.clients).days(model):
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            end = begin.replace(hour=23, minute=59, second=59, microsecond=999_999)
            if any(each.since <= end and (each.until is None or each.until >= begin) for each in intervals):
                yield day

    def _remedies(self, node: Node, versions: Sequence[TouchedVersion]) -> Iterator[str]:
        if node.kind == "file" and "/landing/" in node.name:
            source, _, file = node.name.partition("/landing/")[2].partition("/")
            yield f"headwater upload {source} {file} --wait  # the corrected file, under the same name"
        elif node.kind == "definition":
            yield "headwater local up  # or pulumi up, with the definition corrected: its values are made again"
        for model in dict.fromkeys(entry.model for entry in versions):
            touched = {entry.version for entry in versions if entry.model == model}
            serving = self._registry.current(model, PRODUCTION)
            if serving not in touched:
                continue
            good = [
                entry.version
                for entry in self._registry.versions(model)
                if entry.version not in touched and entry.status is Status.READY
            ]
            if good:
                meanwhile = f'headwater models promote {model} {good[-1]} --why "withdrawn {node.kind}"'
                yield f"{meanwhile}  # until the next training"
            yield f"headwater train {model} --watch"


def _by_number(node: Node) -> tuple[str, int]:
    return node.name, int(node.version) if node.version.isdecimal() else 0
