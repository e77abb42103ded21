"""Permissions as values, and places of state machines."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pytest

from headwater.infra.platform.grants import ConflictingSettings, Grant, Statement, UnnamedResource, allow, merge
from headwater.infra.platform.state_machine import InvalidDefinition, fill

FILE = Path("some.asl.json")


def test_a_grant_on_everything_is_refused_where_an_arn_can_be_named() -> None:
    with pytest.raises(UnnamedResource, match=r"s3:GetObject: granted on \*, but an ARN can be named"):
        allow(["s3:GetObject", "xray:PutTraceSegments"], "*")


def test_actions_without_a_resource_may_be_granted_on_everything() -> None:
    (statement,) = allow(["ecr:GetAuthorizationToken"], "*").statements
    assert statement.document() == {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}


def test_grants_add_up() -> None:
    both = merge(allow(["sns:Publish"], "arn:topic"), allow(["sqs:SendMessage"], "arn:queue"))
    assert [statement.actions for statement in both.statements] == [["sns:Publish"], ["sqs:SendMessage"]]


def test_a_use_gives_the_permission_and_the_settings_that_lead_to_the_thing() -> None:
    table = pulumi.Output.from_input("registry")
    read = allow(["dynamodb:Query"], "arn:table", settings={"registry_table": table})
    write = allow(["dynamodb:PutItem"], "arn:table", settings={"registry_table": table})
    assert merge(read, write, allow(["sns:Publish"], "arn:topic")).settings == {"registry_table": table}


def test_two_things_behind_one_setting_are_refused() -> None:
    one, other = (Grant(statements=(), settings={"registry_table": name}) for name in ("one", "other"))
    with pytest.raises(ConflictingSettings, match="registry_table: two uses lead to different things"):
        merge(one, other)
    known, output = Grant(statements=(), settings={"a": "x"}), pulumi.Output.from_input("x")
    with pytest.raises(ConflictingSettings, match="a: two uses"):
        merge(known, Grant(statements=(), settings={"a": output}))


def test_conditions_are_part_of_the_statement() -> None:
    statement = Statement(actions=["dynamodb:Query"], resources=["arn:t"], conditions={"StringEquals": {"a": "b"}})
    assert statement.document()["Condition"] == {"StringEquals": {"a": "b"}}


def test_places_are_filled_and_quoted() -> None:
    filled = fill('{"Arn": "${Arn}", "Limit": "{% $size <= ${Limit} %}"}', {"Arn": 'a"b', "Limit": 7}, FILE)
    assert json.loads(filled) == {"Arn": 'a"b', "Limit": "{% $size <= 7 %}"}


def test_a_place_without_a_value_and_a_value_without_a_place_are_both_named() -> None:
    with pytest.raises(InvalidDefinition, match="no value for Arn; no place for Arm"):
        fill('{"Arn": "${Arn}"}', {"Arm": "x"}, FILE)


def test_a_definition_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match=r"some.asl.json isn't JSON"):
        fill("{", {}, FILE)
