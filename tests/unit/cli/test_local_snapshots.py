"""`headwater local snapshot`: each verb, and what is told where it can't be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import daemon
from tests.unit.cli.conftest import Run


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Path]:
    """The folder of the local cloud of `run`, with a cloud that runs."""
    directory = tmp_path / "home" / "local"
    daemon.up(directory, port=0)
    yield directory
    daemon.down(directory)


def test_a_state_is_saved_listed_restored_and_deleted(run: Run, cloud: Path) -> None:
    saved = run("local", "snapshot", "save", "prepared", "--json")
    assert (saved.code, saved.json["name"]) == (0, "prepared")
    assert "headwater local snapshot restore prepared" in saved.err
    assert run("local", "snapshot", "list", "--json").json == [saved.json]
    assert "prepared" in run("local", "snapshot", "list").out
    assert run("local", "snapshot", "save", "prepared", "--json").json["reason"] == "snapshot_exists"

    asked = run("local", "snapshot", "restore", "prepared", "--json")
    assert asked.code != 0
    assert "headwater local snapshot save ANOTHER_NAME keeps it" in asked.json["next"]
    pid = daemon.status(cloud).pid  # type: ignore[union-attr]
    restored = run("local", "snapshot", "restore", "prepared", "--yes", "--json")
    assert restored.code == 0
    assert restored.json["saved_at"] == saved.json["saved_at"]
    running = daemon.status(cloud)
    assert running is not None
    assert running.pid != pid
    assert running.endpoint == restored.json["endpoint"]

    assert run("local", "snapshot", "delete", "prepared", "--json").code != 0
    assert run("local", "snapshot", "delete", "prepared", "--yes", "--json").json["status"] == "deleted"
    assert run("local", "snapshot", "list", "--json").json == []


def test_without_a_state_there_is_nothing_to_save_or_restore(run: Run) -> None:
    assert run("local", "snapshot", "save", "nothing", "--json").json["reason"] == "no_state"
    assert run("local", "snapshot", "restore", "nothing", "--yes", "--json").json["reason"] == "no_snapshot"
    assert "none; save one" in run("local", "snapshot", "list").err
