"""Permissions as values, and places of state machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater.infra.grants import Statement, UnnamedResource, allow, together
from headwater.infra.machine import InvalidDefinition, fill

FILE = Path("some.asl.json")


def test_a_grant_on_everything_is_refused_where_an_arn_can_be_named() -> None:
    with pytest.raises(UnnamedResource, match=r"s3:GetObject: granted on \*, but an ARN can be named"):
        allow(["s3:GetObject", "xray:PutTraceSegments"], "*")


def test_actions_without_a_resource_may_be_granted_on_everything() -> None:
    (statement,) = allow(["ecr:GetAuthorizationToken"], "*").statements
    assert statement.document() == {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}


def test_grants_add_up() -> None:
    both = together(allow(["sns:Publish"], "arn:topic"), allow(["sqs:SendMessage"], "arn:queue"))
    assert [statement.actions for statement in both.statements] == [["sns:Publish"], ["sqs:SendMessage"]]


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
