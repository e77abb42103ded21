from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater import __version__
from headwater.client import Stack, connect
from headwater.storage.environment import CLIENTS
from tests.unit.registry.cases import make_table, mocked_aws

OUTPUTS = {
    "region": "us-east-1",
    "lake_bucket": "lake",
    "artifacts_bucket": "artifacts",
    "predictions_bucket": "predictions",
    "features_table": "features",
    "registry_table": "registry",
    "ingestion_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:headwater-dev-ingestion",
    "training_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:headwater-dev-training",
    "predict_function": "headwater-dev-predict",
    "api_url": "http://127.0.0.1:1",
    "alarm_topic_arn": "arn:aws:sns:us-east-1:123456789012:headwater-dev-alarms",
    "cluster": "headwater-dev",
    "project": "headwater",
    "version": __version__,
    "state_bucket": "state",
}


@pytest.fixture(autouse=True)
def nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No stack of the person who runs the tests is ever touched."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path / "home"))
    for name in ("HEADWATER_STACK", "HEADWATER_PROJECT", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS account with nothing in it."""
    with mocked_aws(monkeypatch):
        yield


@pytest.fixture
def stack(account: None) -> Stack:
    """A stack called dev: its description, its table and its lake."""
    describe("dev", OUTPUTS)
    make_table("registry")
    CLIENTS("s3").create_bucket(Bucket="lake")
    CLIENTS("s3").put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    return connect("dev")


def describe(name: str, outputs: dict[str, str]) -> None:
    """Write a stack's description as its deployment does."""
    CLIENTS("ssm").put_parameter(
        Name=f"/headwater/headwater/{name}", Value=json.dumps(outputs), Type="String", Overwrite=True
    )
