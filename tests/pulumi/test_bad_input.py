"""What is wrong is said in one line, by either engine, and nothing is lost."""

from __future__ import annotations

import json
import os
import platform

import pytest
from localcloud.engine.backend import BUCKET

from localcloud import engine
from tests.infra.cases import ROOT
from tests.pulumi.conftest import STACK, Small

pytestmark = [pytest.mark.cloud, pytest.mark.parametrize("by", ["embedded", "pulumi"])]

QUEUE = 'aws.sqs.Queue("q")'


def refused(small: Small, by: str, **more: object) -> str:
    """The one line by which a deployment is refused; the state must be as it was."""
    before = small.resources() if "environment" not in more else None
    with pytest.raises(engine.DeployError) as error:
        small.deploy(by, **more)
    assert "\n" not in str(error.value)
    assert before is None or small.resources() == before
    return str(error.value)


def test_a_wrong_setting_is_named(small: Small, by: str) -> None:
    small.write(f"import sys; sys.path.insert(0, {str(ROOT)!r}); from headwater.infra import Config; Config.load()")
    settings = small.root / f"Pulumi.{STACK}.yaml"
    settings.write_text("config:\n  headwater:logRetentionDays: 8\n")
    assert refused_after(small, by).startswith(
        f"the program failed: infra/__main__.py:2: InvalidConfig: stack '{STACK}': headwater:logRetentionDays is 8: "
    )
    settings.write_text("config: [1, 2]\n")
    assert "`config` should be a mapping of settings" in refused_after(small, by)
    settings.unlink()


def test_a_program_that_raises_is_told_by_its_own_line(small: Small, by: str) -> None:
    small.write(f"{QUEUE}\nraise KeyError('oops')")
    assert refused_after(small, by) == "the program failed: infra/__main__.py:3: KeyError: 'oops'"
    small.write(f"queue = {QUEUE}\nqueue.url.apply(lambda url: url.missing)")
    message = refused_after(small, by)
    assert message.startswith("the program failed: infra/__main__.py:3: AttributeError: 'str' object has no attribute")
    small.write("def (")
    assert refused_after(small, by).startswith("the program failed: ")


def refused_after(small: Small, by: str) -> str:
    """The one line by which a deployment ends that may have made something."""
    with pytest.raises(engine.DeployError) as error:
        small.deploy(by)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_refusal_of_the_cloud_is_told_in_its_own_words(small: Small, by: str) -> None:
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:nowhere", "maxReceiveCount": 1}'
    small.write(f'aws.sqs.Queue("bad", redrive_policy={policy!r})')
    assert refused_after(small, by) == (
        'aws:sqs/queue:Queue "bad": create failed: AWS.SimpleQueueService.NonExistentQueue: '
        "Could not find DLQ for arn:aws:sqs:us-east-1:123456789012:nowhere (CreateQueue)"
    )
    small.write('aws.athena.Database("d")')
    assert "the local AWS provider has no aws:athena/database:Database: add it in" in refused_after(small, by)
    small.write('aws.s3.Bucket("b", acceleration_status="Enabled")')
    assert "doesn't know 'accelerationStatus' of aws:s3/bucket:Bucket: add it in" in refused_after(small, by)


def test_a_port_on_which_nobody_answers_is_told(small: Small, by: str) -> None:
    gone = {**small.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    message = refused(small.write(QUEUE), by, environment=gone)
    assert message.startswith("the cloud doesn't answer: ")
    assert "http://127.0.0.1:9" in message


def test_a_lock_that_another_update_holds_is_respected(small: Small, by: str) -> None:
    small.write(QUEUE).deploy("embedded")
    key = f".pulumi/locks/organization/{small.name}/{STACK}/other.json"
    s3 = small.aws.client("s3")
    holder = {"pid": os.getpid(), "username": "me", "hostname": platform.node(), "timestamp": "2026-01-01T00:00:00Z"}
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(holder).encode())
    assert refused(small, by).startswith(
        f"another update holds the stack: me@{platform.node()} (process {os.getpid()})"
    )
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == json.dumps(holder).encode()
    # One of a process that is no more is nobody's.
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({**holder, "pid": 2**22 + 1}).encode())
    assert small.deploy(by).changes == {"same": 2}


def test_a_corrupt_checkpoint_is_told_and_kept(small: Small, by: str) -> None:
    s3, key = small.aws.client("s3"), f".pulumi/stacks/{small.name}/{STACK}.json"
    small.write(QUEUE)
    for content, complaint in ((b"{half", "isn't JSON"), (b'{"version": 3}', "isn't a Pulumi checkpoint")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        with pytest.raises(engine.StateError, match=complaint) as error:
            small.deploy(by)
        assert "\n" not in str(error.value)
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content
    locks = s3.list_objects_v2(Bucket=BUCKET, Prefix=f".pulumi/locks/organization/{small.name}/")
    assert locks["KeyCount"] == 0
    s3.delete_object(Bucket=BUCKET, Key=key)


def test_a_state_bucket_that_is_not_there_is_made_by_us_and_missed_by_plain_pulumi(small: Small, by: str) -> None:
    from localcloud.provider.s3 import empty

    s3 = small.aws.client("s3")
    empty(s3, BUCKET)
    s3.delete_bucket(Bucket=BUCKET)
    missed = small.pulumi("stack", "init")
    assert missed.returncode != 0
    assert "NoSuchBucket" in missed.stderr.strip().splitlines()[-1]
    assert small.write(QUEUE).deploy(by).changes == {"create": 2}
