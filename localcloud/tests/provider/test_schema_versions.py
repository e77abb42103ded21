"""A state of ours can be taken over by the official provider: it says which version of each schema wrote it."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import localcloud.provider
import pytest
from localcloud.provider.resource import META, REGISTRY

PLUGINS = Path(os.environ.get("LOCALCLOUD_TERRAFORM_PLUGINS", "/opt/tf-plugins"))
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Pulumi's module is another word than Terraform's.
NAMES: Mapping[str, str] = {
    "aws:cloudwatch/dashboard:Dashboard": "cloudwatch_dashboard",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "cloudwatch_log_resource_policy",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpc_endpoint",
    "aws:s3/bucketObjectv2:BucketObjectv2": "s3_object",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "sqs_queue_redrive_allow_policy",
    "aws:sqs/redrivePolicy:RedrivePolicy": "sqs_queue_redrive_policy",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "vpc_security_group_egress_rule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "vpc_security_group_ingress_rule",
}


def all_types() -> list[str]:
    for module in pkgutil.iter_modules(localcloud.provider.__path__):
        importlib.import_module(f"localcloud.provider.{module.name}")
    return sorted(REGISTRY)


def terraform_name(token: str, known: Mapping[str, Any]) -> str:
    """Terraform's name of a type."""
    _, module, kind = token.split(":")
    package, snake = module.split("/")[0], re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    names = [NAMES.get(token, ""), f"{package}_{snake}", f"{package}_event_{snake.removeprefix('event_')}", snake]
    return next(f"aws_{name}" for name in names if f"aws_{name}" in known)


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the provider's own binary says of its types."""
    versions = sorted((PLUGINS / PROVIDER).glob("*")) if shutil.which("terraform") else []
    if not versions:
        pytest.skip("no terraform with its AWS provider on this machine")
    folder = tmp_path_factory.mktemp("terraform")
    (folder / "rc").write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{PLUGINS}" }}\n}}\n')
    (folder / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n'
        f'      version = "{versions[-1].name}"\n    }}\n  }}\n}}\n'
    )

    def terraform(*arguments: str) -> str:
        environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "rc"), "CHECKPOINT_DISABLE": "1"}
        done = subprocess.run(
            ["terraform", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("init", "-no-color")
    told: dict[str, Any] = json.loads(terraform("providers", "schema", "-json"))
    return told["provider_schemas"][PROVIDER]["resource_schemas"]  # type: ignore[no-any-return]


def test_every_type_has_the_schema_version_of_terraforms_provider(schemas: dict[str, Any]) -> None:
    theirs = {token: schemas[terraform_name(token, schemas)]["version"] for token in all_types()}
    assert {token: REGISTRY[token].schema_version for token in theirs} == theirs


@pytest.mark.parametrize("token", all_types())
def test_outputs_say_the_version_unless_it_is_the_first(token: str) -> None:
    kind = REGISTRY[token]
    stamped = kind.stamped({"id": "x"})
    assert json.loads(stamped.pop(META, "{}")) == ({"schema_version": "1"} if kind.schema_version else {})
    assert stamped == {"id": "x"}


def test_the_types_that_have_a_version() -> None:
    # As of version 5.100 of Terraform's provider. pulumi-aws 7 stands on version 6: its subnets, roles and functions
    # have the same by their source.
    assert {token.rpartition(":")[2] for token in all_types() if REGISTRY[token].schema_version == 1} == {
        "BucketLifecycleConfiguration",
        "DefaultSecurityGroup",
        "EventRule",
        "EventTarget",
        "Invocation",
        "MetricAlarm",
        "QueuePolicy",
        "SecurityGroup",
        "Subnet",
        "Table",
        "TaskDefinition",
        "Vpc",
    }
