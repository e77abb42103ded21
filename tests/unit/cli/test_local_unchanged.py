"""A deployment that would change nothing is recognised, and none that could change something is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from localcloud.engine import ResourceState

from headwater.cli.local_unchanged import FILE, fingerprint, forget, remember, unchanged

GIVEN = {"config": {"architecture": "x86_64"}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a program, a product and an environment of its own."""
    for name in ("infra/__main__.py", "pipelines/shop/product.py", ".headwater/local/cloud.json", "env/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return tmp_path


def edited(name: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def act(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("two")
        os.utime(project / name, ns=(1, 1))

    return act


def removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pipelines/shop/product.py").unlink()


def variable(name: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    return lambda _, monkeypatch: monkeypatch.setenv(name, "other")


@pytest.mark.parametrize(
    "change",
    [
        edited("infra/__main__.py"),
        edited("pipelines/shop/added.py"),
        edited("shared/used_by_a_product.sql"),
        edited("Pulumi.local.yaml"),
        removed,
        variable("HEADWATER_SOMETHING"),
    ],
)
def test_whatever_a_program_may_read_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    before = fingerprint(project, GIVEN)
    assert fingerprint(project, GIVEN) == before
    change(project, monkeypatch)
    assert fingerprint(project, GIVEN) != before


@pytest.mark.parametrize(
    "change", [edited(".headwater/local/cloud.json"), edited("env/lib/module.py"), variable("COLUMNS")]
)
def test_what_no_program_reads_does_not_count(
    project: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    before = fingerprint(project, GIVEN)
    change(project, monkeypatch)
    assert fingerprint(project, GIVEN) == before


def test_settings_count(project: Path) -> None:
    assert fingerprint(project, GIVEN) != fingerprint(project, {"config": {"architecture": "arm64"}})


STACK = "urn:pulumi:local::shop::pulumi:pulumi:Stack::shop-local"
QUEUE = "urn:pulumi:local::shop::aws:sqs/queue:Queue::orders"
RESOURCES = (
    ResourceState(STACK, "pulumi:pulumi:Stack", False, outputs={"queue": "orders"}),
    ResourceState(QUEUE, "aws:sqs/queue:Queue", True, "orders", {"name": "orders"}, {"arn": "arn:orders"}),
)


def test_an_unchanged_deployment_is_the_last_one_with_its_outputs(tmp_path: Path) -> None:
    assert unchanged(tmp_path, "same", RESOURCES) is None
    remember(tmp_path, "same", RESOURCES)
    found = unchanged(tmp_path, "same", RESOURCES)
    assert found is not None
    assert (found.outputs, found.changes, found.resources) == ({"queue": "orders"}, {"same": 2}, RESOURCES)
    assert unchanged(tmp_path, "other", RESOURCES) is None
    forget(tmp_path)
    assert unchanged(tmp_path, "same", RESOURCES) is None


@pytest.mark.parametrize(
    "resources",
    [
        (),
        RESOURCES[:1],
        (RESOURCES[0], replace(RESOURCES[1], outputs={"arn": "arn:other"})),
        (RESOURCES[0], replace(RESOURCES[1], init_errors=("it never became active",))),
        (RESOURCES[0], replace(RESOURCES[1], delete=True)),
    ],
)
def test_a_state_that_somebody_else_left_is_deployed_anew(tmp_path: Path, resources: tuple[ResourceState, ...]) -> None:
    remember(tmp_path, "same", RESOURCES)
    assert unchanged(tmp_path, "same", resources) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"made_of": "same"}'])
def test_half_a_file_is_no_knowledge(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert unchanged(tmp_path, "same", RESOURCES) is None
