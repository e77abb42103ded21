"""What the local cloud lacks is refused as AWS refuses an unknown operation, and what breaks as its services do."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud

from localcloud import refusals

LACKING: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("stepfunctions", "test_state", {"definition": "{}"}, 400, "UnknownOperationException", "TestState of states"),
    ("codebuild", "list_fleets", {}, 400, "UnknownOperationException", "ListFleets of codebuild"),
    ("dynamodb", "list_global_tables", {}, 400, "UnknownOperationException", "ListGlobalTables of dynamodb"),
    ("sns", "list_origination_numbers", {}, 400, "InvalidAction", "ListOriginationNumbers of sns"),
    ("ec2", "describe_fpga_images", {}, 400, "InvalidAction", "DescribeFpgaImages of ec2"),
    ("lambda", "get_account_settings", {}, 404, "UnknownOperationException", "GetAccountSettings of lambda"),
    ("apigateway", "get_sdk_type", {"id": "x"}, 404, "UnknownOperationException", "GetSdkType of apigateway"),
    ("amplify", "list_apps", {}, 404, "UnknownOperationException", "ListApps of amplify"),
    ("workmail", "list_organizations", {}, 400, "UnknownOperationException", "ListOrganizations of workmail"),
]


def bare(cloud: Cloud, service: str) -> Any:
    """A client that puts no prefix in front of the host: an address has no subdomains."""
    config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
    return boto3.client(  # type: ignore[call-overload]
        service, region_name=cloud.region, endpoint_url=cloud.endpoint, config=config,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "arguments", "status", "code", "named"), LACKING)
def test_an_operation_that_is_not_there_is_unknown_by_its_name(
    cloud: Cloud, service: str, operation: str, arguments: dict[str, Any], status: int, code: str, named: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(bare(cloud, service), operation)(**arguments)
    answer = refusal.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert f"Unknown operation {named}" in answer["Error"]["Message"]


@pytest.mark.parametrize(
    "operation", ["get_bucket_metrics_configuration", "get_bucket_intelligent_tiering_configuration"]
)
def test_a_sub_resource_of_a_bucket_that_is_not_there_is_not_the_bucket(cloud: Cloud, operation: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="sub-resources")
    with pytest.raises(ClientError) as refusal:
        getattr(s3, operation)(Bucket="sub-resources", Id="x")
    assert refusal.value.response["Error"]["Code"] == "NotImplemented"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_the_owner_of_a_bucket_pays_for_requests(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="request-payment")
    assert s3.get_bucket_request_payment(Bucket="request-payment")["Payer"] == "BucketOwner"


def test_a_failure_of_the_local_cloud_is_the_services_own_and_says_where(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.sns.responses import SNSResponse

    def fail(_: object) -> None:
        raise KeyError("broken")

    monkeypatch.setattr(SNSResponse, "list_topics", fail)
    with pytest.raises(ClientError) as refusal:
        cloud.client("sns").list_topics()
    assert refusal.value.response["Error"]["Code"] == "InternalFailure"
    assert "failed in ListTopics of sns" in refusal.value.response["Error"]["Message"]


def test_a_map_of_texts_is_written_as_cbor() -> None:
    assert refusals._cbor({"a": "b" * 24}) == b"\xa1\x61a\x79\x00\x18" + b"b" * 24
