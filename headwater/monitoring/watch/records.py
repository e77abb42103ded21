"""Verdicts, performance and status of models in the registry table: what the hourly look said, and when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from headwater.monitoring.status import Status
from headwater.monitoring.watch.figures import JudgedPerformance, KeptCounts, KeptStanding, ScoredDay
from headwater.monitoring.watch.types import JudgedDay
from headwater.storage.table import ABSENT, Item, Table, WriteRefused

PREFIX = "WATCH#"
_STATUS = "STATUS"
_COUNTS, _JUDGED, _STANDING, _SCORED = "COUNTS#", "PERF#", "ESTIMATES#", "SCORED#"
TRIES = 5


@dataclass(frozen=True)
class WatchRecords:
    """Keeps what is known of how models are."""

    table: Table
    """The registry table."""

    # -- status -------------------------------------------------------------------------------------------------

    def status(self, model: str) -> Status | None:
        """How a model is by the last look; None if it was never looked at."""
        item = self.table.get(PREFIX + model, _STATUS)
        return Status.model_validate_json(item["status"]) if item else None

    def put_status(self, status: Status) -> bool:
        """Write down how a model is, unless a later look did."""
        at = _moment(status.at)
        item: Item = {"pk": PREFIX + status.model, "sk": _STATUS, "at": at, "status": status.model_dump_json()}
        later = "attribute_not_exists(pk) OR #at <= :at"
        return self.table.write(self.table.put(item, only_if=later, at=at))

    # -- verdicts -----------------------------------------------------------------------------------------------

    def judged(self, model: str, version: int) -> list[JudgedDay]:
        """All that was said of a version's days, oldest day first."""
        return [_judged(item) for item in self.table.query(PREFIX + model, _day_key(version))]

    def judged_day(self, model: str, version: int, day: date) -> JudgedDay | None:
        """The verdicts on a day; None if nothing was said of it."""
        item = self.table.get(PREFIX + model, f"{_day_key(version)}{day.isoformat()}")
        return _judged(item) if item else None

    def versions(self, model: str) -> list[int]:
        """The versions of which days were judged."""
        found: set[int] = set()
        after = ""
        while True:
            item = next(self.table.query(PREFIX + model, "DAY#v", after=after, page_size=1), None)
            if item is None:
                return sorted(found)
            version = int(item["sk"].split("#")[1].removeprefix("v"))
            found.add(version)
            after = f"{_day_key(version)}\U0010fffe"

    def put_judged(self, day: JudgedDay) -> bool:
        """Write down what is said of a day, if nobody else did since it was read."""
        later = day.model_copy(update={"revision": day.revision + 1})
        item: Item = {
            "pk": PREFIX + day.model,
            "sk": f"{_day_key(day.version)}{day.day.isoformat()}",
            "revision": later.revision,
            "judged": later.model_dump_json(),
        }
        return self.table.write(self.table.put_over(item, "revision", day.revision or None))

    def revisions(self, model: str) -> list[str]:
        """Texts that change if anything is said anew: days by revision, windows, and whether estimates stand."""
        days = self.table.query(PREFIX + model, "DAY#")
        found = [f"{item['sk']} {item['revision']}" for item in days]
        found += [str(item["sk"]) for item in self.table.query(PREFIX + model, _JUDGED)]
        return found + [f"{item['sk']} {item['revision']}" for item in self.table.query(PREFIX + model, _STANDING)]

    # -- performance --------------------------------------------------------------------------------------------

    def counts(self, model: str, version: int, day: date) -> KeptCounts | None:
        """A day's counts as they were kept last; None if there are none."""
        item = self.table.get(PREFIX + model, f"{_COUNTS}v{version}#{day.isoformat()}")
        return KeptCounts.unpacked(item["counts"]) if item and item["counts"] else None

    def put_counts(self, kept: KeptCounts) -> None:
        """Keep a day's counts, unless later ones are kept."""
        sk, at = f"{_COUNTS}v{kept.version}#{kept.day.isoformat()}", _moment(kept.known)
        item: Item = {"pk": PREFIX + kept.model, "sk": sk, "at": at, "counts": kept.packed()}
        self.table.write(self.table.put(item, only_if="attribute_not_exists(pk) OR #at <= :at", at=at))

    def remove_counts(self, model: str, needed: Collection[tuple[int, date]]) -> None:
        """Remove the counts of all versions and days but the ``needed`` ones.

        Their items stay, empty: who may write them may delete nothing.
        """
        for item in self.table.query(PREFIX + model, _COUNTS):
            version, day = item["sk"].removeprefix(f"{_COUNTS}v").split("#")
            if item["counts"] and (int(version), date.fromisoformat(day)) not in needed:
                # Another run may have counted the day anew meanwhile.
                self.table.write(self.table.put({**item, "counts": ""}, only_if="#at = :at", at=item["at"]))

    def performances(self, model: str, version: int, known: datetime | None = None) -> list[JudgedPerformance]:
        """The judged windows of a version by their last days, each as known at a moment, by default as known last."""
        found: dict[date, JudgedPerformance] = {}
        for item in self.table.query(PREFIX + model, f"{_JUDGED}v{version}#"):
            one = JudgedPerformance.model_validate_json(item["judged"])
            if known is None or one.known <= known:
                found[one.until] = one
        return [found[until] for until in sorted(found)]

    def put_performance(self, judged: JudgedPerformance) -> bool:
        """Write down what is known of a window, if that is something else than before; whether it was."""
        pk, prefix = PREFIX + judged.model, f"{_JUDGED}v{judged.version}#{judged.until.isoformat()}#"
        newest = self.table.newest(pk, prefix)
        if newest and judged.says(JudgedPerformance.model_validate_json(newest["judged"])):
            return False
        item: Item = {"pk": pk, "sk": f"{prefix}{_moment(judged.known)}", "judged": judged.model_dump_json()}
        return self.table.write(self.table.put(item, only_if=ABSENT))

    def standing(self, model: str, version: int) -> KeptStanding:
        """Whether a version's estimates are believed."""
        item = self.table.get(PREFIX + model, f"{_STANDING}v{version}")
        if item is None:
            return KeptStanding(model=model, version=version)
        return KeptStanding.model_validate_json(item["standing"])

    def scored(self, model: str, version: int) -> list[ScoredDay]:
        """All estimates of a version that were scored, by day."""
        items = self.table.query(PREFIX + model, f"{_SCORED}v{version}#")
        return [ScoredDay.model_validate_json(item["scored"]) for item in items]

    def score(self, scored: ScoredDay) -> KeptStanding:
        """Write a scored estimate down, once, and what follows for the version; the standing as it is then."""
        pk, day = PREFIX + scored.model, scored.estimate.until.isoformat()
        sk = f"{_SCORED}v{scored.version}#{day}"
        for _ in range(TRIES):
            before = self.standing(scored.model, scored.version)
            if self.table.get(pk, sk) is not None:
                return before
            after = before.model_copy(
                update={"standing": before.standing.after(scored.estimate), "revision": before.revision + 1}
            )
            standing: Item = {
                "pk": pk, "sk": f"{_STANDING}v{scored.version}", "revision": after.revision,
                "standing": after.model_dump_json(),
            }  # fmt: skip
            write = self.table.put_over(standing, "revision", before.revision or None)
            entry: Item = {"pk": pk, "sk": sk, "scored": scored.model_dump_json()}
            try:
                self.table.transact([self.table.put(entry, only_if=ABSENT), write])
            except WriteRefused:
                # Another run was faster, or the answer to our own write was lost: read again.
                continue
            return after
        # What isn't written is due again at the next look.
        return self.standing(scored.model, scored.version)


def _moment(at: datetime) -> str:
    """A moment as text that sorts by time."""
    return f"{at.timestamp():020.6f}"


def _day_key(version: int) -> str:
    return f"DAY#v{version}#"


def _judged(item: dict[str, Any]) -> JudgedDay:
    return JudgedDay.model_validate_json(item["judged"])
