"""The whole stack, deployed by the embedded engine and by the Pulumi CLI: there must be no difference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from localcloud.engine import ResourceState, deploy, destroy
from localcloud.testing import cloud_beside

from localcloud import automation
from tests.infra.cases import CONFIG, ROOT, STACK, Graph
from tests.infra.inventory import inventory
from tests.pulumi_cli import needed_cli

pytestmark = pytest.mark.cloud


def graph_of(resources: tuple[ResourceState, ...]) -> dict[str, Any]:
    """Each resource by its URN: type, parent, dependencies and inputs, with names instead of what is drawn by lot."""
    drawn = {state.id: f"<{state.name}>" for state in resources if state.custom and len(state.id) > 7}
    by_length = sorted((re.escape(identity) for identity in drawn), key=len, reverse=True)
    pattern = re.compile("|".join(by_length))

    def named(value: Any) -> Any:
        text = pattern.sub(lambda match: drawn[match[0]], json.dumps(value, sort_keys=True, default=repr))
        return json.loads(re.sub(r"127\.0\.0\.1:\d+", "cloud", text))

    return {
        state.urn: {
            "type": state.type,
            "parent": state.parent,
            "dependencies": sorted(state.dependencies),
            "properties": {name: sorted(urns) for name, urns in state.property_dependencies.items() if urns},
            "inputs": named(state.plain_inputs) if state.custom else None,
            "protect": state.protect,
        }
        for state in resources
        if not state.type.startswith("pulumi:providers:")
    }


@pytest.fixture(scope="module")
def cli() -> automation.Cli:
    """The CLI; without one these tests are skipped."""
    return needed_cli()


@pytest.fixture(scope="module")
def beside(cli: automation.Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mapping[str, str], Path]]:
    """A second cloud, for the CLI, and its folder."""
    folder = tmp_path_factory.mktemp("engines")
    with cloud_beside(folder) as cloud:
        yield cloud.environment(), folder


def test_both_engines_leave_the_same_stack(
    graph: Graph, beside: tuple[Mapping[str, str], Path], cli: automation.Cli
) -> None:
    environment, folder = beside
    empty = inventory(environment)

    # The CLI would upload the whole state before and after each of 350 resources: a third of the test's work.
    once = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
    with_cli: dict[str, Any] = {
        "cli": cli, "folder": folder, "environment": {**environment, **once}, "config": CONFIG,
    }  # fmt: skip
    deployed = automation.deploy(ROOT, STACK, **with_cli)
    ours, theirs = graph_of(graph.deployment.resources), graph_of(deployed.resources)
    assert theirs.keys() == ours.keys()
    differ = [urn for urn in ours if theirs[urn] != ours[urn]]
    assert [theirs[urn] for urn in differ] == [ours[urn] for urn in differ]
    assert inventory(environment) == graph.inventory
    assert deployed.changes == graph.deployment.changes

    # Unchanged code changes nothing, whichever engine looks; and what the cloud says is what was deployed.
    assert automation.deploy(ROOT, STACK, **with_cli, refresh=True).changes.keys() == {"same"}
    assert deploy(ROOT, STACK, environment=environment, config=CONFIG).changes.keys() == {"same"}

    gone = automation.destroy(ROOT, STACK, **with_cli)
    assert gone.changes == {"delete": deployed.changes["create"]}
    left = inventory(environment)
    left["s3.list_buckets"].remove("state")
    assert left == empty
    assert destroy(ROOT, STACK, environment=environment, config=CONFIG).changes == {}
