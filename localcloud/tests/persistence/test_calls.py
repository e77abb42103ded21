"""What a call may change, and so what of an object's versions is written again with it."""

from __future__ import annotations

import pytest
from localcloud.api_call import parse
from localcloud.persistence.calls import Effect, effect_of
from werkzeug.test import EnvironBuilder


def effect(method: str, path: str) -> Effect | None:
    signed = "AWS4-HMAC-SHA256 Credential=AKIA/20261129/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"
    return effect_of(parse(EnvironBuilder(method=method, path=path, headers={"Authorization": signed}).get_environ()))


@pytest.mark.parametrize(
    ("method", "path", "thorough"),
    [
        ("PUT", "/state/stack.json", False),
        ("PUT", "/state/stack.json?x-id=PutObject", False),  # how AWS's SDK for Go asks, and so Pulumi's CLI
        ("PUT", "/state/stack.json?tagging", False),
        ("PUT", "/state/stack.json?tagging&versionId=abc", True),
        ("DELETE", "/state/stack.json?versionId=abc", True),
    ],
)
def test_older_versions_are_written_again_only_where_a_call_names_one(method: str, path: str, thorough: bool) -> None:
    assert effect(method, path) == Effect(("s3",), thorough=thorough)


def test_a_call_that_reads_changes_nothing() -> None:
    assert effect("GET", "/state/stack.json?versionId=abc") is None
