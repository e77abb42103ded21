"""`headwater monitor dashboards`, `export` and `token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from headwater.monitoring.dashboards.grafana import Source, dashboard
from headwater.monitoring.dashboards.openmetrics import Sample, history
from headwater.monitoring.dashboards.rules import RULES, rules
from headwater.monitoring.dashboards.tokens import ScrapeTokens
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.prometheus import promtool
from tests.unit.cli.conftest import Run
from tests.unit.monitoring.statuses import LOOKED, keep, status

HOW_TO = Path(__file__).parents[3] / "docs/how-to/grafana"


@pytest.mark.parametrize("source", Source)
def test_a_dashboard_is_printed_as_it_is(run: Run, source: Source) -> None:
    done = run("monitor", "dashboards", "--grafana", source.value)
    assert (done.code, done.err, json.loads(done.out)) == (0, "", dashboard(source))


def test_rules_are_printed_as_they_are(run: Run) -> None:
    assert run("monitor", "dashboards", "--rules").out == rules()
    assert run("monitor", "dashboards", "--rules", "--json").json == {"text": rules()}


def test_all_files_or_those_named_are_written_into_a_folder(run: Run, tmp_path: Path) -> None:
    everything, some = tmp_path / "a" / "all", tmp_path / "some"
    written = run("monitor", "dashboards", "--to", str(everything), "--json").json["files"]
    names = ["grafana-cloudwatch.json", "grafana-prometheus.json", "rules.yml"]
    assert written == [str(everything / name) for name in names]
    assert (everything / "rules.yml").read_bytes() == rules().encode()
    done = run("monitor", "dashboards", "--rules", "--grafana", "cloudwatch", "--to", str(some))
    assert (done.code, done.out) == (0, "")
    assert sorted(path.name for path in some.iterdir()) == [names[0], names[2]]


@pytest.mark.parametrize("both", [[], ["--rules", "--grafana", "prometheus"]])
def test_stdout_takes_one_file(run: Run, both: list[str]) -> None:
    done = run("monitor", "dashboards", *both)
    assert (done.code, done.out) == (2, "")
    assert f"{'both' if both else 'neither'} of --grafana and --rules and no --to" in done.err


def test_a_folder_that_is_a_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("monitor", "dashboards", "--to", str(tmp_path / "file"))
    assert (done.code, str(tmp_path / "file") in done.err, "can't be written" in done.err) == (2, True, True)


@pytest.mark.usefixtures("stack")
def test_a_token_is_shown_once_listed_and_revoked(run: Run) -> None:
    assert "there is no token" in run("monitor", "token", "list").err
    made = run("monitor", "token", "create", "prometheus", "--days", "30")
    token = made.out.strip()
    assert token.startswith("headwater.prometheus.")
    assert made.out == f"{token}\n"
    assert "/metrics/scrape" in made.err
    assert token not in made.err
    assert ScrapeTokens(Table("registry", CLIENTS)).admit(token).name == "prometheus"
    again = run("monitor", "token", "create", "prometheus")
    assert (again.code, again.out, "revoke it, or give another name" in again.err) == (5, "", True)
    listed = run("monitor", "token", "list")
    assert "good" in listed.out
    secret = token.rpartition(".")[2]
    assert secret not in listed.out + run("monitor", "token", "list", "--json").out
    assert run("monitor", "token", "revoke", "prometheus").code == 0
    (row,) = run("monitor", "token", "list", "--json").json
    assert (row["name"], row["is"]) == ("prometheus", "revoked")
    assert run("monitor", "token", "revoke", "nobody").code == 3
    assert run("monitor", "token", "create", "No Name").code == 2


@pytest.mark.usefixtures("stack")
def test_statuses_are_exported_with_their_times(run: Run, tmp_path: Path) -> None:
    later = datetime(2026, 7, 6, 6, 7, tzinfo=UTC)
    shown = [status(), status("returns", at=later)]
    keep(Table("registry", CLIENTS), shown)
    assert run("monitor", "export").out == "".join(history(Sample(one.at, one) for one in shown))
    file = tmp_path / "history.om"
    told = run("monitor", "export", "--openmetrics", "--since", "2026-07-06", "--to", str(file), "--json").json
    assert file.read_text() == "".join(history([Sample(later, shown[1])]))
    assert told["samples"] == file.read_text().count("returns")
    assert run("monitor", "export", "--until", "2026-07-05T06:07Z").out == "# EOF\n"
    assert LOOKED.isoformat() == "2026-07-05T06:07:00+00:00"
    wrong = run("monitor", "export", "--since", "2026-07-06", "--until", "2026-07-05")
    assert (wrong.code, "isn't before until" in wrong.err) == (2, True)


def test_the_how_tos_files_fit_together(tmp_path: Path) -> None:
    compose, config = (yaml.safe_load((HOW_TO / name).read_text()) for name in ("docker-compose.yml", "prometheus.yml"))
    (source,) = yaml.safe_load((HOW_TO / "provisioning/datasources/headwater.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((HOW_TO / "provisioning/dashboards/headwater.yml").read_text())["providers"]
    services = compose["services"]
    assert source["type"] == Source.PROMETHEUS.value
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in services["grafana"]["volumes"]}
    assert mounted[provider["options"]["path"]] == "./dashboards"
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in services["prometheus"]["volumes"]}
    assert mounted["/etc/prometheus/rules.yml"] == "./dashboards/rules.yml"
    assert mounted["/etc/prometheus/token"] == "./token"
    (job,) = config["scrape_configs"]
    assert (job["authorization"]["credentials_file"], config["rule_files"]) == ("token", ["rules.yml"])
    # Without a latest: what a user starts today starts in a year.
    assert all(service["image"].rpartition(":")[2] != "latest" for service in services.values())


def test_promtool_takes_the_how_tos_configuration(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text((HOW_TO / "prometheus.yml").read_text())
    (tmp_path / "rules.yml").write_text(rules())
    (tmp_path / "token").write_text("headwater.prometheus.x\n")
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert f"{len(RULES)} rules found" in said
    assert "SUCCESS" in said
