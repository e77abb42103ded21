"""Pulumi's provider protocol, verb by verb, without a Pulumi CLI."""

from __future__ import annotations

import os
import signal
import subprocess

import grpc
import pytest
from google.protobuf import empty_pb2
from localcloud.cloud import Cloud
from localcloud.plugin import NAME, launcher
from localcloud.provider.values import UNKNOWN, Secret, from_struct, to_struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from tests.plugin.conftest import BUCKET, QUEUE, Engine, engine_of


def test_a_resource_lives_from_check_to_delete(engine: Engine, cloud: Cloud) -> None:
    inputs, failures = engine.check(QUEUE, "plugin-life", {"visibilityTimeoutSeconds": 60})
    assert failures == []
    assert inputs["name"].startswith("plugin-life-")
    assert (inputs["delaySeconds"], inputs["tagsAll"]) == (0, {"Project": "tests"})
    identity, outputs = engine.create(QUEUE, inputs)
    assert outputs["arn"].endswith(inputs["name"])
    again, _ = engine.check(QUEUE, "plugin-life", {"visibilityTimeoutSeconds": 60}, inputs)
    assert again == inputs
    assert engine.diff(QUEUE, inputs, again).changes == provider_pb2.DiffResponse.DIFF_NONE
    changed, _ = engine.check(QUEUE, "plugin-life", {"visibilityTimeoutSeconds": 90}, inputs)
    assert engine.update(QUEUE, identity, inputs, changed, outputs)["visibilityTimeoutSeconds"] == 90
    assert engine.read(QUEUE, identity, changed)[1] == changed
    cloud.client("sqs").set_queue_attributes(QueueUrl=identity, Attributes={"VisibilityTimeout": "5"})
    assert engine.read(QUEUE, identity, changed)[1] == {**changed, "visibilityTimeoutSeconds": 5}
    engine.delete(QUEUE, identity, changed)
    assert engine.read(QUEUE, identity, changed) == ("", {}, {})
    engine.delete(QUEUE, identity, changed)  # gone already: no error


def test_wrong_inputs_are_failures_that_name_what_is_wrong(engine: Engine) -> None:
    _, failures = engine.check(QUEUE, "q", {"colour": "red", "region": "eu-west-1"})
    unknown = "doesn't know 'colour' of aws:sqs/queue:Queue: add it in localcloud/provider/sqs.py"
    assert failures == [
        f"the local AWS provider {unknown}",
        "the local cloud is in us-east-1, not in eu-west-1",
    ]
    with pytest.raises(grpc.RpcError) as refused:
        engine.check("aws:athena/database:Database", "d", {})
    assert refused.value.details() == (
        "the local AWS provider has no aws:athena/database:Database: add it in localcloud/provider/athena.py"
    )


def test_a_diff_says_of_each_property_whether_it_makes_a_new_resource(engine: Engine) -> None:
    old, _ = engine.check(QUEUE, "q", {"fifoQueue": False, "visibilityTimeoutSeconds": 60, "maxMessageSize": 2048})
    new, _ = engine.check(QUEUE, "q", {"fifoQueue": True, "visibilityTimeoutSeconds": 90, "policy": "{}"}, old)
    found = engine.diff(QUEUE, old, new)
    kinds = {name: provider_pb2.PropertyDiff.Kind.Name(change.kind) for name, change in found.detailedDiff.items()}
    assert kinds == {
        "fifoQueue": "UPDATE_REPLACE",
        "maxMessageSize": "DELETE",
        "policy": "ADD",
        "visibilityTimeoutSeconds": "UPDATE",
    }
    assert (list(found.replaces), found.deleteBeforeReplace) == (["fifoQueue"], False)
    named = [{"bucket": "plugin-named", "objectLockEnabled": lock} for lock in (False, True)]
    assert engine.diff(BUCKET, *named).deleteBeforeReplace  # two buckets can't have one name


