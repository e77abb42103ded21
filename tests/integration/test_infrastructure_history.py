"""The deployment of the stack itself is in its history, by the event that the state bucket sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.client import Stack
from headwater.client.infrastructure import UpdateCard
from headwater.client.waiting import wait_for
from tests.projects import Project

pytestmark = pytest.mark.cloud


def test_the_deployment_is_in_the_history_by_its_event(deployed: Stack, project: Project, tmp_path: Path) -> None:
    card = wait_for(lambda: _whole(deployed), what="the entry of the deployment", timeout=60)
    update = card.update
    assert (update.kind, update.result, update.problems) == ("update", "succeeded", ())
    assert update.by
    assert update.run_by
    assert update.config["headwater:stateBucket"] == "state"
    kinds = {each.type for each in card.resources}
    assert {"aws:s3/bucket:Bucket", "aws:lambda/function:Function", "aws:sfn/stateMachine:StateMachine"} <= kinds
    assert deployed.infra.at(update.ended_at).update.id == update.id
    assert project.done("infra", "sync")["new"] == 0  # the events told everything
    # There is no git beside a copy of the tree: nothing says which program it was.
    code, failure = project.refused("infra", "restore", "latest")
    assert code == 5
    assert "no commit is known" in failure["message"]


def _whole(deployed: Stack) -> UpdateCard | None:
    found = deployed.infra.history()
    return deployed.infra.show() if found and found[0].digest else None
