"""The variables by which a Pulumi CLI works on the local cloud."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from localcloud.automation import pulumi_variables
from localcloud.automation.variables import cli_environment

CLOUD = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4711", "AWS_REGION": "eu-central-1"}


def test_they_lead_to_the_clouds_own_state_and_to_our_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    variables = pulumi_variables(CLOUD, tmp_path)
    assert variables["PULUMI_BACKEND_URL"] == (
        "s3://state?endpoint=127.0.0.1:4711&disableSSL=true&s3ForcePathStyle=true&region=eu-central-1"
    )
    assert variables["PULUMI_CONFIG_PASSPHRASE"] == ""
    plugin, rest = variables["PATH"].split(os.pathsep)
    assert rest == "/usr/bin"
    assert os.access(Path(plugin) / "pulumi-resource-aws", os.X_OK)
    # Said twice, PATH is as it was.
    monkeypatch.setenv("PATH", variables["PATH"])
    assert pulumi_variables(CLOUD, tmp_path)["PATH"] == variables["PATH"]


def test_nothing_of_the_persons_own_aws_or_pulumi_reaches_the_cli(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
        "PULUMI_HOME",
    ):
        monkeypatch.setenv(name, "mine")
    given = cli_environment(CLOUD, tmp_path, Path("/opt/pulumi/bin/pulumi"))
    assert "mine" not in given.values()
    assert given["PULUMI_HOME"] == str(tmp_path / "pulumi")
    assert given["PATH"].split(os.pathsep)[:2] == ["/opt/pulumi/bin", str(tmp_path / "plugin")]
