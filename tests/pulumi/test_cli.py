"""The real Pulumi CLI on the local cloud."""

from __future__ import annotations

import os
import signal

import pytest
from localcloud.engine.bucket import BUCKET

from headwater.history.types import StackName
from localcloud import engine
from tests.pulumi.conftest import STACK, Small, history_beside

pytestmark = pytest.mark.cloud

PROGRAM = """
    settings, project = pulumi.Config(), pulumi.get_project()
    dead = aws.sqs.Queue(f"{project}-dead")
    aws.sqs.Queue(
        f"{project}-jobs",
        visibility_timeout_seconds=settings.get_int("timeout") or 60,
        redrive_policy=dead.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})),
    )
    table = aws.dynamodb.Table(
        project, hash_key=(key := settings.get("key") or "pk"), billing_mode="PAY_PER_REQUEST",
        attributes=[{"name": key, "type": "S"}],
    )
    aws.ssm.Parameter(project, type="SecureString", value=settings.get_secret("token") or pulumi.Output.secret("hush"))
    pulumi.export("table", table.name)
    pulumi.export("url", dead.url)
    pulumi.export("token", pulumi.Output.secret("hush"))
"""
HALF = (
    '\naws.s3.Bucket("half", bucket=f"{pulumi.get_project()}-half", tags={"KEY": "v"}, opts=pulumi.ResourceOptions())\n'
)


def inventory(small: Small) -> dict[str, list[str]]:
    """What the cloud has of this project, as the services themselves tell."""
    listed = {
        "queues": small.aws.client("sqs").list_queues().get("QueueUrls", []),
        "tables": small.aws.client("dynamodb").list_tables()["TableNames"],
        "parameters": [item["Name"] for item in small.aws.client("ssm").describe_parameters()["Parameters"]],
        "buckets": [bucket["Name"] for bucket in small.aws.client("s3").list_buckets()["Buckets"]],
    }
    return {kind: sorted(name for name in names if small.name in name) for kind, names in listed.items()}


def test_a_stack_lives_from_its_first_up_to_its_end(small: Small) -> None:
    first = small.write(PROGRAM).deploy(message="the first")
    assert first.changes == {"create": 5}
    assert first.outputs["token"] == "hush"
    assert small.did()[-1] == f"create Queue {small.name}-jobs" or len(small.did()) == 4
    checkpoint = small.aws.client("s3").get_object(Bucket=BUCKET, Key=f".pulumi/stacks/{small.name}/{STACK}.json")
    assert b"hush" not in checkpoint["Body"].read()

    second = small.deploy()
    assert (second.changes, second.outputs) == ({"same": 5}, first.outputs)

    changed = small.deploy(config={"timeout": "90"})
    assert changed.changes == {"same": 4, "update": 1}
    assert small.did() == [f"update Queue {small.name}-jobs"]
    assert {event.detail for event in small.events if event.operation == "update"} == {"visibilityTimeoutSeconds"}

    replaced = small.deploy(config={"timeout": "90", "key": "id"})
    assert replaced.changes == {"same": 4, "replace": 1}
    assert small.did() == [f"replace Table {small.name}", f"delete Table {small.name}"]
    assert replaced.outputs["table"] != first.outputs["table"]

    small.write(PROGRAM + HALF.replace("KEY", "aws:reserved").replace("\n", "\n    "))
    with pytest.raises(engine.DeployError) as failed:
        small.deploy(config={"timeout": "90", "key": "id"})
    assert str(failed.value).startswith('aws:s3/bucket:Bucket "half": create failed: ')
    assert "InvalidTag" in str(failed.value)
    assert "\n" not in str(failed.value)
    half = next(state for state in small.resources() if state.name == "half")
    assert (half.id, bool(half.init_errors)) == (f"{small.name}-half", True)
    small.write(PROGRAM + HALF.replace("KEY", "owner").replace("\n", "\n    "))
    assert small.deploy(config={"timeout": "90", "key": "id"}).changes == {"same": 5, "update": 1}

    assert {len(names) for names in inventory(small).values()} == {1, 2}
    assert small.destroy().changes == {"delete": 6}
    assert inventory(small) == {"queues": [], "tables": [], "parameters": [], "buckets": []}
    assert small.resources() == ()

    # What the CLI left behind is the history's: each update, and what each of them changed.
    stack = StackName(project=small.name, stack=STACK)
    with history_beside(small) as history:
        history.sync()
        updates = history.updates(stack)
        in_place, anew, gone = (history.diff(*pair) for pair in ((updates[1], updates[2]), updates[2:4], updates[5:]))
    assert [update.kind for update in updates] == ["update"] * 6 + ["destroy"]
    assert [update.result for update in updates] == ["succeeded"] * 4 + ["failed", "succeeded", "succeeded"]
    assert updates[0].message == "the first"
    assert updates[0].digest == updates[1].digest != updates[2].digest
    (queue,) = in_place.changed
    assert [(queue.name, each.path, each.before, each.after) for each in queue.properties] == [
        (f"{small.name}-jobs", "visibilityTimeoutSeconds", 60, 90)
    ]
    assert {"hashKey"} <= {each.path for each in next(iter(anew.changed)).properties}
    assert len(gone.removed) >= 6
    assert not gone.added


