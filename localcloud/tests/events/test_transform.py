"""Inputs of targets against what AWS delivered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from localcloud.events.transform import InputInvalid, check_target, look_up, target_input

from .conftest import oracle


def is_like(expected: Any, got: Any) -> bool:
    """Whether ``got`` is what AWS recorded, whose ids, times and names are placeholders."""
    if isinstance(expected, str):
        text = "".join(
            ".*" if part.startswith("<") else re.sub(r"\\?\bdate\b", ".+", re.escape(part))
            for part in re.split(r"(<[^<>]+>)", expected)
        ).replace("1" * 12, r"\d{12}")
        return isinstance(got, str) and re.fullmatch(text, got, re.DOTALL) is not None
    if isinstance(expected, dict):
        return (
            isinstance(got, dict) and set(expected) == set(got) and all(is_like(expected[key], got[key]) for key in got)
        )
    return bool(expected == got)


def read(text: str) -> Any:
    parsed = json.loads(text)
    return parsed if isinstance(parsed, (dict, list)) else text


def test_targets_get_what_aws_delivers() -> None:
    for row in oracle("eb-input-transform/cases.jsonl"):
        target = {"Id": "<target-id>", **row["targets"][0]}
        if row["expect"] == "put_targets_error":
            with pytest.raises(InputInvalid, match=re.escape(row["error"]["Message"])):
                check_target(target)
            continue
        check_target(target)
        for entry, body in zip(row["entries"], row.get("bodies", [None] * len(row["entries"])), strict=True):
            event = {
                "version": "0",
                "id": "6f87d04b-9f74-4f04-a780-7acf4b0a9b38",
                "detail-type": entry["DetailType"],
                "source": entry["Source"],
                "account": "123456789012",
                "time": "2026-01-01T00:00:00Z",
                "region": "us-east-1",
                "resources": [],
                "detail": json.loads(entry["Detail"]),
            }
            rule = "arn:aws:events:us-east-1:123456789012:rule/bus/name"
            if row["expect"] == "no_delivery":
                with pytest.raises(InputInvalid):
                    target_input(target, event, rule_arn=rule, ingested="2026-01-01T00:00:01Z")
            else:
                sent = target_input(target, event, rule_arn=rule, ingested="2026-01-01T00:00:01Z")
                assert is_like(body, read(sent)), (row["name"], sent)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", {"detail": {"items": [{"n": 1}, {"n": 2}], "a b": 3}}),
        ("$.detail.items[1].n", 2),
        ("$.detail.items[*].n", [1, 2]),
        ("$.detail['a b']", 3),
        ("$.detail.nowhere", None),
        ("$.detail.items[7]", None),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path: str, value: Any) -> None:
    assert look_up({"detail": {"items": [{"n": 1}, {"n": 2}], "a b": 3}}, path) == value
