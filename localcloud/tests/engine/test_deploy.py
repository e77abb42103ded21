"""Programs that are deployed, changed, deployed again and destroyed."""

from __future__ import annotations

import json

import pytest
from localcloud.testing import CloudBeside

from localcloud import engine

TWO_QUEUES = """
    import json
    project = pulumi.get_project()
    dead = aws.sqs.Queue(f"{project}-dead")
    jobs = aws.sqs.Queue(
        f"{project}-jobs",
        visibility_timeout_seconds=60,
        redrive_policy=dead.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})),
    )
    pulumi.export("url", jobs.url)
    pulumi.export("stack", pulumi.get_stack())
"""


def test_a_program_is_deployed_once_and_then_nothing_changes(program, queues) -> None:
    first = program.write(TWO_QUEUES).deploy()
    assert first.changes == {"create": 3}
    assert first.outputs["url"].split("/")[-1].startswith(f"{program.name}-jobs-")
    assert first.outputs["stack"] == "local"
    assert program.did()[0] == f"create Queue {program.name}-dead"
    again = program.deploy()
    assert (again.changes, again.outputs) == ({"same": 3}, first.outputs)
    assert queues() == {"dead": 1, "jobs": 1}
    program.destroy()
    assert program.did("delete") == [f"delete Queue {program.name}-jobs", f"delete Queue {program.name}-dead"]
    assert queues() == {}


def test_a_change_is_made_in_place_and_what_is_left_out_goes(program, queues, cloud: CloudBeside) -> None:
    url = program.write(TWO_QUEUES).deploy().outputs["url"]
    program.write(TWO_QUEUES.replace("seconds=60", "seconds=90"))
    changed = program.deploy()
    assert changed.changes == {"update": 1, "same": 2}
    assert [event.detail for event in program.events if event.operation == "update"] == ["visibilityTimeoutSeconds"] * 2
    assert cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])[
        "Attributes"
    ] == {"VisibilityTimeout": "90"}
    program.write("")
    assert program.deploy().changes == {"same": 1, "delete": 2}
    assert queues() == {}


def test_a_replacement_is_made_before_the_old_one_goes_and_dependents_follow(program, queues) -> None:
    text = """
        project = pulumi.get_project()
        topic = aws.sns.Topic(project, fifo_topic=FIFO)
        queue = aws.sqs.Queue(project, fifo_queue=FIFO)
        aws.sns.TopicSubscription(project, topic=topic.arn, protocol="sqs", endpoint=queue.arn)
        pulumi.export("topic", topic.arn)
    """
    before = program.write(text.replace("FIFO", "False")).deploy()
    after = program.write(text.replace("FIFO", "True")).deploy()
    assert after.changes == {"replace": 3, "same": 1}
    done = program.did()
    name = program.name
    assert sorted(done[:2]) == [f"replace Queue {name}", f"replace Topic {name}"]
    assert done[2:4] == [f"replace TopicSubscription {name}", f"delete TopicSubscription {name}"]
    assert before.outputs["topic"] != after.outputs["topic"]
    assert after.outputs["topic"].endswith(".fifo")
    assert not any(resource.delete for resource in program.resources())


def test_a_resource_with_a_name_of_its_own_goes_before_its_replacement_comes(program, cloud: CloudBeside) -> None:
    text = """
        role = aws.iam.Role("named", name="engine-tests-named", path="/PATH/", assume_role_policy={"Statement": []})
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
        aws.iam.RolePolicy("inline", role=role.name, policy={"Version": "2012-10-17", "Statement": [statement]})
    """
    program.write(text.replace("PATH", "a")).deploy()
    changed = program.write(text.replace("PATH", "b")).deploy()
    assert changed.changes["replace"] == 2
    assert program.did() == [
        "delete RolePolicy inline",
        "delete Role named",
        "replace Role named",
        "replace RolePolicy inline",
    ]
    assert cloud.client("iam").get_role(RoleName="engine-tests-named")["Role"]["Path"] == "/b/"


def test_a_failed_creation_stops_what_needs_it_and_the_next_deployment_goes_on(program, queues) -> None:
    text = """
        project = pulumi.get_project()
        first = aws.sqs.Queue(f"{project}-first")
        bad = aws.sqs.Queue(f"{project}-bad", redrive_policy=POLICY, opts=pulumi.ResourceOptions(depends_on=[first]))
        aws.sqs.Queue(f"{project}-last", opts=pulumi.ResourceOptions(depends_on=[bad]))
    """
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:nowhere", "maxReceiveCount": 1}'
    program.write(text.replace("POLICY", repr(policy)))
    with pytest.raises(engine.DeployError) as failed:
        program.deploy()
    assert str(failed.value).startswith(f'aws:sqs/queue:Queue "{program.name}-bad": create failed: ')
    assert (failed.value.type, failed.value.name) == ("aws:sqs/queue:Queue", f"{program.name}-bad")
    assert queues() == {"first": 1}
    went_on = program.write(text.replace("POLICY", "None")).deploy()
    assert went_on.changes == {"same": 2, "create": 2}
    assert queues() == {"first": 1, "bad": 1, "last": 1}


