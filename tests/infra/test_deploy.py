"""Deploying again, and what stops a deployment before anything is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from localcloud.engine import DeployError, deploy, destroy, preview

from tests.infra.cases import CONFIG, ROOT, STACK, Graph

pytestmark = pytest.mark.cloud

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
import pulumi
from headwater.infra.platform.alarm_topic import AlarmTopic, DeadLetters
from headwater.infra.platform.buckets import Account
from headwater.infra.bundles.build import Bundle
from headwater.infra.platform.config import Config
from headwater.infra.platform.code import Code
from headwater.infra.platform.function import Function, FunctionArgs
from headwater.infra.platform.grants import allow
import headwater.handlers.alarms.manage

account = Account.current()
topic = AlarmTopic("alarms", account=account)
code = Code(
    bundle=Bundle(name="control", path=Path("none.zip"), sha256="0", unzipped_bytes=0),
    bucket=pulumi.Output.from_input("no-bucket"),
    key=pulumi.Output.from_input("none.zip"),
)
platform = SimpleNamespace(
    config=Config(),
    code={{"control": code}},
    topic=topic,
    dead_letters=DeadLetters("dead-letters", account=account, topic=topic),
)
Function(
    "wrong",
    FunctionArgs(
        platform=platform,
        handler=headwater.handlers.alarms.manage,
        settings={{**topic_settings}},
        uses=[USES],
        bundle="control",
        memory_mib=256,
        timeout=timedelta(seconds=1),
    ),
)
"""


@pytest.fixture
def program(aws: Mapping[str, str], tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Writes a project whose only function gets the given settings and uses; what it made is gone afterwards."""

    def write(settings: str, uses: str = "") -> Path:
        (tmp_path / "Pulumi.yaml").write_text("name: wrong\nruntime: python\n")
        (tmp_path / "__main__.py").write_text(PROGRAM.replace("{**topic_settings}", settings).replace("USES", uses))
        return tmp_path

    yield write
    destroy(tmp_path, "wrong", environment=aws)


def test_a_second_deployment_changes_nothing(graph: Graph, aws: Mapping[str, str]) -> None:
    again = deploy(ROOT, STACK, environment=aws, config=CONFIG)
    assert again.changes.keys() == {"same"}
    assert again.outputs == graph.deployment.outputs


def test_a_setting_that_the_handler_does_not_declare_stops_the_deployment(
    aws: Mapping[str, str], program: Callable[..., Path]
) -> None:
    project = program('{"registry_tabel": "registry"}')
    with pytest.raises(DeployError, match=r"no such setting: registry_tabel; not given: .*registry_table"):
        deploy(project, "wrong", environment=aws)


def test_a_use_that_the_handler_has_no_setting_for_stops_the_deployment(
    aws: Mapping[str, str], program: Callable[..., Path]
) -> None:
    project = program('{"registry_table": "r"}', 'allow(["s3:GetObject"], "arn:a/*", settings={"lake_bucket": "lake"})')
    with pytest.raises(DeployError, match=r"no such setting: lake_bucket.*declare what the function uses"):
        deploy(project, "wrong", environment=aws)


def test_a_setting_of_the_wrong_type_stops_the_function_from_being_made(
    aws: Mapping[str, str], program: Callable[..., Path]
) -> None:
    # The value is an output: only once it is known can its type be seen.
    project = program('{"registry_table": topic.topic.name, "repeat_after_seconds": topic.topic.name}')
    with pytest.raises(DeployError, match="repeat_after_seconds"):
        deploy(project, "wrong", environment=aws)


def test_a_wrong_setting_stops_the_program_before_anything_is_made(aws: Mapping[str, str]) -> None:
    with pytest.raises(DeployError, match="stack 'other': headwater:logRetentionDays is 8: Input should be 1, 3"):
        preview(ROOT, "other", environment=aws, config={"headwater:logRetentionDays": "8"})


def test_the_description_is_json_that_holds_every_output(graph: Graph) -> None:
    (parameter,) = graph.all("aws:ssm/parameter:Parameter")
    assert json.loads(parameter.plain_inputs["value"]).keys() == graph.deployment.outputs.keys()
