"""A call whose change can't be kept fails and says so; the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.account import ACCESS_KEY, ACCOUNT_ID, SECRET_KEY
from localcloud.cloud import Cloud
from moto.sqs.models import sqs_backends

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with Cloud(tmp_path, state=tmp_path / "state") as running:
        yield running


def client(cloud: Cloud, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=ONCE,
    )


def test_a_call_whose_change_can_not_be_kept_fails_with_the_reason(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, sns = client(cloud, "sqs"), client(cloud, "sns")
    with monkeypatch.context() as broken:
        broken.setattr(sqs_backends[ACCOUNT_ID][cloud.region], "odd", (one for one in ()), raising=False)
        with pytest.raises(ClientError) as caught:
            sqs.create_queue(QueueName="lost")
        topic = sns.create_topic(Name="kept")["TopicArn"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("the local cloud can't keep what CreateQueue of sqs changed, a restart loses it: ")
    assert f"sqs_backends/{ACCOUNT_ID}/{cloud.region}: TypeError: cannot pickle 'generator' object" in message
    assert topic in [one["TopicArn"] for one in sns.list_topics()["Topics"]]
    assert sqs.create_queue(QueueName="found")["QueueUrl"].endswith("/found")


def test_what_can_not_be_written_fails_each_service_in_its_own_words(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    made = {
        "s3": lambda: client(cloud, "s3").create_bucket(Bucket="never-kept"),
        "dynamodb": lambda: client(cloud, "dynamodb").create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        ),
        "iam": lambda: client(cloud, "iam").create_user(UserName="u"),
    }
    for service, call in made.items():
        with monkeypatch.context() as broken:
            assert cloud.keeper is not None
            broken.setattr(cloud.keeper.book, "write", full)
            with pytest.raises(ClientError, match=r"a restart loses it: No space left on device") as caught:
                call()
        code = caught.value.response["Error"]["Code"]
        assert code == ("InternalError" if service == "s3" else "InternalFailure")
