"""Who may call an HTTP API: signatures, roles, and the function's own permission."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from localcloud.account import ACCESS_KEY, SECRET_KEY
from localcloud.cloud import Cloud

from .conftest import INTERNAL, Api, let_in


def test_a_route_without_iam_hands_its_function_whatever_authorization_says(api: Api) -> None:
    answer = api("GET", "/echo/1", headers={"Authorization": "Bearer hw_abc"})
    event = answer.json()
    assert (answer.status, event["headers"]["authorization"]) == (200, "Bearer hw_abc")
    assert "authorizer" not in event["requestContext"]


def test_iam_routes_take_signed_requests_only_and_tell_the_function_who_it_was(
    cloud: Cloud, make: Callable[[], Api]
) -> None:
    api = make()
    api.stage()
    api.route("POST /echo/{id}", AuthorizationType="AWS_IAM")
    for signer in (None, (ACCESS_KEY, "wrong"), ("AKIAUNKNOWN000000000", SECRET_KEY)):
        answer = api("POST", "/echo/1", b"{}", signer=signer)
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
    event = api("POST", "/echo/a%20b?q=%2F", b"{}", signer=(ACCESS_KEY, SECRET_KEY)).json()
    identity = event["requestContext"]["authorizer"]["iam"]
    assert set(identity) == {
        "accessKey",
        "accountId",
        "callerId",
        "cognitoIdentity",
        "principalOrgId",
        "userArn",
        "userId",
    }
    assert identity["accessKey"] == ACCESS_KEY
    assert identity["userArn"] == f"arn:aws:iam::{cloud.account_id}:root"


def test_a_role_may_invoke_what_its_policies_allow(cloud: Cloud, make: Callable[[], Api]) -> None:
    api = make()
    api.stage()
    api.route("GET /echo/{id}", "GET /files/{proxy+}", AuthorizationType="AWS_IAM")
    iam, name = cloud.client("iam"), f"caller-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    variables = cloud.credentials_for(role)
    signer = (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    assert api("GET", "/echo/1", signer=signer).status == 403
    arn = f"arn:aws:execute-api:{cloud.region}:{cloud.account_id}:{api.id}/$default/GET/echo/*"
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}],
    }
    iam.put_role_policy(RoleName=name, PolicyName="call", PolicyDocument=json.dumps(document))
    answer = api("GET", "/echo/1", signer=signer)
    assert answer.status == 200
    assert f":assumed-role/{name}/" in answer.json()["requestContext"]["authorizer"]["iam"]["userArn"]
    assert api("GET", "/files/1", signer=signer).status == 403


def test_a_function_that_does_not_let_the_api_in_is_an_internal_error(cloud: Cloud, api: Api, function: str) -> None:
    client = cloud.client("lambda")
    client.remove_permission(FunctionName=function, StatementId="api")
    answer = api("GET", "/echo/1")
    let_in(cloud, function)
    assert (answer.status, answer.json()) == (500, INTERNAL)
    assert api("GET", "/echo/1").status == 200
