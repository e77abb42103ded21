"""Executions that were recorded on AWS end in the local cloud as they ended there."""

from __future__ import annotations

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from localcloud.cloud import Cloud
from tests.workflows.conftest import role_for_everything

ORACLE = Path(__file__).parents[4] / "shared" / "oracles" / "sfn-aws"
FLOOR = 381  # of 383: the other two are a history that was recorded out of order, and a state's own start time
WORKERS = 8
ROLE = "arn:aws:iam::123456789012:role/r"
"""Of the recorded machines; a distributed map needs its permissions."""


@pytest.mark.skipif(
    not (ORACLE / "executions.jsonl").exists(), reason="needs the recordings, which aren't in the repository"
)
def test_recorded_executions_end_with_the_recorded_status_output_and_error(cloud: Cloud) -> None:
    spec = importlib.util.spec_from_file_location("check_sfn", ORACLE / "check_sfn.py")
    assert spec is not None
    assert spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    role_for_everything(cloud, ROLE)
    rows = [json.loads(line) for line in (ORACLE / "executions.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["kind"] != "sync_execution"]

    def one(row: dict[str, Any]) -> bool:
        return bool(check.run_exec(cloud.client("stepfunctions"), row, 20)["status"])

    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = list(pool.map(one, rows))
    wrong = [row["name"] for row, right in zip(rows, outcomes, strict=True) if not right]
    assert sum(outcomes) >= FLOOR, wrong