def test_what_was_made_but_failed_halfway_is_finished_by_the_next_deployment(program, cloud: CloudBeside) -> None:
    text = 'aws.s3.Bucket("half", bucket="engine-tests-half", tags={"KEY": "v"})'
    program.write(text.replace("KEY", "aws:reserved"))
    with pytest.raises(engine.DeployError, match="create failed: InvalidTag"):
        program.deploy()
    half = next(resource for resource in program.resources() if resource.type == "aws:s3/bucket:Bucket")
    assert half.id == "engine-tests-half"
    assert half.init_errors
    assert program.write(text.replace("KEY", "fine")).deploy().changes == {"same": 1, "update": 1}
    assert cloud.client("s3").get_bucket_tagging(Bucket="engine-tests-half")["TagSet"][0]["Key"] == "fine"


def test_a_preview_says_what_would_be_done_and_does_nothing(program, queues) -> None:
    seen = program.write(TWO_QUEUES).preview()
    assert seen.changes == {"create": 3}
    assert repr(seen.outputs["url"]) == "UNKNOWN"
    assert queues() == {}
    assert program.resources() == ()
    program.deploy()
    again = program.write(TWO_QUEUES.replace("seconds=60", "seconds=90")).preview()
    assert again.changes == {"update": 1, "same": 2}
    assert "http" in again.outputs["url"]
    assert program.write("").preview().changes == {"same": 1, "delete": 2}
    assert program.deploy().changes == {"same": 1, "delete": 2}


def test_a_program_that_raises_is_told_by_its_own_line(program) -> None:
    program.write('\nqueue = aws.sqs.Queue("never")\nraise KeyError("oops")\n')
    with pytest.raises(engine.DeployError) as failed:
        program.deploy()
    assert str(failed.value) == "the program failed: infra/__main__.py:4: KeyError: 'oops'"
    assert "Traceback" in failed.value.traceback


def test_a_failing_apply_is_told_too(program) -> None:
    program.write('queue = aws.sqs.Queue("q")\nqueue.url.apply(lambda url: url.missing)\n')
    with pytest.raises(engine.DeployError, match=r"infra/__main__\.py:3: AttributeError: 'str' object has no"):
        program.deploy()


def test_a_program_that_cannot_be_compiled_is_told(program) -> None:
    program.write("def (\n")
    with pytest.raises(engine.DeployError, match=r"the program failed: .*SyntaxError"):
        program.deploy()


def test_a_type_that_the_provider_lacks_says_where_it_belongs(program) -> None:
    program.write('aws.athena.Database("d")\n')
    with pytest.raises(engine.DeployError) as failed:
        program.deploy()
    assert str(failed.value) == (
        'aws:athena/database:Database "d": the local AWS provider has no aws:athena/database:Database: '
        "add it in localcloud/provider/athena.py"
    )


def test_a_property_that_the_provider_lacks_is_refused_rather_than_dropped(program) -> None:
    program.write('aws.s3.Bucket("b", acceleration_status="Enabled")\n')
    with pytest.raises(
        engine.DeployError, match="doesn't know 'accelerationStatus' of aws:s3/bucket:Bucket: add it in"
    ):
        program.deploy()


def test_two_resources_of_one_name_are_refused(program) -> None:
    program.write('aws.sqs.Queue("twin")\naws.sqs.Queue("twin")\n')
    with pytest.raises(engine.DeployError, match="two resources of the program have this name and type"):
        program.deploy()


def test_settings_come_from_files_and_from_the_caller(program) -> None:
    (program.root / "Pulumi.dev.yaml").write_text(
        f"config:\n  {program.name}:days: 7\n  {program.name}:tags: {{team: ml}}\n  aws:region: us-east-1\n"
    )
    program.write(
        """
        config = pulumi.Config()
        pulumi.export("days", config.require_int("days"))
        pulumi.export("tags", config.require_object("tags"))
        pulumi.export("more", config.get("more"))
        pulumi.export("region", pulumi.Config("aws").get("region"))
        """
    )
    outputs = program.deploy("dev", days="9", more="yes").outputs
    assert outputs == {"days": 9, "tags": {"team": "ml"}, "more": "yes", "region": "us-east-1"}


