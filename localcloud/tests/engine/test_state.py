"""What a deployment leaves in the state bucket: Pulumi's own format and layout."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from localcloud.engine.secrets import Secrets
from localcloud.testing import CloudBeside

from localcloud import engine


def stored(cloud: CloudBeside, prefix: str) -> dict[str, Any]:
    """The objects under a prefix of the state bucket, by key."""
    s3 = cloud.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="state", Prefix=prefix).get("Contents", ())]
    return {key: json.loads(s3.get_object(Bucket="state", Key=key)["Body"].read()) for key in keys}


def test_the_state_is_a_checkpoint_that_pulumi_reads(program, cloud: CloudBeside) -> None:
    program.write('aws.sqs.Queue("q", tags={"a": "b"})\n').deploy()
    (file,) = stored(cloud, f".pulumi/stacks/{program.name}/").values()
    assert file["version"] == 3
    assert file["checkpoint"]["stack"] == f"organization/{program.name}/local"
    latest = file["checkpoint"]["latest"]
    assert latest["manifest"]["magic"] == hashlib.sha256(latest["manifest"]["version"].encode()).hexdigest()
    stack, provider, queue = latest["resources"]
    assert (stack["type"], stack["custom"]) == ("pulumi:pulumi:Stack", False)
    assert provider["urn"].startswith(f"urn:pulumi:local::{program.name}::pulumi:providers:aws::default_7_")
    assert queue["provider"] == f"{provider['urn']}::{provider['id']}"
    assert queue["parent"] == stack["urn"]
    assert queue["inputs"]["__defaults"] == sorted(queue["inputs"]["__defaults"])
    assert {"created", "modified", "outputs", "id"} <= queue.keys()
    s3 = cloud.client("s3")
    assert s3.get_bucket_versioning(Bucket="state")["Status"] == "Enabled"
    assert s3.get_object(Bucket="state", Key=".pulumi/meta.yaml")["Body"].read() == b"version: 1\n"


def test_every_update_leaves_a_line_in_the_history(program, cloud: CloudBeside) -> None:
    (program.root / ".gitignore").write_text("*\n")
    for command in (["init", "-q"], ["add", "-f", "Pulumi.yaml"], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", "-C", str(program.root), *identity, *command], check=True)
    program.write('aws.sqs.Queue("q", delay_seconds=DELAY)\n'.replace("DELAY", "1")).deploy(days="7")
    with pytest.raises(engine.DeployError):
        program.write('aws.sqs.Queue("q")\nraise ValueError\n').deploy()
    program.destroy()
    files = stored(cloud, f".pulumi/history/{program.name}/local/local-")
    updates = [content for key, content in files.items() if key.endswith(".history.json")]
    assert [(update["kind"], update["result"]) for update in updates] == [
        ("update", "succeeded"),
        ("update", "failed"),
        ("destroy", "succeeded"),
    ]
    assert updates[0]["resourceChanges"] == {"create": 2}
    assert updates[0]["config"] == {f"{program.name}:days": "7"}
    assert updates[0]["environment"]["git.author"] == "Ada"
    assert updates[0]["environment"]["git.dirty"] == "false"
    assert len(updates[0]["environment"]["git.head"]) == 40
    assert updates[0]["message"] == "first"  # the commit's, as the CLI has it
    cli = json.loads((Path(__file__).with_name("cli-history.json")).read_text())
    assert updates[0].keys() == cli.keys()
    # But for the environment variables and flags that the CLI was called with, and environments of Pulumi Cloud.
    ours = {key for key in cli["environment"] if not key.startswith(("pulumi.env.", "pulumi.flag.", "stack."))}
    assert updates[0]["environment"].keys() == ours
    checkpoints = [content for key, content in files.items() if key.endswith(".checkpoint.json")]
    assert [len(one["checkpoint"]["latest"]["resources"]) for one in checkpoints] == [3, 3, 0]


def test_secrets_are_encrypted_in_the_state_and_open_again(program, cloud: CloudBeside) -> None:
    program.environment = {**program.environment, "PULUMI_CONFIG_PASSPHRASE": "correct horse"}
    program.write(
        """
        value = pulumi.Output.secret("tell nobody")
        parameter = aws.ssm.Parameter("hidden", name="/engine-tests/hidden", type="SecureString", value=value)
        pulumi.export("value", parameter.value)
        pulumi.export("arn", parameter.arn)
        """
    )
    assert program.deploy().outputs["value"] == "tell nobody"
    text = json.dumps(stored(cloud, f".pulumi/stacks/{program.name}/"))
    assert "tell nobody" not in text
    assert "ciphertext" in text
    before = stored(cloud, f".pulumi/stacks/{program.name}/")
    assert program.deploy().changes == {"same": 2}
    after = stored(cloud, f".pulumi/stacks/{program.name}/")
    key = f".pulumi/stacks/{program.name}/local.json"
    latest = [one[key]["checkpoint"]["latest"] for one in (before, after)]
    assert latest[0]["resources"] == latest[1]["resources"]
    parameter = next(resource for resource in program.resources() if "ssm" in resource.type)
    assert repr(parameter.outputs["value"]) == "Secret(…)"
    wrong = {**program.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    with pytest.raises(engine.StateError, match="set PULUMI_CONFIG_PASSPHRASE"):
        engine.resources(program.root, "local", environment=wrong)


def test_the_cipher_is_the_one_of_pulumis_passphrase_provider() -> None:
    secrets = Secrets("p")
    sealed = secrets.encrypt({"a": 1})
    assert [part.count(":") for part in (sealed, secrets.salt)] == [2, 4]
    assert Secrets("p", secrets.salt).decrypt(sealed) == {"a": 1}
    assert secrets.encrypt({"a": 1}) == sealed


def test_a_second_update_at_the_same_time_is_refused(program, cloud: CloudBeside) -> None:
    key = f".pulumi/locks/organization/{program.name}/local/other.json"
    note = {"pid": 1, "username": "ada", "hostname": "elsewhere", "timestamp": "2013-01-01T00:00:00Z"}
    s3 = cloud.client("s3")
    program.write("").deploy()
    s3.put_object(Bucket="state", Key=key, Body=json.dumps(note).encode())
    with pytest.raises(engine.StateError, match=r"another update holds the stack: ada@elsewhere \(process 1\)"):
        program.deploy()
    s3.delete_object(Bucket="state", Key=key)
    assert program.deploy().changes == {"same": 1}


def test_the_lock_of_a_process_that_is_no_more_is_taken_over(program, cloud: CloudBeside) -> None:
    import platform

    ended = subprocess.Popen(["true"])
    ended.wait()
    note = {"pid": ended.pid, "username": "ada", "hostname": platform.node(), "timestamp": "2013-01-01T00:00:00Z"}
    program.write("").deploy()
    cloud.client("s3").put_object(
        Bucket="state",
        Key=f".pulumi/locks/organization/{program.name}/local/dead.json",
        Body=json.dumps(note).encode(),
    )
    assert program.deploy().changes == {"same": 1}


@pytest.mark.parametrize("content", [b"not json", b'{"version": 2}', b'{"version": 3}', b"[]"])
def test_a_corrupt_state_is_told_in_one_line_and_left_alone(program, cloud: CloudBeside, content: bytes) -> None:
    key = f".pulumi/stacks/{program.name}/broken.json"
    cloud.client("s3").create_bucket(Bucket="state")
    cloud.client("s3").put_object(Bucket="state", Key=key, Body=content)
    program.write('aws.sqs.Queue("beside")\n')
    with pytest.raises(engine.StateError) as failed:
        engine.deploy(program.root, "broken", environment=program.environment)
    assert "\n" not in str(failed.value)
    # Nor does another stack guess what the broken one owns.
    with pytest.raises(engine.DeployError, match=rf"{program.name}/broken") as failed:
        program.deploy()
    assert "\n" not in str(failed.value)
    assert cloud.client("s3").get_object(Bucket="state", Key=key)["Body"].read() == content
    cloud.client("s3").delete_object(Bucket="state", Key=key)


def test_an_interrupted_creation_is_mentioned(program, cloud: CloudBeside) -> None:
    program.write('aws.sqs.Queue("q")\n').deploy()
    key = f".pulumi/stacks/{program.name}/local.json"
    state = stored(cloud, key)[key]
    queue = state["checkpoint"]["latest"]["resources"].pop()
    cloud.client("sqs").delete_queue(QueueUrl=queue["id"])
    state["checkpoint"]["latest"]["pending_operations"] = [{"resource": queue, "type": "creating"}]
    cloud.client("s3").put_object(Bucket="state", Key=key, Body=json.dumps(state).encode())
    deployed = program.deploy()
    assert any('"q": an interrupted deployment had begun to create it' in line for line in deployed.messages)
    assert deployed.changes == {"same": 1, "create": 1}
    assert "pending_operations" not in stored(cloud, key)[key]["checkpoint"]["latest"]
