"""What AWS says of a build that it won't start is told with what to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from headwater.images.errors import NoBuilds
from headwater.images.store import Builder
from headwater.images.types import BuildRequest
from headwater.storage.environment import CLIENTS
from tests.unit.registry.cases import mocked_aws

REQUEST = BuildRequest(bucket="artifacts", key="context.zip", tag="a" * 64)


def test_an_account_without_builds_is_told_what_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a new account answers (aws-ia/terraform-aws-control_tower_account_factory#100 and others).
    said = "Cannot have more than 0 builds in queue for the account"

    def refuse(**_: Any) -> Any:
        return SimpleNamespace(status_code=400), {
            "Error": {"Code": "AccountLimitExceededException", "Message": said},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }

    with mocked_aws(monkeypatch):
        CLIENTS("codebuild").meta.events.register("before-call.codebuild.StartBuild", refuse)
        with pytest.raises(NoBuilds, match=said) as refused:
            Builder("project", CLIENTS).start(REQUEST)
    assert "Service Quotas" in refused.value.message
    assert "headwater:trainingImage" in refused.value.message
