"""A role's policies are simulated as its own calls are judged."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


def role(cloud: Cloud, *statements: dict[str, object]) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return arn


def test_each_action_on_each_resource_gets_its_decision(cloud: Cloud) -> None:
    arn = role(
        cloud,
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/a/*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
    )
    answer = cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::b/a/1", "arn:aws:s3:::b/c/1"],
    )
    found = [(one["EvalActionName"], one["EvalResourceName"][-3:], one["EvalDecision"])
             for one in answer["EvaluationResults"]]  # fmt: skip
    assert found == [
        ("s3:GetObject", "a/1", "allowed"),
        ("s3:GetObject", "c/1", "implicitDeny"),
        ("s3:PutObject", "a/1", "explicitDeny"),
        ("s3:PutObject", "c/1", "explicitDeny"),
    ]
    assert not answer["IsTruncated"]


def test_a_condition_is_judged_by_the_keys_that_are_given(cloud: Cloud) -> None:
    conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["MODEL#*"]}}
    arn = role(cloud, {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE, "Condition": conditions})
    decisions = []
    for key in ("MODEL#m", "SOURCE#s"):
        entry = {"ContextKeyName": "dynamodb:LeadingKeys", "ContextKeyValues": [key], "ContextKeyType": "stringList"}
        answer = cloud.client("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["dynamodb:GetItem"], ResourceArns=[TABLE], ContextEntries=[entry]
        )
        decisions.append(answer["EvaluationResults"][0]["EvalDecision"])
    assert decisions == ["allowed", "implicitDeny"]


def test_a_role_that_isnt_there_and_what_isnt_simulated_are_refused(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.simulate_principal_policy(
            PolicySourceArn="arn:aws:iam::123456789012:role/nobody", ActionNames=["s3:GetObject"]
        )
    with pytest.raises(ClientError, match="PolicyInputList"):
        iam.simulate_principal_policy(
            PolicySourceArn=role(cloud, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
            ActionNames=["s3:GetObject"],
            PolicyInputList=["{}"],
        )
