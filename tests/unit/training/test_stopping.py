"""A run that a person stopped registers nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headwater.client.containers import stop_container
from headwater.registry.errors import ModelNotRegistered
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import CANDIDATE_FILE
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.registration import Registration
from headwater.training.stopping import STOP_FILE, RunStopped, Stop
from headwater.training.store import RunFiles
from headwater.versions.service import Versions
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY, World
from tests.unit.registry.cases import candidate


def test_a_stopped_run_is_refused_by_name_and_gets_no_number(world: World) -> None:
    files = RunFiles(ARTIFACTS, "delays", "run-1", CLIENTS)
    files.put_value(CANDIDATE_FILE, candidate("run-1"))
    first = Stop(by="ann", why="too costly", at=datetime(2026, 11, 1, tzinfo=UTC))
    files.put_first(STOP_FILE, first)
    # The first word stays.
    assert files.put_first(STOP_FILE, first.model_copy(update={"by": "bob"}))[0] == first
    registry = Registry(Table(REGISTRY, CLIENTS))
    with pytest.raises(RunStopped, match="run run-1 of delays was stopped by ann: too costly; nothing of it"):
        Registration(
            registry, ArtifactStore(ARTIFACTS, CLIENTS), Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS)
        ).register("delays", "run-1")
    with pytest.raises(ModelNotRegistered):
        registry.versions("delays")


def test_only_the_container_of_that_run_is_stopped(world: World) -> None:
    ecs = CLIENTS("ecs")
    ecs.create_cluster(clusterName="headwater-dev")
    ecs.register_task_definition(
        family="training", containerDefinitions=[{"name": "training", "image": "x", "memory": 8}]
    )  # fmt: skip
    ec2 = CLIENTS("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    tasks = {}
    for run in ("run-1", "run-2"):
        started = ecs.run_task(
            cluster="headwater-dev",
            taskDefinition="training",
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
            overrides={"containerOverrides": [{"name": "training", "command": ["train", "delays", run]}]},
        )
        tasks[run] = started["tasks"][0]["taskArn"]
    assert stop_container(CLIENTS, "headwater-dev", "delays", "run-1", "stopped by ann") == 1
    found = ecs.describe_tasks(cluster="headwater-dev", tasks=list(tasks.values()))["tasks"]
    assert {task["taskArn"]: task["desiredStatus"] for task in found} == {
        tasks["run-1"]: "STOPPED", tasks["run-2"]: "RUNNING"
    }  # fmt: skip
