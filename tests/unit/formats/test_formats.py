"""What earlier versions stored stays readable: documents of each format, kept as they were written on a demo stack.

A folder ``<format>`` holds a document of each stored class. When a class gets a new format its document of that format
is added in the next folder, and those before stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from headwater.alarms.alive.types import HeartbeatState, PingState
from headwater.alarms.muting import Mute
from headwater.alarms.types import AlarmRecord, Group, Instance, Notification
from headwater.code.types import CodeState
from headwater.collecting.types import BatchRecord, CollectionRun, CollectorSettings, CollectorState, FileRecord
from headwater.declare import Product
from headwater.features.definitions import Definition as ViewDefinition
from headwater.features.offline.statistics import Statistics
from headwater.features.online.progress import Progress
from headwater.features.online.records import Materialisation
from headwater.history.types import Checkpoint, UpdateContext, UpdateRecord
from headwater.lake.types import DataVersion, Ingestion, Reingestion
from headwater.lake.types import Definition as SourceDefinition
from headwater.lineage.annotations import Annotation
from headwater.monitoring.dashboards.tokens import ScrapeToken
from headwater.monitoring.days.types import PartDay, PartIndex
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.feedback.types import Feedback
from headwater.monitoring.labels.types import LabelBatch
from headwater.monitoring.log.types import Progress as CompactionProgress
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.profiles.types import Scheme, WindowProfile
from headwater.monitoring.status import Status as ModelStatus
from headwater.monitoring.watch.figures import JudgedPerformance, KeptCounts, KeptStanding, ScoredDay
from headwater.monitoring.watch.types import JudgedDay, KeptWindow
from headwater.registry.types import AliasMove, Candidate, GoldenSet, ModelVersion, Package, Profile
from headwater.retraining.types import Decision as RetrainDecision
from headwater.retraining.types import RetrainState
from headwater.schedules.types import Definition as ScheduleDefinition
from headwater.schedules.types import Effective, ScheduleState, TickRecord
from headwater.values import FormatTooNew, Stored
from headwater.versions.types import Commit, RefMove, Root

HERE = Path(__file__).parent
KINDS: Mapping[str, type[Stored]] = {
    "AlarmRecord": AlarmRecord,
    "AlarmGroup": Group,
    "AlarmInstance": Instance,
    "AlarmMute": Mute,
    "AlarmNotification": Notification,
    "AlarmHeartbeat": HeartbeatState,
    "AlarmPing": PingState,
    "AliasMove": AliasMove,
    "Annotation": Annotation,
    "Bank": Bank,
    "BatchRecord": BatchRecord,
    "Candidate": Candidate,
    "Checkpoint": Checkpoint,
    "CodeState": CodeState,
    "Commit": Commit,
    "CollectionRun": CollectionRun,
    "CollectorSettings": CollectorSettings,
    "CollectorState": CollectorState,
    "CompactionProgress": CompactionProgress,
    "DataVersion": DataVersion,
    "Feedback": Feedback,
    "FileRecord": FileRecord,
    "Estimator": Estimator,
    "Effective": Effective,
    "GoldenSet": GoldenSet,
    "Ingestion": Ingestion,
    "JudgedDay": JudgedDay,
    "JudgedPerformance": JudgedPerformance,
    "KeptCounts": KeptCounts,
    "KeptStanding": KeptStanding,
    "KeptWindow": KeptWindow,
    "LabelBatch": LabelBatch,
    "Materialisation": Materialisation,
    "ModelStatus": ModelStatus,
    "ModelVersion": ModelVersion,
    "Package": Package,
    "PartDay": PartDay,
    "PartIndex": PartIndex,
    "Product": Product,
    "Profile": Profile,
    "Progress": Progress,
    "RefMove": RefMove,
    "Reingestion": Reingestion,
    "RetrainDecision": RetrainDecision,
    "RetrainState": RetrainState,
    "Root": Root,
    "ScheduleDefinition": ScheduleDefinition,
    "ScheduleState": ScheduleState,
    "Scheme": Scheme,
    "ScoredDay": ScoredDay,
    "ScrapeToken": ScrapeToken,
    "SourceDefinition": SourceDefinition,
    "Statistics": Statistics,
    "TickRecord": TickRecord,
    "UpdateContext": UpdateContext,
    "UpdateRecord": UpdateRecord,
    "ViewDefinition": ViewDefinition,
    "WindowProfile": WindowProfile,
}
STORED = sorted(path.relative_to(HERE).with_suffix("").as_posix() for path in HERE.glob("[0-9]*/*.json"))


def document(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return read


def subclasses(kind: type[Stored]) -> Iterator[type[Stored]]:
    """All that have none themselves: the others are bases."""
    for one in kind.__subclasses__():
        yield from subclasses(one) if one.__subclasses__() else [one]


@pytest.mark.parametrize("name", STORED)
def test_what_was_stored_is_read_and_says_the_same(name: str) -> None:
    stored = document(name)
    value = KINDS[name.partition("/")[2]].model_validate_json(json.dumps(stored))
    said = json.loads(value.model_dump_json(exclude_unset=True))
    assert {**said, "format": 1} == {**stored, "format": 1}


def test_every_stored_class_has_a_document_of_each_of_its_formats() -> None:
    ours = {kind for kind in subclasses(Stored) if kind.__module__.startswith("headwater.")}
    assert ours == set(KINDS.values())
    for name, kind in KINDS.items():
        for number in range(1, kind.model_fields["format"].default + 1):
            assert f"{number}/{name}" in STORED


def test_a_later_format_is_refused_by_name_with_what_to_do() -> None:
    with pytest.raises(FormatTooNew, match=r"stored AliasMove is of format 2, .* up to 1") as found:
        AliasMove.model_validate_json(json.dumps({**document("1/AliasMove"), "format": 2, "colour": "blue"}))
    assert found.value.next_steps


class Renamed(Stored):
    """Called its number ``count`` in format 1, and counted from 0."""

    format: int = 2
    number: int

    @classmethod
    def upgraded(cls, document: Mapping[str, Any], given: int) -> Mapping[str, Any]:
        """From format 1."""
        assert given == 1
        return {"number": document["count"] + 1}


@pytest.mark.parametrize("text", ['{"count": 1}', '{"format": 1, "count": 1}', '{"format": 2, "number": 2}'])
def test_a_value_of_any_earlier_format_is_brought_up_to_date(text: str) -> None:
    assert Renamed.model_validate_json(text) == Renamed(number=2)
    assert Renamed(number=2).model_dump() == {"format": 2, "number": 2}


def test_an_item_without_a_format_is_of_the_first() -> None:
    assert Renamed.from_item({"pk": "p", "sk": "s", "count": 1}) == Renamed(number=2)
    assert Renamed.from_item({"pk": "p", "sk": "s", "format": 2, "number": 2}) == Renamed(number=2)


def test_a_format_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        Renamed.model_validate_json('{"format": "two", "number": 2}')
