"""A real Prometheus scrapes the function with its token; each panel and alert finds what it asks for."""

from __future__ import annotations

import importlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from headwater.cli.app import app
from headwater.monitoring.dashboards.families import FAMILIES
from headwater.monitoring.dashboards.openmetrics import TEXT, Sample, exposition, history
from headwater.monitoring.dashboards.panels import PANELS
from headwater.monitoring.dashboards.rules import JOB, RULES, rules
from headwater.monitoring.dashboards.tokens import ScrapeTokens
from headwater.monitoring.drift.standing import State
from headwater.monitoring.status import Severity
from headwater.routes import SCRAPE
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.prometheus import Prometheus, program, promtool, running, wait_for
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import REGISTRY, new_world
from tests.unit.monitoring.statuses import figure, keep, status, unknown

QUERIES = [query.expression for panel in PANELS for query in panel.prometheus]
NOW = datetime.now(UTC).replace(microsecond=0)
ODD = 'odd "model"\\\nof two lines'


def asked(expression: str, models: str = ".*", interval: str = "1m") -> str:
    """The expression as Grafana would send it."""
    return expression.replace("$model", models).replace("$__rate_interval", interval)


@contextmanager
def served() -> Iterator[str]:
    """The function behind HTTP, as the API calls it; gives the address."""
    handler = importlib.import_module("headwater.handlers.monitoring.metrics").handler

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = handler({"routeKey": f"GET {self.path}", "rawPath": self.path, "headers": headers}, Context())
            body = answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in {**answer["headers"], "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def found_by(prometheus: Prometheus, expression: str) -> list[dict[str, Any]] | None:
    return prometheus.query(expression) or None


def config(address: str, token: str, rule_files: list[str]) -> Mapping[str, Any]:
    """As docs/how-to/grafana has it, but for the address and the pace."""
    job = {
        "job_name": JOB,
        "scheme": "http",
        "metrics_path": SCRAPE.path,
        "authorization": {"type": "Bearer", "credentials": token},
        "static_configs": [{"targets": [address]}],
    }
    pace = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    return {"global": pace, "scrape_configs": [job], "rule_files": rule_files}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    services = importlib.import_module("headwater.handlers.monitoring.metrics").services
    with new_world(monkeypatch):
        services.cache_clear()
        made = Table(REGISTRY, CLIENTS)
        old = NOW - timedelta(days=9)
        covered = figure(coverage=0.1)
        keep(made, [
            status(at=NOW, day=NOW.date() - timedelta(days=1)),
            status("calm", at=NOW, day=NOW.date() - timedelta(days=1), state=State.NORMAL, severity=Severity.NONE),
            status("left", at=old, day=old.date(), state=State.NORMAL, severity=Severity.NONE, realised=covered),
            status(ODD, at=NOW, state=State.SUSPECT, severity=Severity.TICKET),
            unknown(at=NOW),
        ])  # fmt: skip
        yield made
    services.cache_clear()


@pytest.fixture
def scraping(table: Table, tmp_path: Path) -> Iterator[Prometheus]:
    program("prometheus")
    (tmp_path / "rules.yml").write_text(rules())
    token, _ = ScrapeTokens(table).create("prometheus")
    with served() as address, running(tmp_path, config(address, token, ["rules.yml"])) as prometheus:
        yield prometheus


def test_a_real_prometheus_finds_data_for_every_panel_and_alerts(scraping: Prometheus) -> None:
    target = wait_for(scraping.target)
    assert (target["health"], target["lastError"]) == ("up", "")
    for expression in map(asked, QUERIES):
        assert wait_for(partial(found_by, scraping, expression)), expression
    models = {row["metric"]["model"] for row in scraping.query("headwater_model_state")}
    assert models == {"flights", "calm", "left", ODD, "young"}
    # A choice of one model gives that model's series, and no other's.
    for expression in QUERIES:
        assert {row["metric"]["model"] for row in scraping.query(asked(expression, "calm"))} <= {"calm"}
    metadata = scraping.ask("metadata")
    for family in FAMILIES:
        (told,) = metadata[family.name]
        assert told == {"type": "gauge", "help": family.help, "unit": family.unit}

    def alerting() -> set[tuple[str, str | None, str]] | None:
        found = {
            (alert["labels"]["alertname"], alert["labels"].get("model"), alert["state"])
            for alert in scraping.ask("alerts")["alerts"]
        }
        # Those with a duration are pending, which none of them outlasts here.
        wanted = {
            ("HeadwaterModelAlarm", "flights", "firing"), ("HeadwaterModelPage", "flights", "firing"),
            ("HeadwaterNoLook", "left", "pending"), ("HeadwaterStaleWindow", "left", "pending"),
            ("HeadwaterLowLabelCoverage", "left", "pending"),
        }  # fmt: skip
        return found if wanted <= found else None

    alerts = wait_for(alerting)
    assert not {alert for alert in alerts if alert[1] == "calm"}


def test_a_revoked_token_takes_the_target_down(table: Table, tmp_path: Path) -> None:
    program("prometheus")
    token, _ = ScrapeTokens(table).create("prometheus")
    ScrapeTokens(table).revoke("prometheus")
    with served() as address, running(tmp_path, config(address, token, [])) as prometheus:
        target = wait_for(prometheus.target)
        assert target["health"] == "down"
        assert "401" in target["lastError"]


def test_promtool_finds_nothing_to_say_about_the_older_format() -> None:
    assert promtool("check", "metrics", given=exposition([status(), unknown()], TEXT)) == ""


def test_promtool_takes_the_rules_and_fires_each_alert(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules())
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", str(tmp_path / "rules.yml"))
    model = '{model="flights",version="12"}'
    bad = {
        "headwater_model_alarm" + model: "1x3000",
        "headwater_model_severity" + model: "2x3000",
        "headwater_look_timestamp_seconds" + model: "0x3000",
        "headwater_window_end_timestamp_seconds" + model: "0x3000",
        "headwater_label_coverage" + model: "0.1x3000",
        'headwater_status_unreadable{model="flights"}': "1x3000",
        f'up{{job="{JOB}",instance="api:443"}}': "0x3000",
    }
    # A day of good values before, and after them all that is wrong; the last rule is for nothing at all.
    cases = [
        _case(bad, at="80h", expected={rule.name for rule in RULES} - {"HeadwaterNoModels"}),
        _case({}, at="4h", expected={"HeadwaterNoModels"}),
        _case({}, at="2h", expected=set()),
        _case({name.replace("12", "13"): "0x3000" for name in bad if "timestamp" in name}, at="2h", expected=set()),
    ]
    (tmp_path / "tests.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "2m", "tests": cases})
    )
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "tests.yml"))


