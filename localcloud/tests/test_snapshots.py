"""A state is saved under a name and comes back, whatever happened since; damage and mistakes change nothing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from localcloud.daemon import LocalCloudError, Running
from localcloud.persistence.blobs import LARGE

from localcloud import daemon, snapshots

BUCKET, LARGE_BODY = "saved", os.urandom(LARGE)
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}],
})  # fmt: skip


def client(running: Running, service: str) -> Any:
    variables = running.environment()
    return boto3.client(
        service,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def objects(running: Running) -> dict[str, bytes]:
    s3 = client(running, "s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cloud that ran on while its state was saved as "first", and has lost an object since."""
    directory = tmp_path_factory.mktemp("snapshots")
    running = daemon.up(directory, port=0)
    s3 = client(running, "s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="large", Body=LARGE_BODY)
    queue = client(running, "sqs").create_queue(QueueName="q")["QueueUrl"]
    client(running, "sqs").send_message(QueueUrl=queue, MessageBody="hello")
    iam, ec2 = client(running, "iam"), client(running, "ec2")
    own = iam.create_policy(PolicyName="own", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    for arn in (own, READ_ONLY):
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    ec2.deregister_image(ImageId=ec2.describe_images()["Images"][0]["ImageId"])
    snapshots.save(directory, "first")
    s3.delete_object(Bucket=BUCKET, Key="large")
    s3.put_object(Bucket=BUCKET, Key="later", Body=b"later")
    yield directory
    daemon.down(directory)


def test_what_was_saved_comes_back_again_and_again(directory: Path) -> None:
    for _ in range(2):
        before = daemon.up(directory, port=None)
        snapshots.restore(directory, "first")
        assert daemon.status(directory) is None
        running = daemon.up(directory, port=None)
        assert running.port == before.port
        assert objects(running) == {"large": LARGE_BODY}
        sqs = client(running, "sqs")
        (message,) = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"])["Messages"]
        assert message["Body"] == "hello"
        client(running, "s3").delete_object(Bucket=BUCKET, Key="large")


def test_what_moto_gives_is_there_with_what_was_added_to_it_and_taken_away(directory: Path) -> None:
    before = daemon.up(directory, port=None)
    images = {image["ImageId"] for image in client(before, "ec2").describe_images()["Images"]}
    snapshots.restore(directory, "first")
    after = daemon.up(directory, port=None)
    assert {image["ImageId"] for image in client(after, "ec2").describe_images()["Images"]} == images
    iam = client(after, "iam")
    assert [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]] == ["own"]
    attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {"own", "ReadOnlyAccess"}
    assert iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["PolicyName"] == "ReadOnlyAccess"


def test_a_state_is_saved_while_clients_write(directory: Path) -> None:
    running = daemon.up(directory, port=None)
    s3, acknowledged, ended = client(running, "s3"), [], threading.Event()

    def write() -> None:
        while not ended.is_set():
            s3.put_object(Bucket=BUCKET, Key=f"written/{len(acknowledged):05}", Body=os.urandom(LARGE))
            acknowledged.append(f"written/{len(acknowledged):05}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        before = len(acknowledged)
        snapshots.save(directory, "busy")
        after = len(acknowledged)
    finally:
        ended.set()
        writer.join()
    snapshots.restore(directory, "busy")
    written = sorted(key for key in objects(daemon.up(directory, port=None)) if key.startswith("written/"))
    assert acknowledged[:before] <= written <= acknowledged[: after + 1]


def test_a_cloud_that_does_not_run_is_saved_too(directory: Path) -> None:
    snapshots.restore(directory, "first")
    saved = snapshots.save(directory, "asleep")
    assert saved.size > LARGE
    assert daemon.status(directory) is None
    snapshots.restore(directory, "asleep")
    assert objects(daemon.up(directory, port=None)) == {"large": LARGE_BODY}
    names = [snapshot.name for snapshot in snapshots.saved(directory)]
    assert names.index("first") < names.index("asleep")
    snapshots.delete(directory, "asleep")
    assert "asleep" not in [snapshot.name for snapshot in snapshots.saved(directory)]


def test_a_name_is_not_taken_twice_unasked(directory: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"there is a snapshot 'first' already. Say --replace"):
        snapshots.save(directory, "first")
    snapshots.save(directory, "again")
    snapshots.save(directory, "again", replace=True)
    assert [snapshot.name for snapshot in snapshots.saved(directory)].count("again") == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", ".hidden", "x" * 65, "two words"])
def test_a_name_is_the_name_of_one_folder(directory: Path, name: str) -> None:
    for verb in (snapshots.save, snapshots.restore, snapshots.delete):
        with pytest.raises(LocalCloudError, match="can't be the name of a snapshot"):
            verb(directory, name)


def test_what_is_not_there_is_told_with_what_is(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"there is no snapshot 'other'. There are: .*first"):
        snapshots.restore(directory, "other")
    with pytest.raises(LocalCloudError, match="Save one: localcloud snapshot save NAME"):
        snapshots.delete(tmp_path, "other")
    with pytest.raises(LocalCloudError, match="the local cloud keeps nothing yet"):
        snapshots.save(tmp_path, "nothing")
    assert snapshots.saved(tmp_path) == []


def test_a_damaged_snapshot_leaves_the_state_alone(directory: Path) -> None:
    running = daemon.up(directory, port=None)
    client(running, "s3").put_object(Bucket=BUCKET, Key="large", Body=LARGE_BODY)
    snapshots.save(directory, "damaged")
    before = objects(running)
    for blob in (directory / "snapshots" / "damaged" / "blobs").glob("??/*"):
        blob.unlink()
    with pytest.raises(LocalCloudError, match=r"the snapshot 'damaged' can't be read: .* files are missing"):
        snapshots.restore(directory, "damaged")
    assert daemon.status(directory) is not None
    assert objects(running) == before
