"""The stack's configuration: what is given is used, what is wrong is named."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_aws
import pytest
import yaml
from pulumi.runtime.config import CONFIG, set_all_config

from headwater.infra.platform.config import Config, InvalidConfig
from headwater.infra.platform.tags import InvalidStackName, prefix, tags
from headwater.project import LIBRARY
from tests.infra.cases import ROOT


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    before = CONFIG.get()
    yield
    CONFIG.set(before)


def load(**values: str) -> Config:
    set_all_config({f"headwater:{key}": value for key, value in values.items()})
    return Config.load()


def test_without_any_setting_the_stack_is_safe_to_run_in_production() -> None:
    config = load()
    assert config.deletion_protection
    assert not config.force_destroy
    assert config.python == "3.12"
    assert config.alarm_repeat_after == timedelta(hours=4)


def test_settings_are_typed() -> None:
    config = load(logRetentionDays="30", alarmEmails='["a@example.com"]', forceDestroy="true", pythonVersion="3.13")
    assert (config.log_retention_days, config.alarm_emails, config.force_destroy) == (30, ("a@example.com",), True)
    assert config.python == "3.13"


def test_functions_on_this_machine_run_this_machines_python() -> None:
    assert load(bundlePlatform="host").python == f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("logRetentionDays", "8", r"headwater:logRetentionDays is 8: Input should be 1, 3"),
        ("logRetentoinDays", "7", r"headwater:logRetentoinDays is no setting. There are alarmAllowHttpWebhooks"),
        ("architecture", "mips", r"headwater:architecture is 'mips': Input should be 'arm64' or 'x86_64'"),
        ("trainingMemoryMib", "1000", r"trainingMemoryMib is 1000, with trainingCpu 2048 Fargate takes 4096 to 16384"),
        ("trainingCpu", "3000", r"trainingCpu is 3000, Fargate takes 1024, 2048"),
        ("trainingImage", "training:latest", r"headwater:trainingImage is 'training:latest'"),
        ("alarmEmails", '["nobody"]', r"headwater:alarmEmails.0 is 'nobody'"),
        ("deletionProtection", "perhaps", r"headwater:deletionProtection is 'perhaps'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_possible(key: str, value: str, says: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^stack 'dev': {says}"):
        load(**{key: value})


def test_a_vpc_of_ones_own_comes_with_its_subnets() -> None:
    assert Config(vpc_id="vpc-0a1", subnet_ids=("subnet-0a1",)).subnet_ids == ("subnet-0a1",)
    for half in ({"vpc_id": "vpc-0a1"}, {"subnet_ids": ("subnet-0a1",)}):
        with pytest.raises(ValueError, match="vpcId and subnetIds go together"):
            Config(**half)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidConfig, match=r"logRetentionDays is 8.*apiBurst is 0"):
        load(logRetentionDays="8", apiBurst="0")


@pytest.mark.parametrize("name", ["dev", "local"])
def test_the_stacks_that_come_with_the_project_are_valid(name: str) -> None:
    given: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    ours = {key.removeprefix("headwater:"): value for key, value in given.items() if key.startswith("headwater:")}
    assert Config.model_validate(ours)


@pytest.mark.parametrize("name", ["Prod", "prod_eu", "p", "1st", "a" * 31, "dev-"])
def test_a_stacks_name_that_no_bucket_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: name)
    with pytest.raises(InvalidStackName, match=r"expected lower-case letters|have room for 37"):
        prefix()


def test_a_configured_tag_can_not_hide_whose_a_resource_is() -> None:
    set_all_config({"headwater:tags": '{"Team": "flights", "Stack": "other"}'})
    assert tags(capability="lake") == {
        "Team": "flights",
        "Project": pulumi.get_project(),
        "Stack": "dev",
        "Capability": "lake",
        "ManagedBy": "pulumi",
    }


def test_every_setting_is_documented() -> None:
    source = (LIBRARY / "infra" / "platform" / "config.py").read_text()
    plain = {"training_cpu", "training_memory_mib", "api_rate_per_second", "api_burst", "tags", "alarm_emails"}
    for name in Config.model_fields.keys() - plain:
        after = source.split(f"    {name}:", 1)[1].split("\n", 1)[1]
        assert after.lstrip().startswith('"""'), f"{name} has no docstring"


def test_the_variable_alone_says_where_the_official_provider_finds_the_local_cloud() -> None:
    settings = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]
    names = [key.removeprefix("aws:") for key in settings if key.startswith("aws:")]
    assert "s3UsePathStyle" in names
    assert "endpoints" not in names  # they would win over AWS_ENDPOINT_URL, and name one port
    for name in names:
        assert hasattr(pulumi_aws.config.vars._ExportableConfig, re.sub(r"([A-Z])", r"_\1", name).lower()), (
            f"aws:{name} is no setting"
        )


@pytest.mark.parametrize("file", ["Pulumi.yaml", "infra/policies/PulumiPolicy.yaml"])
def test_pulumi_takes_the_environment_that_is_active(file: str) -> None:
    # Without `virtualenv`, pulumi-language-python runs the Python on PATH (sdk/python/toolchain/pip.go).
    assert yaml.safe_load((ROOT / file).read_text())["runtime"] == "python"


@pytest.mark.parametrize("page", ["README.md", "docs/aws.md", "docs/how-to/pulumi-on-the-laptop.md"])
def test_a_page_makes_the_environment_before_it_says_pulumi_up(page: str) -> None:
    text = (ROOT / page).read_text()
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        up = re.search(r"^    pulumi (up|preview)", block, re.MULTILINE)
        if up:
            before = block[: up.start()]
            assert "make setup" in before, f"{page}: {block}"
            assert ". .venv/bin/activate" in before, f"{page}: {block}"
