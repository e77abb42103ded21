"""The pattern language against what AWS, and AWS's own matcher, answered."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.events import pattern

from .conftest import oracle

EVENT = {"id": "1", "source": "s", "detail-type": "t", "account": "1", "region": "r", "time": "2026-01-01T00:00:00Z"}


def test_patterns_match_what_aws_matches_and_refuse_what_aws_refuses() -> None:
    for row in oracle("eb-patterns-aws/cases.jsonl"):
        answer: object
        try:
            answer = pattern.test(row["pattern"], row["event"])
        except (pattern.PatternInvalid, pattern.EventInvalid):
            answer = "error"
        assert answer == row["expect"], row["name"]


def test_refusals_are_worded_as_aws_words_them() -> None:
    equal = []
    for row in oracle("eb-patterns-aws/cases.jsonl"):
        if row["expect"] != "error":
            continue
        with pytest.raises((pattern.PatternInvalid, pattern.EventInvalid)) as refusal:
            pattern.test(row["pattern"], row["event"])
        text = row["error_message_first_line"].removeprefix("Event pattern is not valid. Reason: ")
        equal.append(str(refusal.value) == text)
    assert equal.count(True) >= 43


def test_rules_match_whatever_aws_own_matcher_matches() -> None:
    for row in oracle("eb-patterns-ruler/harvest.jsonl"):
        event = json.loads(row["event"])
        answer = any(pattern.matches(one, event) for one in row["patterns_or"])
        assert answer == row["expect"], (row["name"], row["test"])


def test_patterns_are_valid_if_aws_own_compiler_takes_them() -> None:
    for row in oracle("eb-patterns-ruler/validity.jsonl"):
        try:
            pattern.check(row["pattern"])
        except pattern.PatternInvalid:
            assert not row["valid"], row["pattern"]
        else:
            assert row["valid"], row["pattern"]


def test_two_conditions_on_an_array_of_objects_must_hold_for_one_object() -> None:
    event = {"detail": {"crew": [{"name": "Ada", "role": "pilot"}, {"name": "Bob", "role": "cook"}]}}
    assert pattern.matches('{"detail": {"crew": {"name": ["Ada"], "role": ["pilot"]}}}', event)
    assert not pattern.matches('{"detail": {"crew": {"name": ["Ada"], "role": ["cook"]}}}', event)


def test_a_field_that_must_not_exist_may_lack_in_the_object_that_matched() -> None:
    event = {"crew": [{"name": "Ada"}, {"name": "Bob", "leave": True}]}
    assert pattern.matches('{"crew": {"leave": [{"exists": false}]}, "a": [{"exists": false}]}', {"crew": []})
    assert not pattern.matches('{"crew": {"leave": [{"exists": false}]}}', event)


def test_the_api_tests_patterns(cloud: Cloud) -> None:
    events = cloud.client("events")
    assert events.test_event_pattern(Event=json.dumps(EVENT), EventPattern='{"source": ["s"]}')["Result"] is True
    assert events.test_event_pattern(Event=json.dumps(EVENT), EventPattern='{"source": ["x"]}')["Result"] is False


def test_a_rule_with_an_invalid_pattern_is_refused_with_aws_words(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Empty arrays are not allowed") as refusal:
        cloud.client("events").put_rule(Name="invalid", EventPattern='{"source": []}')
    assert refusal.value.response["Error"]["Code"] == "InvalidEventPatternException"