def _case(series: Mapping[str, str], *, at: str, expected: set[str]) -> Mapping[str, Any]:
    fired = []
    for rule in RULES:
        model = {} if rule.name in ("HeadwaterNoModels", "HeadwaterScrapeFails") else {"model": "flights"}
        if rule.name == "HeadwaterScrapeFails":
            model = {"job": JOB, "instance": "api:443"}
        age, lasted = (
            {"HeadwaterNoLook": "3d 8h 0m 0s", "HeadwaterStaleWindow": "3d 8h 0m 0s"}.get(rule.name, ""),
            "10%",
        )
        said = {"severity": rule.severity, **model}
        texts = {"summary": rule.summary, "description": rule.description, "runbook": rule.command}
        places = {
            "{{ $labels.model }}": "flights", "{{ $labels.instance }}": "api:443",
            "{{ $value | humanizeDuration }}": age, "{{ $value | humanizePercentage }}": lasted,
        }  # fmt: skip
        for place, value in places.items():
            texts = {name: text.replace(place, value) for name, text in texts.items()}
        firing = [{"exp_labels": said, "exp_annotations": texts}] if rule.name in expected else []
        fired.append({"eval_time": at, "alertname": rule.name, "exp_alerts": firing})
    return {
        "interval": "2m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": fired,
    }


def test_the_rules_name_a_severity_and_a_command_that_there_is() -> None:
    parsed = yaml.safe_load(rules())
    (group,) = parsed["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [rule.name for rule in RULES]
    groups: Any = get_command(app)
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        program_, noun, verb = rule["annotations"]["runbook"].split()[:3]
        assert program_ == "headwater"
        # Commands of the branches beside this one: status and performance.
        assert verb in groups.commands[noun].commands or verb in ("status", "performance")


def test_promtool_fills_a_database_with_the_history_of_thirteen_years_ago(tmp_path: Path) -> None:
    # prometheus/prometheus#8476: values from long ago were out of bounds.
    program("prometheus")
    start = datetime(2013, 7, 1, 1, 7, tzinfo=UTC)
    days = [start + timedelta(days=number) for number in range(20)]
    samples = [
        Sample(at, status(name, at=at, day=at.date() - timedelta(days=1), p=1 / (number + 2)))
        for name in ("flights", ODD)
        for number, at in enumerate(days)
    ]
    (tmp_path / "history.om").write_text("".join(history(samples)))
    promtool("tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "history.om"), str(tmp_path / "data"))
    with running(tmp_path, {"scrape_configs": []}) as prometheus:
        (row,) = prometheus.ask(
            "query", query='headwater_drift_p{model="flights"}[30d]', time=str((days[-1] + timedelta(1)).timestamp())
        )["result"]
        assert row["values"] == [[at.timestamp(), str(1 / (number + 2))] for number, at in enumerate(days)]
        # grafana/grafana#13884: points that lie further apart than the picture's steps were not shown.
        step = timedelta(minutes=43)
        for expression in QUERIES:
            found = prometheus.ask(
                "query_range",
                query=asked(expression, "flights", f"{int(step.total_seconds()) + 60}s"),
                start=str(start.timestamp()),
                end=str((days[-1] + step).timestamp()),
                step=str(step.total_seconds()),
            )["result"]
            shown = {round(float(time)) for series in found for time, _ in series["values"]}
            if "time()" not in expression:
                assert len(shown) >= len(days), expression
            assert shown, expression


def test_every_query_asks_for_a_family_that_there_is() -> None:
    names = {family.name for family in FAMILIES}
    used = {name for expression in QUERIES for name in re.findall(r"headwater_\w+", expression)}
    assert used == names
    assert {name for rule in RULES for name in re.findall(r"headwater_\w+", rule.expression)} <= names
