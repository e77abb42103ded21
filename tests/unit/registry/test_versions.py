"""A candidate becomes a version once, under a number of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from headwater.registry.errors import ModelNotRegistered, RegistryBusy, VersionNotFound
from headwater.registry.service import Registry
from headwater.registry.types import Parity, Status
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table, WriteRefused
from tests.unit.registry.cases import TABLE, LosesAnswers, OneAtATime, candidate


def test_a_candidate_that_passed_its_gates_is_ready(registry: Registry) -> None:
    version = registry.register(candidate())
    assert (version.version, version.status, version.reasons) == (1, Status.READY, ())
    assert registry.version("delays", 1) == version


def test_a_candidate_that_failed_a_gate_is_rejected_with_the_reason(registry: Registry) -> None:
    version = registry.register(candidate(passed=False))
    assert version.status is Status.REJECTED
    assert version.reasons == ("roc_auc is 0.6, at least 0.7",)


def test_a_graph_that_differs_from_its_pipeline_is_rejected(registry: Registry) -> None:
    parity = Parity(rows=100, largest_difference=0.07, tolerance=1e-4, passed=False)
    version = registry.register(candidate(parity=parity))
    assert version.status is Status.REJECTED
    assert "differs from the trained pipeline by up to 0.07 on 100 rows" in version.reasons[0]


def test_a_run_registered_twice_keeps_its_version(registry: Registry) -> None:
    first = registry.register(candidate("run-1"))
    registry.register(candidate("run-2"))
    assert registry.register(candidate("run-1")) == first
    assert [entry.version for entry in registry.versions("delays")] == [1, 2]


def test_a_registration_whose_answer_was_lost_is_recognised(registry: Registry) -> None:
    version = Registry(LosesAnswers(TABLE), pause=lambda _: None).register(candidate())
    assert version.version == 1
    assert len(registry.versions("delays")) == 1


def test_racing_registrations_get_dense_numbers(registry: Registry) -> None:
    store = OneAtATime(TABLE)
    runs = [f"run-{number % 12}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda run: Registry(store, pause=lambda _: None).register(candidate(run)), runs))
    assert sorted({entry.version for entry in versions}) == list(range(1, 13))
    assert all(a.version == b.version for a, b in zip(versions[:12], versions[12:], strict=True))


def test_endless_contention_is_an_error_that_says_so(registry: Registry) -> None:
    class NeverFirst(Table):
        def transact(self, writes: object) -> None:
            raise WriteRefused("TransactionConflict")

    with pytest.raises(RegistryBusy, match="another writer came first"):
        Registry(NeverFirst(TABLE, CLIENTS), pause=lambda _: None).register(candidate())


def test_models_are_listed_by_name(registry: Registry) -> None:
    assert registry.models() == ()
    registry.register(candidate(model="wine"))
    registry.register(candidate(model="delays"))
    assert registry.models() == ("delays", "wine")


def test_an_unknown_model_is_told_which_there_are(registry: Registry) -> None:
    registry.register(candidate())
    with pytest.raises(ModelNotRegistered, match=r"no version of model 'wine' is registered\. Registered: delays"):
        registry.version("wine", 1)


def test_an_unknown_version_is_told_which_there_are(registry: Registry) -> None:
    registry.register(candidate())
    with pytest.raises(VersionNotFound, match="no version 7; its versions are 1 to 1"):
        registry.version("delays", 7)
