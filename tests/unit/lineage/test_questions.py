"""The questions that people ask, of a stack that has lived: why, impact, at, diff, up and down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from headwater.errors import InvalidRequest
from headwater.graph import Edge, InvalidNode, Node, Role, Told
from headwater.lineage.errors import AmbiguousNode, PredictionNotFound, UnknownNode
from headwater.lineage.service import LineageService
from headwater.lineage.walking import Moment
from headwater.registry.errors import VersionNotFound
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.service import Versions
from tests.unit.lake.world import LAKE, REGISTRY
from tests.unit.lineage.conftest import FIRST, PREDICTIONS, SECOND, Lived, record
from tests.unit.training.runs import registry


def commits() -> list[str]:
    """The commits of the two uploads, oldest first."""
    return [entry.id for entry in Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/visits").log()][
        ::-1
    ]


# -- why ---------------------------------------------------------------------------------------------------------


def test_predictions_before_and_after_a_promotion_name_different_commits(lived: Lived) -> None:
    first, second = (lived.service.why(request) for request in (FIRST, SECOND))
    assert [(why.model, why.version, why.run_id) for why in (first, second)] == [
        ("buys", 1, "run-1"), ("buys", 2, "run-2"),
    ]  # fmt: skip
    assert [why.commits[0].commit for why in (first, second)] == commits()
    assert first.commits[0].upload.startswith("s3://lake/landing/visits/one.csv?versionId=")
    assert first.commits[0].upload != second.commits[0].upload
    assert first.training_set != second.training_set
    assert [why.move and (why.move.to, why.move.by, why.move.why) for why in (first, second)] == [
        (1, "ann", "better"), (2, "ann", "better"),
    ]  # fmt: skip
    assert [why.update and (why.update.commit, why.update.dirty) for why in (first, second)] == [
        ("1" * 40, False), ("2" * 40, True),
    ]  # fmt: skip
    assert first.notes == second.notes == ()


def test_a_value_is_traced_to_the_materialisation_that_the_look_up_could_see(lived: Lived) -> None:
    now = datetime.now(UTC)
    (value,) = lived.service.why(FIRST).values
    assert (value.view, value.entity, value.status) == ("habits", {"shop": "n"}, "GIVEN")
    request = "33333333-3333-4333-8333-333333333333"
    document = record(request, 2).document()
    document["predictions"][0]["views"] = {"habits": {"status": "FOUND", "age_seconds": 90.0}}
    CLIENTS("s3").put_object(
        Bucket=PREDICTIONS, Key=f"buys/date={now:%Y-%m-%d}/{request}.json", Body=json.dumps(document).encode()
    )
    (found,) = lived.service.why(request).values
    assert found.event_time == datetime.fromisoformat(document["as_of"]) - timedelta(seconds=90)
    assert found.values == {"last_bought": 1.0, "visits": 7.0}
    assert found.commits == {"visits": commits()[1]}
    assert found.materialised_at is not None
    assert found.materialised_at < now


def test_why_needs_at_most_twelve_reads_where_the_hour_is_known(lived: Lived) -> None:
    calls: list[str] = []
    received = lived.service.why(SECOND).received_at
    hooks = [(CLIENTS(name).meta.events, f"before-send.{name}") for name in ("s3", "dynamodb")]

    def count(event_name: str, **_: object) -> None:
        calls.append(event_name.rpartition(".")[2])

    for events, name in hooks:
        events.register_first(name, count, unique_id="count")
    try:
        LineageService(lived.places).why(SECOND, model="buys", day=received)
        known = list(calls)
        calls.clear()
        # Without the hour each of the day's is asked for, all of them together.
        LineageService(lived.places).why(SECOND, model="buys", day=received.date())
    finally:
        for events, name in hooks:
            events.unregister(name, unique_id="count")
    assert known
    assert len(known) <= 12, known
    assert calls[:25] == ["GetObject"] * 25
    assert sorted(calls[25:]) == sorted(known[1:])


def test_a_moment_of_any_time_zone_finds_a_prediction_with_or_without_its_model(lived: Lived) -> None:
    received = lived.service.why(SECOND).received_at
    for zone in (UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-11))):
        for model in ("buys", None):
            assert lived.service.why(SECOND, model=model, day=received.astimezone(zone)).request_id == SECOND


def test_a_prediction_whose_record_was_lost_is_said_to_be(lived: Lived) -> None:
    lost = "99999999-9999-4999-8999-999999999999"
    with pytest.raises(PredictionNotFound, match=r"no record of request 9999.* in the last 14 days.*record was lost"):
        lived.service.why(lost)
    with pytest.raises(PredictionNotFound, match="of buys on 2026-01-01"):
        lived.service.why(lost, model="buys", day=datetime(2026, 1, 1, tzinfo=UTC).date())
    for bad in ("../../etc", "a b", ""):
        with pytest.raises(InvalidRequest):
            lived.service.why(bad)
    with pytest.raises(InvalidRequest, match="instance 3: the request has 1"):
        lived.service.why(FIRST, instance=3)


def test_an_index_that_is_behind_is_said_to_be(lived: Lived) -> None:
    service = LineageService(lived.places)
    service.index.clear()
    (note,) = service.why(FIRST).notes
    assert note.startswith("the index tells nothing of update")
    assert lived.service.why(FIRST).notes == ()


def test_an_alias_that_moved_between_look_up_and_answer_is_told(lived: Lived) -> None:
    request = "44444444-4444-4444-8444-444444444444"
    PredictionStore(PREDICTIONS, CLIENTS).write(record(request, 1))
    (note,) = lived.service.why(request).notes
    assert "the log production pointed at version 2 since" in note


def test_a_version_whose_files_are_gone_is_explained_as_far_as_its_record_goes(lived: Lived) -> None:
    request = "55555555-5555-4555-8555-555555555555"
    PredictionStore(PREDICTIONS, CLIENTS).write(record(request, 9))
    why = lived.service.why(request)
    assert why.version == 9
    assert why.commits == ()
    assert any("has no version 9" in note for note in why.notes)


# -- impact ------------------------------------------------------------------------------------------------------


def test_impact_names_exactly_what_learnt_from_each_version_of_a_file(lived: Lived) -> None:
    service = lived.service
    first, second = (service.impact(node) for node in service.files("sources/visits", "one.csv"))
    assert [(each.version, each.status) for each in first.versions] == [(1, "READY")]
    assert [each.version for each in second.versions] == [2]
    assert first.commits == (f"data:sources/visits@{commits()[0]}",)
    assert second.commits == (f"data:sources/visits@{commits()[1]}",)
    assert len(first.sets) == len(second.sets) == len(first.views) == len(second.views) == 1
    assert {*first.sets, *first.views}.isdisjoint({*second.sets, *second.views})
    (served,) = first.versions[0].aliases
    assert served.alias == "production"
    assert served.until is not None
    assert second.versions[0].aliases[0].until is None
    today = datetime.now(UTC).date()
    assert second.versions[0].days == (today,)


def test_impact_says_how_to_put_it_right(lived: Lived) -> None:
    service = lived.service
    first, second = (service.impact(node) for node in service.files("visits", "one.csv"))
    # Version 2 serves: it needs no help where the first file was bad.
    assert first.remedies == ("headwater upload visits one.csv --wait  # the corrected file, under the same name",)
    assert second.remedies[1:] == (
        'headwater models promote buys 1 --why "withdrawn file"  # until the next training',
        "headwater train buys --watch",
    )


def test_impact_of_a_bad_definition_is_all_that_was_computed_by_it(lived: Lived) -> None:
    service = lived.service
    (thing,) = service.search(["definition:view/habits"])
    (node,) = service.index.versions(thing)
    found = service.impact(node)
    assert [each.version for each in found.versions] == [1, 2]
    assert len(found.views) == 2


def test_a_file_that_a_revert_brings_back_counts_again(lived: Lived) -> None:
    dataset = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("pictures")
    CLIENTS("s3").put_object(Bucket=LAKE, Key="data/pictures@main/a", Body=b"good")
    good = dataset.commit("good").id
    CLIENTS("s3").put_object(Bucket=LAKE, Key="data/pictures@main/a", Body=b"bad")
    bad = dataset.commit("bad").id
    back = dataset.revert(bad).id
    service = lived.service
    now = datetime.now(UTC)
    readers = [Node("foreign", f"reader-{number}") for number in range(3)]
    service.index.add(
        Told([Edge(reader, Role.READ, Node("data", "pictures", commit), now, now, "test")])
        for reader, commit in zip(readers, (good, bad, back), strict=True)
    )
    first, second = service.files("pictures", "a")
    assert {node for node in service.walk(first, "DOWN", depth=None).nodes if node.kind == "foreign"} == {
        readers[0], readers[2],
    }  # fmt: skip
    assert {node for node in service.walk(second, "DOWN", depth=None).nodes if node.kind == "foreign"} == {readers[1]}


def test_an_unknown_file_or_node_is_refused_with_what_there_is(lived: Lived) -> None:
    service = lived.service
    with pytest.raises(UnknownNode, match=r"dataset 'sources/visits' never held a file 'two\.csv'"):
        service.files("sources/visits", "two.csv")
    with pytest.raises(UnknownNode, match=r"no fact tells of 'buyz'"):
        service.resolve("buyz")
    with pytest.raises(VersionNotFound, match="model 'buys' has no version 7"):
        service.resolve("buys@7")
    with pytest.raises(InvalidNode, match="expected KIND:NAME@VERSION"):
        service.resolve("model:")
    with pytest.raises(AmbiguousNode, match="model:buys may be any of 2"):
        service.resolve("model:buys")


# -- time --------------------------------------------------------------------------------------------------------


def test_two_moments_differ_as_the_logs_do(lived: Lived) -> None:
    service = lived.service
    nothing, first, second = (
        service.at(time) for time in (datetime(2020, 1, 1, tzinfo=UTC), lived.before, lived.after)
    )
    assert nothing.served == nothing.heads == ()
    assert nothing.update is None
    assert [served.version for served in (*first.served, *second.served)] == [1, 2]
    heads = [{head.dataset: head.commit for head in stood.heads}["sources/visits"] for stood in (first, second)]
    assert heads == commits()
    assert [stood.update and stood.update.commit for stood in (first, second)] == ["1" * 40, "2" * 40]


def test_a_walk_as_of_a_moment_knows_nothing_that_came_later(lived: Lived) -> None:
    service = lived.service
    visits = Node("definition", "view/habits", service.index.versions("definition:view/habits")[0].version)
    models = [
        {node.version for node in service.walk(visits, "DOWN", depth=None, moment=moment).nodes if node.kind == "model"}
        for moment in (
            Moment(known=lived.before),
            Moment(known=lived.after),
            Moment(at=datetime(2020, 1, 1, tzinfo=UTC)),
        )
    ]
    assert models == [{"1"}, {"1", "2"}, set()]


# -- the rest ----------------------------------------------------------------------------------------------------


def test_a_model_is_traced_up_to_the_uploaded_file_and_the_definitions(lived: Lived) -> None:
    service = lived.service
    found = service.walk(service.resolve("buys@1"), "UP", depth=None)
    assert {node.kind for node in found.nodes} == {"model", "run", "set", "data", "view", "definition", "file"}
    landed = [node for node in found.nodes if node.kind == "file" and "/landing/" in node.name]
    assert landed == [service.files("sources/visits", "one.csv")[0]]
    way = service.path(landed[0], service.resolve("buys@production"))
    assert way is None
    way = service.path(landed[0], service.resolve("buys@1"))
    assert way is not None
    assert (way[0].below.id, way[-1].above) == ("model:buys@1", landed[0])


def test_versions_differ_in_their_data_and_in_nothing_else(lived: Lived) -> None:
    service = lived.service
    found = service.diff(service.resolve("buys@1"), service.resolve("buys@2"))
    (data,) = found.data
    assert (data.before, data.after) == tuple(commits())
    assert [(change.kind, change.path) for change in data.files] == [("changed", "one.csv.parquet")]
    assert {"definition", "lock", "code"} <= set(found.same)
    assert {field.kind for field in found.fields} <= {"metric", "parameter", "infrastructure"}
    with pytest.raises(InvalidRequest, match="expected two versions of one model"):
        service.diff(service.resolve("buys@1"), service.resolve("sources/visits"))


def test_the_index_is_made_again_from_the_facts_byte_for_byte(lived: Lived) -> None:
    service = lived.service
    made = {(item["pk"], item["sk"]): item for item in service.index.items() if "reader-" not in str(item)}
    service.rebuild()
    again = {(item["pk"], item["sk"]): item for item in service.index.items()}
    assert again == made
    assert service.verify().differing == 0


def test_what_objects_that_were_deleted_told_is_kept_and_said_to_be_unchecked(lived: Lived) -> None:
    service = lived.service
    package = registry().version("buys", 1).package
    before = service.walk(service.resolve("buys@1"), "UP", depth=None)
    body = CLIENTS("s3").get_object(Bucket=package.bucket, Key=package.key)["Body"].read()
    CLIENTS("s3").delete_object(Bucket=package.bucket, Key=package.key, VersionId=package.version_id)
    try:
        found = service.verify()
        assert found.differing == 0
        assert found.unchecked > 0
        assert service.walk(service.resolve("buys@1"), "UP", depth=None) == before
    finally:
        CLIENTS("s3").put_object(Bucket=package.bucket, Key=package.key, Body=body)


def test_a_prediction_is_a_node_that_is_never_indexed(lived: Lived) -> None:
    service = lived.service
    node = Node.parse(service.why(FIRST).node)
    found = service.walk(node, "UP", depth=1)
    assert [edge.above.id for edge in found.edges] == ["model:buys@1"]
    assert not list(service.index.things("prediction:"))
