"""Equal infrastructure has an equal digest, whatever AWS and the engine called it; other infrastructure hasn't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.history.difference import difference
from headwater.history.errors import FileUnreadable
from headwater.history.graph import SECRET_MARK, SIGNATURE, Graph, graph_of, providers_of
from headwater.history.types import Difference, Resource
from tests.unit.history.world import cli_checkpoint, resource_of, with_delay


def compare(before: Any, after: Any) -> Difference:
    return difference(graph_of(before), graph_of(after), names=("a", "b"))


def deployed_again() -> dict[str, Any]:
    """The same program in another account's day: new random names, ids, ciphertexts, times and provider version."""
    text = json.dumps(cli_checkpoint())
    for old, new in {
        "dead-2fe1d33": "dead-0000000",
        "jobs-d6a6fed": "jobs-1111111",
        "v1:2bO/QRMCCZcpy57N:": "v1:AAAAAAAAAAAAAAAA:",
        "2026-11-25": "2027-01-01",
        "7.51.1": "7.60.0",
        "default_7_51_1": "default_7_60_0",
        "d59865f6-704b-4b02-8fe7-70c75debba00": "00000000-0000-0000-0000-000000000000",
    }.items():
        assert old in text
        text = text.replace(old, new)
    again: dict[str, Any] = json.loads(text)
    again["checkpoint"]["latest"]["resources"].reverse()
    return again


def test_what_differs_from_run_to_run_makes_no_difference() -> None:
    assert graph_of(deployed_again()).digest == graph_of(cli_checkpoint()).digest
    assert graph_of(deployed_again()).pack() != graph_of(cli_checkpoint()).pack()  # the ids are kept
    assert providers_of(deployed_again()) == {"aws": "7.60.0"}


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["inputs"].update(visibilityTimeoutSeconds=61),
        lambda found: found["inputs"].pop("visibilityTimeoutSeconds"),
        lambda found: found.update(protect=True),
        lambda found: found.update(dependencies=[]),
        lambda found: found.update(delete=True),
        lambda found: found["inputs"].update(redrivePolicy={SIGNATURE: SECRET_MARK[SIGNATURE], "ciphertext": "v1:a:b"}),
        lambda found: found.update(urn=found["urn"].replace("::jobs", "::work")),
    ],
)
def test_what_the_program_says_makes_a_difference(change: Any) -> None:
    changed = cli_checkpoint()
    change(resource_of(changed, "jobs"))
    assert graph_of(changed).digest != graph_of(cli_checkpoint()).digest


def test_an_output_of_another_resource_is_called_by_its_name() -> None:
    (jobs,) = (each for each in graph_of(cli_checkpoint()).resources if each.name == "jobs")
    policy = json.loads(jobs.inputs["redrivePolicy"])
    assert policy == {"deadLetterTargetArn": "${aws:sqs/queue:Queue::dead.arn}", "maxReceiveCount": 3}


def test_no_ciphertext_and_no_plaintext_of_a_secret_is_kept() -> None:
    opened = cli_checkpoint()
    resource_of(opened, "p")["inputs"]["value"]["plaintext"] = '"tell nobody"'
    for checkpoint in (cli_checkpoint(), opened):
        kept = json.dumps([each.model_dump() for each in graph_of(checkpoint).resources])
        assert "ciphertext" in json.dumps(checkpoint)
        assert "ciphertext" not in kept
        assert "v1:" not in kept
        assert "tell nobody" not in kept


def test_a_difference_names_the_property_and_the_secrets_that_cannot_be_compared() -> None:
    found = compare(cli_checkpoint(), with_delay(90))
    (change,) = found.changed
    assert [(part.path, part.before, part.after) for part in change.properties] == [
        ("visibilityTimeoutSeconds", 60, 90)
    ]
    (undecided,) = found.undecided
    assert (undecided.name, undecided.secrets) == ("p", ("value",))
    assert (found.added, found.removed, found.same) == ((), (), 3)


URNS = st.lists(st.sampled_from([f"urn:pulumi:s::p::aws:sqs/queue:Queue::{name}" for name in "abcdef"]), max_size=6)


@given(URNS, URNS)
def test_dependencies_are_compared_as_sets(before: list[str], after: list[str]) -> None:
    def graph(dependencies: list[str]) -> Graph:
        queue = Resource(urn="urn:pulumi:s::p::aws:sqs/queue:Queue::jobs", type="q", dependencies=tuple(dependencies))
        return Graph([queue])

    found = difference(graph(before), graph(after), names=("a", "b"))
    told = [(change.before, change.after) for each in found.changed for change in each.properties]
    assert {urn for urn, _ in told if urn} == set(before) - set(after)
    assert {urn for _, urn in told if urn} == set(after) - set(before)
    assert len(told) == len(set(before) ^ set(after))


def test_one_more_dependency_is_one_change() -> None:
    changed = cli_checkpoint()
    resource = resource_of(changed, "jobs")
    first = "urn:pulumi:a::b::aws:sqs/queue:Queue::aaa"  # sorts before all the others
    resource["dependencies"] = [first, *resource["dependencies"]]
    (change,) = compare(cli_checkpoint(), changed).changed
    assert [(each.path, each.before, each.after) for each in change.properties] == [("(dependencies)", None, first)]


def test_a_difference_looks_into_policies_and_shows_no_secret() -> None:
    changed = cli_checkpoint()
    jobs = resource_of(changed, "jobs")
    jobs["inputs"]["redrivePolicy"] = jobs["inputs"]["redrivePolicy"].replace("3}", "5}")
    resource_of(changed, "p")["inputs"]["value"] = "in clear"
    first, second = compare(cli_checkpoint(), changed).changed
    assert [(part.path, part.before, part.after) for part in first.properties] == [
        ("redrivePolicy.maxReceiveCount", 3, 5)
    ]
    assert (second.properties[0].before, second.properties[0].after) == ("[secret]", "in clear")


def test_added_and_removed_are_each_others_mirror() -> None:
    fewer = cli_checkpoint()
    fewer["checkpoint"]["latest"]["resources"].pop()
    there, back = compare(cli_checkpoint(), fewer), compare(fewer, cli_checkpoint())
    assert [each.urn for each in there.removed] == [each.urn for each in back.added]
    assert len(there.removed) == 1
    assert there.added == back.removed == ()


def test_a_kept_graph_is_checked_by_its_name() -> None:
    name, packed = graph_of(cli_checkpoint()).pack()
    assert Graph.unpack(name, packed).digest == graph_of(cli_checkpoint()).digest
    with pytest.raises(FileUnreadable, match="other contents"):
        Graph.unpack("0" * 64, packed)
    with pytest.raises(FileUnreadable, match="can't be read"):
        Graph.unpack(name, b"nonsense")


@pytest.mark.parametrize("latest", [None, {}, {"resources": None}])
def test_a_stack_that_was_never_deployed_has_nothing(latest: Any) -> None:
    assert graph_of({"version": 3, "checkpoint": {"latest": latest}}).resources == ()


@pytest.mark.parametrize(
    "wrong",
    [[], {}, {"version": 3}, {"version": 2, "checkpoint": {}}, {"version": 3, "checkpoint": {"latest": []}},
     {"version": 3, "checkpoint": {"latest": {"resources": [{"urn": "x"}]}}},
     {"version": 3, "checkpoint": {"latest": {"resources": ["x"]}}}],
)  # fmt: skip
def test_what_is_no_checkpoint_is_said_to_be_none(wrong: Any) -> None:
    with pytest.raises(FileUnreadable, match="checkpoint"):
        graph_of(wrong)
