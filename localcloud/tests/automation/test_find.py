"""Which Pulumi CLI deploys."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud import automation


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH but for the shell, and an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def put(program: Path, says: str) -> Path:
    """A program that answers `version`."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def test_the_one_on_path_is_used_if_it_is_new_enough(machine: Path) -> None:
    built = put(machine / "cache/localcloud/pulumi-3.259.0/pulumi", "v3.259.0")
    assert automation.find() == automation.Cli(built, (3, 259, 0))
    on_path = put(machine / "bin/pulumi", "v3.300.1")
    assert automation.find() == automation.Cli(on_path, (3, 300, 1))
    put(machine / "bin/pulumi", "v3.100.0")
    assert automation.find().program == built


def test_the_newest_that_was_built_is_used(machine: Path) -> None:
    for version in ("3.259.0", "3.1000.0", "3.300.0"):
        put(machine / f"cache/localcloud/pulumi-{version}/pulumi", f"v{version}")
    assert str(automation.find()) == "3.1000.0"


def test_without_one_the_error_says_what_to_do(machine: Path) -> None:
    with pytest.raises(automation.NoPulumi, match=r">= 3\.205\.1 is needed: none is on PATH, none was built"):
        automation.find()
    old = put(machine / "bin/pulumi", "v3.100.0")
    with pytest.raises(automation.NoPulumi) as refused:
        automation.find()
    assert str(refused.value).endswith(f"{old} is 3.100.0")
    assert refused.value.next_step.startswith("install Pulumi")
    put(machine / "bin/pulumi", "no version at all")
    with pytest.raises(automation.NoPulumi, match="none was built"):
        automation.find()
