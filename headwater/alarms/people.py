"""The API's questions and verbs on alarms, as plain calls: a request's parts in, an answer and its generation out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from headwater.alarms import answers, requests
from headwater.alarms.alive.heartbeats import Heartbeats
from headwater.alarms.errors import InvalidAlarmRequest, NoSuchGroup, NoSuchMute
from headwater.alarms.muting import hits, new_mute
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import Group, GroupStatus
from headwater.clock import Clock, utc_now

Outcome = tuple[Mapping[str, Any], int | None]
"""An answer, and the generation of what it is about."""


@dataclass(frozen=True)
class People:
    """Questions and verbs of people and their programs."""

    manager: AlarmManager
    """Changes groups."""
    store: AlarmStore
    heartbeats: Heartbeats
    now: Clock = utc_now

    def groups(self) -> Outcome:
        """Groups that aren't closed, the newest first."""
        now, mutes = self.now(), self.store.mutes()
        found = sorted(self.manager.open_groups(), key=lambda one: one[0].opened_at or now, reverse=True)
        shown = [answers.of_group(group, members, mutes, now) for group, members in islice(found, answers.MOST_GROUPS)]
        return {"groups": shown, "left_out": len(found) - len(shown)}, None

    def group(self, id_: str) -> Outcome:
        """One group; raises `NoSuchGroup`."""
        group = self.store.group(id_)
        if group is None:
            raise NoSuchGroup(f"there is no group {id_[:60]!r}", next_steps=["headwater alarms list"])
        return self._of(group)

    def acknowledge(self, id_: str, body: bytes, generation: int | None, event: Mapping[str, Any]) -> Outcome:
        """Acknowledge a group; raises as `AlarmManager.acknowledge` does, and `InvalidAlarmRequest`."""
        asked = requests.read(body, requests.QuietBody)
        by, until = requests.caller(event, asked.by), asked.end(self.now())
        return self._of(self.manager.acknowledge(id_, by=by, until=until, note=asked.note, generation=generation))

    def snooze(self, id_: str, body: bytes, generation: int | None, event: Mapping[str, Any]) -> Outcome:
        """Snooze a group; raises as `acknowledge` does."""
        asked = requests.read(body, requests.QuietBody)
        if (until := asked.end(self.now())) is None:
            raise InvalidAlarmRequest("say until when (until) or for how long (lasts)")
        by = requests.caller(event, asked.by)
        changed = self.manager.acknowledge(
            id_, by=by, until=until, note=asked.note, generation=generation, status=GroupStatus.SNOOZED
        )
        return self._of(changed)

    def reopen(self, id_: str, body: bytes, generation: int | None, event: Mapping[str, Any]) -> Outcome:
        """Take back an acknowledgement or a snooze; raises as `acknowledge` does."""
        by = requests.caller(event, requests.read(body, requests.ChangeBody).by)
        return self._of(self.manager.reopen(id_, by=by, generation=generation))

    def close(self, id_: str, body: bytes, generation: int | None, event: Mapping[str, Any]) -> Outcome:
        """Close a group of which nothing fires; raises as `acknowledge` does."""
        by = requests.caller(event, requests.read(body, requests.ChangeBody).by)
        return self._of(self.manager.close(id_, by=by, generation=generation))

    def mutes(self) -> Outcome:
        """Mutes that hold or will hold."""
        now = self.now()
        found = sorted((one for one in self.store.mutes() if now < one.ends_at), key=lambda mute: mute.ends_at)
        return {"mutes": [answers.of_mute(mute, now) for mute in found]}, None

    def mute(self, id_: str) -> Outcome:
        """One mute; raises `NoSuchMute`."""
        found = self.store.mute(id_)
        if found is None:
            raise NoSuchMute(f"there is no mute {id_[:60]!r}", next_steps=["headwater alarms mutes"])
        return answers.of_mute(found, self.now()), found.generation

    def new_mute(self, body: bytes, event: Mapping[str, Any], *, preview: bool) -> Outcome:
        """Make a mute, or say what it would hit; raises `InvalidMute`, `InvalidMatcher` and `InvalidAlarmRequest`."""
        asked, now = requests.read(body, requests.MuteBody), self.now()
        made = new_mute(
            asked.match, author=requests.caller(event, asked.by), reason=asked.reason, now=now,
            starts_at=asked.starts_at, ends_at=asked.ends_at, until_resolved=asked.until_resolved, cron=asked.cron,
            zone=asked.zone, calendar=asked.calendar, lasts=asked.lasts,
        )  # fmt: skip
        hit = list(hits(made, self.manager.open_groups(), now))
        if not preview:
            self.manager.mute(made)
        answer = {
            "mute": answers.of_mute(made, now),
            "kept": not preview,
            "hits": len(hit),
            "alarms": [answers.of_alarm(one, None, (), now) for one in hit[: answers.MOST_ALARMS]],
        }
        return answer, None if preview else made.generation

    def end_mute(self, id_: str, generation: int | None, event: Mapping[str, Any]) -> Outcome:
        """End a mute now; raises as `AlarmManager.unmute` does."""
        ended = self.manager.unmute(id_, by=requests.caller(event, ""), generation=generation)
        return answers.of_mute(ended, self.now()), ended.generation

    def beat(self, name: str) -> Outcome:
        """A heartbeat came; raises `NoSuchHeartbeat`."""
        return answers.of_beat(self.heartbeats.beat(name)), None

    def _of(self, group: Group) -> Outcome:
        members = self.store.members(group.id)
        return answers.of_group(group, members, self.store.mutes(), self.now()), group.generation
