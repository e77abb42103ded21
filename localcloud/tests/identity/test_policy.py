"""Policies are evaluated as IAM documents it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from localcloud.identity.policy import CannotJudge, decide, holds


def policy(*statements: dict[str, Any]) -> str:
    """A document of ``statements``, each allowing unless it says otherwise."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | one for one in statements]})


def allowed(document: str, action: str, resource: str, **context: list[str]) -> bool:
    return decide([document], action, resource, context).allowed


def test_nothing_is_allowed_by_default() -> None:
    decision = decide([], "s3:GetObject", "arn:aws:s3:::b/k", {})
    assert not decision.allowed
    assert "no identity-based policy allows the s3:GetObject action" in decision.reason


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:s3:::b/landing/*", "arn:aws:s3:::b/landing/a/b.csv", True),
        ("arn:aws:s3:::b/landing/*", "arn:aws:s3:::b/landing", False),
        ("arn:aws:s3:::b/?.csv", "arn:aws:s3:::b/1.csv", True),
        ("arn:aws:s3:::b/?.csv", "arn:aws:s3:::b/12.csv", False),
        ("arn:aws:s3:::B/*", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/[k]", "arn:aws:s3:::b/k", False),
    ],
)
def test_resources_match_with_wildcards_and_case(pattern: str, resource: str, matches: bool) -> None:
    assert allowed(policy({"Action": "s3:GetObject", "Resource": pattern}), "s3:GetObject", resource) is matches


def test_actions_match_without_case() -> None:
    assert allowed(policy({"Action": "s3:getobject*", "Resource": "*"}), "s3:GetObjectVersion", "arn:aws:s3:::b/k")


def test_an_explicit_deny_wins_whatever_allows() -> None:
    document = policy({"Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"})
    assert allowed(document, "s3:GetObject", "arn:aws:s3:::b/k")
    assert not allowed(document, "s3:DeleteObject", "arn:aws:s3:::b/k")


def test_not_action_and_not_resource_name_the_rest() -> None:
    document = policy({"NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"})
    assert allowed(document, "s3:GetObject", "arn:aws:s3:::b/k")
    assert not allowed(document, "iam:GetRole", "arn:aws:iam::1:role/r")
    assert not allowed(document, "s3:GetObject", "arn:aws:s3:::secret/k")


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"K": "a"}}, {"k": ["a"]}, True),
        ({"StringEquals": {"k": ["a", "b"]}}, {"k": ["b"]}, True),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": ["b"]}, False),
        ({"StringLike": {"k": "a/*"}}, {"k": ["a/b"]}, True),
        ({"ArnLike": {"k": "arn:aws:s3:::*"}}, {"k": ["arn:aws:s3:::b"]}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:securetransport": ["true"]}, False),
        ({"NumericLessThanEquals": {"k": "10"}}, {"k": ["10"]}, True),
        ({"NumericGreaterThan": {"k": "10"}}, {"k": ["9"]}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"ForAllValues:StringLike": {"k": ["a*", "b*"]}}, {"k": ["a1", "b2"]}, True),
        ({"ForAllValues:StringLike": {"k": ["a*"]}}, {"k": ["a1", "b2"]}, False),
        ({"ForAllValues:StringLike": {"k": ["a*"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a"]}}, {"k": ["b", "a"]}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a"]}}, {}, False),
        ({"StringEquals": {"k": "a"}, "Bool": {"l": "true"}}, {"k": ["a"], "l": ["false"]}, False),
    ],
)
def test_conditions_hold(condition: dict[str, Any], context: dict[str, list[str]], expected: bool) -> None:
    assert holds(condition, context) is expected


def test_an_unknown_operator_is_no_answer() -> None:
    with pytest.raises(CannotJudge, match="IpAddress"):
        holds({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": ["10.0.0.1"]})
