"""A promotion reaches a warm function within seconds, and a registry that is down doesn't stop it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from headwater.registry.errors import ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.errors import ArtifactCorrupted, RegistryUnavailable, UnknownModel
from headwater.serving.models import ServingModels
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE
from tests.unit.serving.cases import leave_run


class Clock:
    """Seconds that pass when told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Flaky(Table):
    """A table that doesn't answer while ``error`` is set."""

    error: Exception | None = None
    reads = 0

    def get(self, pk: str, sk: str) -> dict[str, object] | None:
        self.reads += 1
        if self.error:
            raise self.error
        return super().get(pk, sk)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(registry: Registry) -> Flaky:
    """Two versions, the first in production."""
    registry.register(leave_run("run-1"))
    registry.register(leave_run("run-2", seed=1))
    registry.promote("delays", alias="production", to=1, expected=None)
    return Flaky(TABLE, CLIENTS)


@pytest.fixture
def stale() -> list[str]:
    return []


@pytest.fixture
def models(table: Flaky, artifacts: ArtifactStore, clock: Clock, stale: list[str]) -> ServingModels:
    return ServingModels(
        Registry(table),
        artifacts,
        refresh_after=3,
        stale_after=60,
        on_stale=lambda model, alias, error: stale.append(f"{model}@{alias}: {error}"),
        clock=clock,
    )


def test_a_promotion_arrives_after_the_refresh_time(models: ServingModels, registry: Registry, clock: Clock) -> None:
    assert models.get("delays", "production").version == 1
    registry.promote("delays", alias="production", to=2, expected=1)
    clock.seconds = 2.9
    assert models.get("delays", "production").version == 1
    clock.seconds = 3.0
    assert models.get("delays", "production").version == 2


def test_a_warm_alias_costs_no_read_and_a_loaded_version_is_not_loaded_again(
    models: ServingModels, table: Flaky, clock: Clock
) -> None:
    first = models.get("delays", "production")
    reads = table.reads
    assert models.get("delays", "production") is first
    assert table.reads == reads
    clock.seconds = 10
    assert models.get("delays", "production") is first
    assert table.reads == reads + 1


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
    ],
)
def test_while_the_registry_is_down_the_last_version_serves_for_a_while(
    models: ServingModels, table: Flaky, clock: Clock, stale: list[str], error: Exception
) -> None:
    models.get("delays", "production")
    table.error = error
    clock.seconds = 30
    assert models.get("delays", "production").version == 1
    assert len(stale) == 1
    assert models.get("delays", "production").version == 1
    assert len(stale) == 1, "a registry that is down is not asked for every request"
    clock.seconds = 61
    with pytest.raises(RegistryUnavailable, match="delays@production can't be looked up"):
        models.get("delays", "production")
    table.error = None
    assert models.get("delays", "production").version == 1


def test_a_cold_function_cannot_answer_while_the_registry_is_down(models: ServingModels, table: Flaky) -> None:
    table.error = EndpointConnectionError(endpoint_url="https://dynamodb")
    with pytest.raises(RegistryUnavailable):
        models.get("delays", "production")


def test_a_withdrawn_alias_stops_serving(models: ServingModels, registry: Registry, clock: Clock) -> None:
    models.get("delays", "production")
    registry.withdraw("delays", alias="production", expected=1)
    clock.seconds = 3
    with pytest.raises(UnknownModel):
        models.get("delays", "production")


def test_an_unknown_model_is_refused_without_naming_others(models: ServingModels) -> None:
    with pytest.raises(UnknownModel) as refused:
        models.get("wine", "production")
    assert refused.value.message == "no model 'wine' serves under the alias 'production'"
    with pytest.raises(UnknownModel):
        models.get("delays", "canary")


def test_a_corrupted_artifact_is_never_served(models: ServingModels, registry: Registry, clock: Clock) -> None:
    models.get("delays", "production")
    registry.register(leave_run("run-3", graph=b"something else"))
    registry.promote("delays", alias="production", to=3, expected=1)
    clock.seconds = 3
    with pytest.raises(ArtifactCorrupted, match=r"delays version 3: s3://artifacts/runs/delays/run-3/model.onnx"):
        models.get("delays", "production")


def test_an_artifact_that_is_overwritten_later_serves_as_it_was_registered(
    models: ServingModels, registry: Registry
) -> None:
    leave_run("run-1", graph=b"written over it")
    assert models.get("delays", "production").version == 1


def test_an_artifact_that_is_gone_is_named(models: ServingModels, registry: Registry) -> None:
    lost = leave_run("run-3").model_copy(update={"run_id": "run-4"})
    registry.register(lost.model_copy(update={"package": lost.package.model_copy(update={"key": "runs/gone"})}))
    registry.promote("delays", alias="staging", to=3, expected=None)
    with pytest.raises(ArtifactNotFound, match="s3://artifacts/runs/gone isn't there"):
        models.get("delays", "staging")
