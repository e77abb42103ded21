"""An update's graph tells the code in the stack: each bundle, the image, and the state that joins them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headwater.history.contents import BundleVersion, Contents, ImageVersion, contents_of
from headwater.history.graph import Graph
from headwater.history.types import Resource

HERE = Path(__file__).parent
TASK, OBJECT = "aws:ecs/taskDefinition:TaskDefinition", "aws:s3/bucketObjectv2:BucketObjectv2"
DIGEST = f"sha256:{'d' * 64}"


def stack() -> list[Resource]:
    """The objects and the task of a stack, as its graph on the local cloud was kept; tags and most others left out."""
    return [Resource.model_validate(each) for each in json.loads((HERE / "stack-graph.json").read_text())]


def test_a_stacks_code_is_found_in_its_graph() -> None:
    found = contents_of(Graph(stack()))
    assert [(bundle.name, bundle.sha256[:8]) for bundle in found.bundles] == [
        ("control", "bbdb390f"),
        ("data", "faa74424"),
        ("serving", "55cd65b6"),
        ("spark", "7fc207d8"),
    ]
    digest = "sha256:4a0cefd5021bdc69105d8a9a8e85acbbe56f234b264e38eed2cdb28d4af10f67"
    assert found.image == ImageVersion("headwater-local-training", digest)
    assert found.code_state == f"code/state/{found.code_state_sha256}.json"
    assert found.code_state_sha256 == "347557d45dc8dc6de57fbdfaf8b972d29a0b9a75546658bf10afba21ae54cd3b"
    assert found.bundles[0].key == f"code/control-{found.bundles[0].sha256}.zip"


def test_what_waits_for_its_deletion_does_not_count() -> None:
    old = Resource(urn="u", type=OBJECT, inputs={"key": f"code/control-{'0' * 64}.zip"}, condemned=True)
    assert contents_of(Graph([*stack(), old])) == contents_of(Graph(stack()))


def test_a_stack_of_an_earlier_version_has_no_state_and_an_empty_one_nothing() -> None:
    earlier = [each for each in stack() if "/state/" not in str(each.inputs.get("key"))]
    found = contents_of(Graph(earlier))
    assert (found.code_state, found.code_state_sha256, len(found.bundles)) == ("", "", 4)
    assert contents_of(Graph([])) == Contents()


def task(definitions: Any, parent: str = "urn:pulumi:s::p::headwater:index:Containers::containers") -> Resource:
    inputs: Mapping[str, Any] = {"containerDefinitions": definitions}
    return Resource(urn=f"{parent}${TASK}", type=TASK, parent=parent, inputs=inputs)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/train@{DIGEST}", "team/train"),
        (f"localhost:5000/train@{DIGEST}", "train"),
        (f"team/train@{DIGEST}", "team/train"),
        (f"${{a::b.repositoryUrl}}/train@{DIGEST}", "x/train"),
    ],
)
def test_an_images_repository_is_named_without_its_registry(image: str, repository: str) -> None:
    assert contents_of(Graph([task(json.dumps([{"image": image}]))])).image == ImageVersion(repository, DIGEST)


@pytest.mark.parametrize("definitions", [None, "", "{", "5", [5], '[{"image": "train:latest"}]', [{"image": None}]])
def test_a_task_without_an_image_by_digest_has_none(definitions: Any) -> None:
    assert contents_of(Graph([task(definitions)])).image is None


def test_headwaters_own_task_goes_before_a_projects() -> None:
    theirs = task([{"image": f"other@{DIGEST}"}], parent="urn:pulumi:s::p::acme:index:A::a")
    ours = task([{"image": f"train@{DIGEST}"}])
    assert contents_of(Graph([theirs, ours])).image == ImageVersion("train", DIGEST)


def test_a_bundle_is_named_by_all_but_its_hash() -> None:
    key = f"code/my-own-{'a' * 64}.zip"
    graph = Graph([Resource(urn="u", type=OBJECT, inputs={"key": key})])
    assert contents_of(graph).bundles == (BundleVersion("my-own", "a" * 64),)
