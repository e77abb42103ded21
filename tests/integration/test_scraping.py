"""Metrics through the deployed system: signed, with a token, by a real Prometheus, and the dashboard beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from headwater.client import Stack
from headwater.monitoring.dashboards.openmetrics import OPENMETRICS, exposition
from headwater.monitoring.dashboards.rules import JOB
from headwater.monitoring.status import Status
from headwater.routes import METRICS, SCRAPE
from headwater.storage.table import Table
from tests.projects import Project
from tests.prometheus import running, wait_for
from tests.unit.monitoring.statuses import status

pytestmark = pytest.mark.cloud

NOW = datetime.now(UTC).replace(microsecond=0)
HOUSE = status("house_price", version=1, at=NOW, day=NOW.date())


@pytest.fixture
def watched(served: Project, deployed: Stack) -> Iterator[Status]:
    """How the model is, as the hourly look writes it; the status that stood before stands again afterwards."""
    key = {"pk": "WATCH#house_price", "sk": "STATUS"}
    table = Table(deployed.description.registry_table, deployed.clients)
    before = table.get(*key.values())
    table.write(table.put({**key, "status": HOUSE.model_dump_json()}))
    yield HOUSE
    if before:
        table.write(table.put(before))
    else:
        table.transact([table.delete(*key.values(), only_if="attribute_exists(pk)")])


def get(stack: Stack, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    address = stack.description.api_url.rstrip("/") + path
    with urllib3.PoolManager(retries=False, timeout=60) as http:
        return http.request("GET", address, headers=headers)


def signed(stack: Stack, path: str) -> urllib3.BaseHTTPResponse:
    request = AWSRequest("GET", stack.description.api_url.rstrip("/") + path)
    credentials: Any = stack.clients.session.get_credentials()
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", stack.description.region).add_auth(request)
    return get(stack, path, **dict(request.headers.items()))


def test_metrics_are_read_signed_or_with_a_token_and_not_otherwise(watched: Status, deployed: Stack) -> None:
    wanted = exposition([watched])
    answer = signed(deployed, METRICS.path)
    assert (answer.status, answer.headers["content-type"], answer.data.decode()) == (200, OPENMETRICS, wanted)
    token, _ = deployed.monitor.tokens.create("integration")
    try:
        for path, authorization, status_ in (
            (SCRAPE.path, f"Bearer {token}", 200),
            (SCRAPE.path, f"Bearer {token}x", 401),
            (METRICS.path, f"Bearer {token}", 403),
        ):
            answer = get(deployed, path, authorization=authorization)
            assert answer.status == status_, answer.data
        assert get(deployed, METRICS.path).status == 403
        refused = get(deployed, SCRAPE.path)
        assert (refused.status, json.loads(refused.data)["reason"]) == (401, "TokenRefused")
        deployed.monitor.tokens.revoke("integration")
        assert get(deployed, SCRAPE.path, authorization=f"Bearer {token}").status == 401
    finally:
        deployed.monitor.tokens.revoke("integration")


def test_a_real_prometheus_scrapes_the_deployed_api(watched: Status, deployed: Stack, tmp_path: Path) -> None:
    token, _ = deployed.monitor.tokens.create("prometheus-test")
    scheme, _, address = deployed.description.api_url.rstrip("/").partition("://")
    job = {
        "job_name": JOB, "scheme": scheme, "metrics_path": SCRAPE.path, "scrape_interval": "1s",
        "authorization": {"credentials": token}, "static_configs": [{"targets": [address]}],
    }  # fmt: skip
    try:
        with running(tmp_path, {"scrape_configs": [job]}) as prometheus:
            target = wait_for(prometheus.target)
            assert (target["health"], target["lastError"]) == ("up", "")
            (row,) = prometheus.query("headwater_drift_p")
            assert (row["metric"]["model"], row["value"][1]) == ("house_price", str(watched.p))
    finally:
        deployed.monitor.tokens.revoke("prometheus-test")


def test_what_is_exported_ends_as_promtool_wants_it(watched: Status, project: Project, tmp_path: Path) -> None:
    project.done("monitor", "export", "--openmetrics", "--to", str(tmp_path / "history.om"))
    lines = (tmp_path / "history.om").read_text().splitlines()
    assert lines[-1] == "# EOF"
    series = 'headwater_drift_p{model="house_price",version="1"}'
    assert f"{series} {watched.p} {NOW.timestamp():.3f}" in lines


def test_the_stack_has_a_dashboard_with_all_models_to_choose_from(project: Project, deployed: Stack) -> None:
    cloudwatch: Any = deployed.clients("cloudwatch")
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    assert entry["DashboardName"].endswith("-monitoring-models")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
    (variable,) = body["variables"]
    assert {value["value"] for value in variable["values"]} >= {"house_price", "broken"}