def test_a_preview_tells_what_is_known_and_makes_nothing(engine: Engine, cloud: Cloud) -> None:
    inputs, failures = engine.check(BUCKET, "plugin-preview", {"tags": {"owner": UNKNOWN}})
    assert failures == []
    identity, outputs = engine.create(BUCKET, inputs, preview=True)
    assert identity == ""
    assert outputs["tags"] == {"owner": UNKNOWN}
    assert "arn" not in outputs
    assert inputs["bucket"] not in [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    token, given = "aws:s3/bucketObjectv2:BucketObjectv2", {"bucket": "b", "key": "k", "content": "one"}
    known = {**given, "etag": "1", "versionId": "2", "arn": "arn:aws:s3:::b/k"}
    planned = engine.update(token, "b/k", given, {**given, "content": "two"}, known, preview=True)
    assert planned == {**known, "content": "two", "etag": UNKNOWN, "versionId": UNKNOWN}


def test_what_is_secret_stays_secret(engine: Engine) -> None:
    kind = "aws:ssm/parameter:Parameter"
    given = {"name": "/plugin/secret", "type": "SecureString", "value": Secret("hush"), "tags": Secret({"a": "b"})}
    inputs, failures = engine.check(kind, "s", given)
    assert failures == []
    assert inputs["value"] == Secret("hush")
    assert inputs["tagsAll"] == Secret({"Project": "tests", "a": "b"})
    identity, outputs = engine.create(kind, inputs)
    assert outputs["value"] == Secret("hush")
    _, found, told = engine.read(kind, identity, inputs)
    assert (found["value"], told["value"], told["tagsAll"]) == (Secret("hush"), Secret("hush"), inputs["tagsAll"])
    changed = {**inputs, "value": Secret("louder")}
    assert engine.update(kind, identity, inputs, changed, outputs)["value"] == Secret("louder")
    engine.delete(kind, identity, changed)


def test_what_fails_halfway_is_told_with_what_came_to_be(engine: Engine) -> None:
    inputs, _ = engine.check(BUCKET, "h", {"bucket": "plugin-half", "tags": {"aws:reserved": "v"}})
    with pytest.raises(grpc.RpcError) as failed:
        engine.create(BUCKET, inputs)
    (packed,) = [value for key, value in failed.value.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    half = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(half)
    assert half.id == "plugin-half"
    assert half.reasons[0].startswith("InvalidTag: ")
    assert from_struct(half.inputs) == inputs
    assert from_struct(half.properties)["id"] == "plugin-half"
    engine.delete(BUCKET, "plugin-half", inputs)


def test_an_import_is_told_everything_and_a_missing_thing_is_no_id(engine: Engine, cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="plugin-import")
    s3.put_bucket_tagging(
        Bucket="plugin-import",
        Tagging={"TagSet": [{"Key": "who", "Value": "me"}, {"Key": "Project", "Value": "tests"}]},
    )
    identity, inputs, outputs = engine.read(BUCKET, "plugin-import")
    assert identity == "plugin-import"
    assert inputs["bucket"] == "plugin-import"
    assert inputs["tags"] == {"who": "me"}  # the provider's default tags aren't the program's
    assert outputs["arn"] == "arn:aws:s3:::plugin-import"
    checked, failures = engine.check(BUCKET, "plugin-import", inputs)
    assert failures == []
    assert engine.diff(BUCKET, checked, {**checked, **inputs}).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert engine.read(BUCKET, "plugin-nowhere")[0] == ""
    with pytest.raises(grpc.RpcError) as refused:
        engine.read("aws:apigatewayv2/route:Route", "abc")
    assert refused.value.details() == "aws:apigatewayv2/route:Route can't be imported: 'abc' doesn't tell its apiId"
    s3.delete_bucket(Bucket="plugin-import")


def test_data_sources_are_answered(engine: Engine, cloud: Cloud) -> None:
    def ask(token: str, **arguments: object) -> provider_pb2.InvokeResponse:
        return engine.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments)))

    answer = ask("aws:index/getCallerIdentity:getCallerIdentity")
    assert from_struct(getattr(answer, "return"))["accountId"] == cloud.account_id
    missing = ask("aws:ec2/getAmi:getAmi")
    assert missing.failures[0].reason.startswith("the local AWS provider has no aws:ec2/getAmi:getAmi")
    unknown = ask("aws:index/getAvailabilityZones:getAvailabilityZones", state=UNKNOWN)
    assert not unknown.failures
    assert from_struct(getattr(unknown, "return")) == {}


def test_settings_of_the_official_provider_are_taken_and_mean_nothing(engine: Engine) -> None:
    settings = {
        "endpoints": '[{"s3": "http://127.0.0.1:1"}]',
        "s3UsePathStyle": "true",
        "skipCredentialsValidation": "true",
        "region": "us-east-1",
    }
    checked = engine.stub.CheckConfig(provider_pb2.CheckRequest(news=to_struct(settings)))
    assert (from_struct(checked.inputs), list(checked.failures)) == (settings, [])
    moved = engine.stub.DiffConfig(
        provider_pb2.DiffRequest(
            old_inputs=to_struct(settings), news=to_struct({**settings, "s3UsePathStyle": "false"})
        )
    )
    assert (list(moved.diffs), list(moved.replaces)) == (["s3UsePathStyle"], [])
    answer = engine.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(settings)))
    assert answer.acceptSecrets
    assert answer.supportsPreview
    inputs, _ = engine.check(QUEUE, "plugin-settings", {})
    identity, _ = engine.create(QUEUE, inputs)
    engine.delete(QUEUE, identity, inputs)


def test_without_a_local_cloud_nothing_is_configured() -> None:
    with engine_of({"AWS_REGION": "us-east-1"}) as astray:
        checked = astray.stub.CheckConfig(provider_pb2.CheckRequest())
        assert "what the local cloud's `env` command prints" in checked.failures[0].reason
        with pytest.raises(grpc.RpcError, match="AWS_ENDPOINT_URL"):
            astray.stub.Configure(provider_pb2.ConfigureRequest())


def test_after_a_cancel_nothing_new_is_begun(engine: Engine) -> None:
    inputs, _ = engine.check(QUEUE, "plugin-cancelled", {})
    engine.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.RpcError, match="cancelled"):
        engine.create(QUEUE, inputs)


def test_the_launcher_starts_a_plugin_that_ends_when_it_is_asked_to(cloud: Cloud, tmp_path) -> None:
    folder = launcher(tmp_path / "a folder")
    assert launcher(tmp_path / "a folder") == folder
    process = subprocess.Popen(
        [folder / NAME, "127.0.0.1:1"], env={**os.environ, **cloud.environment()}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            info = stub.GetPluginInfo(empty_pb2.Empty())
            assert stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1")) == empty_pb2.Empty()
        assert info.version.startswith("7.")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