def test_plain_commands_work_in_a_shell_that_knows_the_cloud(small: Small) -> None:
    small.write(PROGRAM)
    settings = small.root / f"Pulumi.{STACK}.yaml"
    small.done("stack", "init")
    previewed = small.done("preview")
    assert "+ 5 to create" in previewed
    assert "url  : [unknown]" in previewed
    assert inventory(small)["queues"] == []
    small.done("config", "set", "--secret", "token", "quiet")
    assert "quiet" not in settings.read_text()
    assert "+ 5 created" in small.done("up", "--yes", "--skip-preview")
    assert "5 unchanged" in small.done("up", "--yes", "--skip-preview")
    parameter = inventory(small)["parameters"][0]
    ssm, sqs = small.aws.client("ssm"), small.aws.client("sqs")
    assert ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"] == "quiet"

    jobs = next(url for url in inventory(small)["queues"] if "-jobs-" in url)
    sqs.set_queue_attributes(QueueUrl=jobs, Attributes={"VisibilityTimeout": "5"})
    found = small.done("refresh", "--yes", "--skip-preview", "--diff")
    assert "~ visibilityTimeoutSeconds: 60 => 5" in found
    assert "~ 1 updated" in found
    assert "~ 1 updated" in small.done("up", "--yes", "--skip-preview")
    told = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=["VisibilityTimeout"])
    assert told["Attributes"] == {"VisibilityTimeout": "60"}

    small.aws.client("s3").create_bucket(Bucket=f"{small.name}-by-hand")
    arguments = ("--yes", "--skip-preview", "--generate-code=false", "--protect=false")
    small.done("import", "aws:s3/bucket:Bucket", "taken", f"{small.name}-by-hand", *arguments)
    small.write(PROGRAM + f'    aws.s3.Bucket("taken", bucket="{small.name}-by-hand")\n')
    assert "6 unchanged" in small.done("up", "--yes", "--skip-preview")
    # The command deploys over it without a change as well: the same state, the same provider, the file's own secret.
    assert small.deploy().changes == {"same": 6}
    small.done("destroy", "--yes", "--skip-preview")
    assert inventory(small) == {"queues": [], "tables": [], "parameters": [], "buckets": []}


def test_either_engine_goes_on_where_the_other_stopped(small: Small) -> None:
    first = small.write(PROGRAM).deploy("embedded")
    assert first.changes == {"create": 5}
    before = small.resources()
    taken_over = small.deploy("pulumi")
    assert (taken_over.changes, taken_over.outputs) == ({"same": 5}, first.outputs)
    small.deploy("pulumi", config={"timeout": "90"})
    assert small.deploy("embedded", config={"timeout": "90"}).changes == {"same": 5}
    assert small.deploy("embedded").changes == {"same": 4, "update": 1}

    def told(states: tuple[engine.ResourceState, ...]) -> dict[str, object]:
        return {
            state.urn: (state.id, state.plain_inputs, state.plain_outputs, state.parent, tuple(state.dependencies))
            for state in states
            if not state.type.startswith("pulumi:providers:")
        }

    assert told(small.resources()) == told(before)
    small.destroy()
    assert small.deploy("embedded").changes == {"create": 5}


def test_a_look_at_the_cloud_puts_right_what_was_changed_by_hand(small: Small) -> None:
    small.write('aws.ssm.Parameter("p", name="/cli/refresh", type="String", value="right")').deploy()
    small.aws.client("ssm").put_parameter(Name="/cli/refresh", Value="wrong", Overwrite=True)
    assert small.deploy().changes == {"same": 2}
    assert small.deploy(refresh=True).changes == {"same": 1, "update": 1}
    assert small.aws.client("ssm").get_parameter(Name="/cli/refresh")["Parameter"]["Value"] == "right"


def test_an_interrupted_update_keeps_its_state_and_gives_up_its_lock(small: Small) -> None:
    small.write('import time\nq = aws.sqs.Queue("q")\nq.id.apply(lambda _: time.sleep(3))\n')

    def on_event(event: engine.ResourceEvent) -> None:
        if event.type == "aws:sqs/queue:Queue" and event.status == "done":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        small.deploy(on_event=on_event)
    assert [state.name for state in small.resources() if state.type == "aws:sqs/queue:Queue"] == ["q"]
    locks = small.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f".pulumi/locks/organization/{small.name}/")
    assert locks["KeyCount"] == 0
    assert small.write('q = aws.sqs.Queue("q")').deploy().changes == {"same": 2}