def test_a_program_runs_in_its_own_folder_and_sees_this_cloud_alone(program, cloud: CloudBeside, monkeypatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "someone")
    (program.root / "beside.py").write_text("WORD = 'found'\n")
    program.write(
        """
        import os, pathlib, beside
        pulumi.export("cwd", pathlib.Path.cwd().name)
        pulumi.export("beside", beside.WORD)
        pulumi.export("profile", os.environ.get("AWS_PROFILE"))
        pulumi.export("account", aws.get_caller_identity().account_id)
        pulumi.export("region", aws.get_region().region)
        pulumi.export("zones", aws.get_availability_zones(state="available").names)
        document = aws.iam.get_policy_document(statements=[{"actions": ["s3:GetObject"], "resources": ["*"]}])
        pulumi.export("policy", document.json)
        """
    )
    outputs = program.deploy().outputs
    assert outputs["cwd"] == "infra"
    assert outputs["beside"] == "found"
    assert outputs.get("profile") is None
    assert (outputs["account"], outputs["region"]) == (cloud.account_id, cloud.region)
    assert "us-east-1a" in outputs["zones"]
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    assert json.loads(outputs["policy"])["Statement"] == [statement]


def test_files_are_compared_by_what_is_in_them(program, cloud: CloudBeside) -> None:
    bundle = program.root / "bundle.zip"
    bundle.write_bytes(b"one")
    program.write(
        """
        bucket = aws.s3.Bucket("files", bucket="engine-tests-files", force_destroy=True)
        aws.s3.BucketObjectv2("zip", bucket=bucket.bucket, key="zip", source=pulumi.FileAsset("../bundle.zip"))
        """
    )
    program.deploy()
    bundle.write_bytes(b"one")
    assert program.deploy().changes == {"same": 3}
    bundle.write_bytes(b"two")
    assert program.deploy().changes == {"same": 2, "update": 1}
    assert cloud.client("s3").get_object(Bucket="engine-tests-files", Key="zip")["Body"].read() == b"two"


def test_what_the_program_prints_and_logs_reaches_the_caller(program) -> None:
    program.write('print("printed")\npulumi.log.warn("logged")\n')
    messages = program.deploy().messages
    assert "printed" in messages
    assert "warning: logged" in messages


def test_a_program_that_kills_itself_is_told(program) -> None:
    program.write('import os\nprint("last words", flush=True)\nos._exit(3)\n')
    with pytest.raises(engine.DeployError, match="ended with exit code 3: last words"):
        program.deploy()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no Pulumi.yaml"),
        ("runtime: python\n", "needs a `name`"),
        ("name: a\nruntime: nodejs\n", "runs Python programs, not 'nodejs'"),
        ("name: a\nruntime: python\nmain: nowhere\n", "no program at"),
        (": [", "not YAML"),
    ],
)
def test_a_project_that_isnt_one_is_refused_in_one_line(tmp_path, content: str | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "Pulumi.yaml").write_text(content)
    with pytest.raises(engine.ProjectError, match=complaint) as refused:
        engine.preview(tmp_path, "local", environment={})
    assert "\n" not in str(refused.value)


def test_encrypted_settings_are_read_with_the_passphrase_and_stay_secret(program) -> None:
    # Written by Pulumi 3.259 with the empty passphrase: pulumi config set --secret a:token hush
    file = program.root / "Pulumi.dev.yaml"
    secure = "v1:AKUVKc1q4uvyFAkY:k5kb3g0vp3vqeUEOleF966zwsQU="
    salt = "v1:PS6GzK47IHM=:v1:IHvwt5HcYt2jrnv3:rsRDwWxhLcXRcfYO2vsRD79pI4Lu7w=="
    file.write_text(f"config:\n  a:token:\n    secure: {secure}\nencryptionsalt: {salt}\n")
    program.write('pulumi.export("token", pulumi.Config("a").require_secret("token"))')
    assert program.deploy("dev").outputs == {"token": "hush"}
    stack = next(state for state in program.resources("dev") if state.type == "pulumi:pulumi:Stack")
    assert repr(stack.outputs) == "{'token': Secret(…)}"
    wrong = {**program.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    with pytest.raises(engine.ProjectError, match=r"a:token doesn't open: PULUMI_CONFIG_PASSPHRASE isn't what"):
        engine.preview(program.root, "dev", environment=wrong)
    file.write_text("config:\n  a:token:\n    secure: v1:abc\n")
    with pytest.raises(engine.ProjectError, match="a:token is encrypted, but not with a passphrase"):
        program.preview("dev")
    file.unlink()


def test_a_cloud_that_isnt_there_is_told_in_one_line(program) -> None:
    gone = {**program.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with pytest.raises(engine.StateError, match="the cloud doesn't answer") as failed:
        engine.deploy(program.write("").root, "local", environment=gone)
    assert "\n" not in str(failed.value)
