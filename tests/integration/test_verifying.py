"""`headwater verify` on a deployed stack: all well, and the permission that was taken away is named."""

from __future__ import annotations

import json

from headwater.client import Stack
from headwater.client.verification.checks import CHECKS
from headwater.client.verification.cleaning import prefixes
from headwater.client.verification.runner import verify
from tests.projects import Project


def test_a_deployed_stack_passes_and_nothing_of_the_verification_is_left(project: Project, deployed: Stack) -> None:
    result = project.run("verify", "--json")
    assert result.out, result.err
    report = result.json
    outcomes = {entry["name"]: (entry["outcome"], entry["detail"]) for entry in report["results"]}
    assert {name: told for name, told in outcomes.items() if told[0] != "ok"} == {}
    assert result.code == 0
    assert list(outcomes) == [*(check.name for check in CHECKS), "clean", "cost"]
    assert 0 < sum(line["dollars"] for line in report["costs"]) < 0.1
    s3 = deployed.clients("s3")
    for bucket, prefix in prefixes(deployed.description):
        found = s3.list_object_versions(Bucket=bucket, Prefix=prefix)
        assert not found.get("Versions"), (bucket, prefix)
    for names in ([entry.model for entry in deployed.models.list()], [view.view for view in deployed.features.list()]):
        assert not [name for name in names if name.startswith("headwater_verify")]
    assert deployed.alarms.list()
    assert [alarm.name for alarm in deployed.alarms.list() if alarm.state == "ALARM" and "training" in alarm.name] == []


def test_a_permission_that_was_taken_away_is_named(deployed: Stack) -> None:
    iam, function = deployed.clients("iam"), deployed.description.predict_function
    role = deployed.clients("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    granted = iam.get_role_policy(RoleName=role, PolicyName="grants")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="grants")
    try:
        report = verify(deployed, checks=[check for check in CHECKS if check.name in ("functions", "permissions")])
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="grants", PolicyDocument=json.dumps(granted))
    (failure,) = report.failures
    assert failure.name == "permissions"
    assert f"{function} may not dynamodb:BatchGetItem" in failure.detail


def test_a_function_that_is_gone_is_named_with_its_caller(deployed: Stack) -> None:
    name = f"headwater-{deployed.description.name}-registry-promote"
    # Not deleted, for others need it: a machine calls one that isn't there.
    steps = deployed.clients("stepfunctions")
    arn = deployed.description.training_arn
    definition = steps.describe_state_machine(stateMachineArn=arn)["definition"]
    steps.update_state_machine(stateMachineArn=arn, definition=definition.replace(name, f"{name}-gone"))
    try:
        report = verify(deployed, checks=[check for check in CHECKS if check.name == "functions"])
    finally:
        steps.update_state_machine(stateMachineArn=arn, definition=definition)
    (failure,) = report.failures
    assert f"{name}-gone doesn't exist; the state machine headwater-local-training calls it" in failure.detail
