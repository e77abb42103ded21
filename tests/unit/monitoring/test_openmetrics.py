"""What `/metrics` and `monitor export` write, read by the reference parsers of prometheus_client."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidRequest
from headwater.monitoring.dashboards.families import FAMILIES, MOST_FINDINGS
from headwater.monitoring.dashboards.openmetrics import (
    OPENMETRICS,
    TEXT,
    Sample,
    between,
    chosen,
    exposition,
    history,
)
from headwater.monitoring.dashboards.store import Statuses, sample_of_day
from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.monitoring.status import Severity
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import REGISTRY, new_world
from tests.unit.monitoring.statuses import DAY, LOOKED, figure, finding, keep, status, unknown

openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser", reason="prometheus-client isn't installed")
older = pytest.importorskip("prometheus_client.parser", reason="prometheus-client isn't installed")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], Any]


def families(text: str) -> dict[str, Any]:
    found = list(openmetrics.text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


def series(text: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in openmetrics.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_that_is_known_of_a_model_is_a_gauge_without_a_time() -> None:
    # TriliumNext/Trilium#6354: Prometheus drops scraped values whose times are old.
    found = families(exposition([status()]))
    assert found.keys() == {family.name for family in FAMILIES}
    for family in found.values():
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert [sample.timestamp for sample in family.samples] == [None] * len(family.samples)
    # ContainerSSH/libcontainerssh#12: a unit that isn't the name's end makes Prometheus refuse everything.
    assert {name: family.unit for name, family in found.items() if family.unit} == {
        "headwater_window_end_timestamp_seconds": "seconds", "headwater_look_timestamp_seconds": "seconds",
    }  # fmt: skip
    model = (("model", "flights"), ("version", "12"))
    values = series(exposition([status()]))
    assert values["headwater_model_state", model] == 3
    assert values["headwater_model_severity", model] == 2
    assert values["headwater_model_alarm", model] == 1
    assert values["headwater_predictions", model] == 954
    assert values["headwater_drift_p", model] == 0.007
    assert values["headwater_drift_score", model] == 6.1
    assert values["headwater_label_coverage", model] == 0.83
    assert values["headwater_look_timestamp_seconds", model] == LOOKED.timestamp()
    end = datetime.fromtimestamp(values["headwater_window_end_timestamp_seconds", model], UTC)
    assert end == datetime(DAY.year, DAY.month, DAY.day + 1, tzinfo=UTC)
    assert values["headwater_feature_score", (("channel", "unseen"), ("feature", "carrier"), *model)] == 4.25
    for kind, low in (("realised", 0.72), ("estimated", 0.72)):
        labels = (("kind", kind), ("metric", "roc_auc"), *model)
        parts = {part: values[f"headwater_performance{part}", labels] for part in ("_low", "_baseline", "_limit")}
        assert parts == {"_low": low, "_baseline": 0.77, "_limit": 0.76}


def test_what_is_not_known_is_not_told_and_the_end_always_is() -> None:
    # kubernetes-sigs/resource-state-metrics#18: no end, and the target is down.
    assert families(exposition([unknown()])).keys() == {
        "headwater_model_state", "headwater_model_severity", "headwater_model_alarm",
        "headwater_look_timestamp_seconds", "headwater_status_unreadable",
    }  # fmt: skip
    assert exposition([]) == "# EOF\n"


@pytest.mark.parametrize(
    ("state", "severity", "alarm"),
    [
        (State.NORMAL, Severity.NONE, 0),
        (State.SUSPECT, Severity.NONE, 0),
        (State.ALARM, Severity.TICKET, 1),
        (State.NORMAL, Severity.PAGE, 1),
    ],
)
def test_the_alarm_is_on_for_a_ticket_and_for_a_page(state: State, severity: Severity, alarm: int) -> None:
    values = series(exposition([status(state=state, severity=severity)]))
    assert values["headwater_model_alarm", (("model", "flights"), ("version", "12"))] == alarm


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXTS, TEXTS)
def test_any_name_comes_out_of_both_formats_as_it_was(model: str, feature: str) -> None:
    # prometheus/client_js#194, discourse/prometheus_exporter#66: one name with a quotation mark or a line break, and
    # the whole answer couldn't be read.
    given_ = status(model, findings=(finding(feature),))
    for parser, kind in ((openmetrics, OPENMETRICS), (older, TEXT)):
        text = exposition([given_], kind)
        found = {
            (sample.labels["model"], sample.labels.get("feature"))
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert found == {(model, None), (model, feature)}


@given(st.floats())
def test_any_number_comes_out_as_it_was(value: float) -> None:
    (told,) = (
        number
        for (name, _), number in series(exposition([status(score=value)])).items()
        if name.endswith("drift_score")
    )
    assert told == value or (math.isnan(told) and math.isnan(value))


def test_the_older_format_has_neither_units_nor_an_end() -> None:
    text = exposition([status()], TEXT)
    assert "# UNIT" not in text
    assert "# EOF" not in text
    assert text.endswith("\n")
    names = {family.name for family in older.text_string_to_metric_families(text)}
    assert names == {family.name for family in FAMILIES}


def test_a_feature_that_is_named_twice_in_a_channel_is_one_series() -> None:
    twice = status(findings=(finding(score=6.1), finding(score=5.0), finding(channel=Channel.SHAPE, score=4.0)))
    scores = {key: value for key, value in series(exposition([twice])).items() if key[0].endswith("feature_score")}
    assert sorted(scores.values()) == [4.0, 6.1]


def test_a_verdict_that_names_a_thousand_features_makes_a_bounded_number_of_series() -> None:
    many = status(findings=tuple(finding(f"f{number}", score=1000 - number) for number in range(1000)))
    scores = {key: value for key, value in series(exposition([many])).items() if key[0].endswith("feature_score")}
    assert sorted(scores.values(), reverse=True) == [1000.0 - number for number in range(MOST_FINDINGS)]


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


PROMETHEUS_2_30 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", OPENMETRICS),
        ("*/*", OPENMETRICS),
        # spring-projects/spring-boot#28130, prometheus/common#456: a version that is written isn't the one asked for.
        (PROMETHEUS_2_30, TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("text/plain", TEXT),
        ("TEXT/PLAIN; version=0.0.4", TEXT),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
        ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0,text/*;q=0.1", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", OPENMETRICS),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", OPENMETRICS),
        ("text/plain;q=nonsense", OPENMETRICS),
    ],
)
def test_the_client_gets_the_format_that_it_likes_best(accept: str, kind: str) -> None:
    assert chosen(accept) == kind


def days(count: int) -> Iterator[Sample]:
    for number in range(count):
        at = LOOKED + timedelta(days=number)
        yield Sample(at, status(at=at, day=DAY + timedelta(days=number), p=0.5 / (number + 1)))
        yield Sample(at, unknown())


def test_history_has_each_series_once_and_its_values_by_their_time() -> None:
    samples = list(days(5))
    text = "".join(history(reversed(samples)))
    assert text == "".join(history(samples))
    found = families(text)
    p = found["headwater_drift_p"].samples
    assert [sample.value for sample in p] == [0.5, 0.25, 0.5 / 3, 0.125, 0.1]
    assert [float(sample.timestamp) for sample in p] == [sample.at.timestamp() for sample in samples[::2]]
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1


def test_a_day_that_was_judged_twice_keeps_what_was_told_last() -> None:
    # prometheus/prometheus#14501: of two values at one time Prometheus drops one, and says so in its log alone.
    text = "".join(history([Sample(LOOKED, status(p=0.5)), Sample(LOOKED, status(p=0.25))]))
    assert [sample.value for sample in families(text)["headwater_drift_p"].samples] == [0.25]


def test_a_judged_day_is_a_sample_at_its_end() -> None:
    verdict = Verdict(outcome=Outcome.EXTREME, reason="p 0.007", rows=954, windows=181, score=6.1, p=0.007,
                      findings=(finding(),))  # fmt: skip
    sample = sample_of_day("flights", 12, DAY, verdict, State.ALARM, looked_at=LOOKED, since=DAY)
    assert sample.at == datetime(2026, 7, 5, tzinfo=UTC)
    text = "".join(history([sample]))
    end = f"{sample.at.timestamp():.3f}"
    for line in (
        f'headwater_drift_p{{model="flights",version="12"}} 0.007 {end}',
        f'headwater_model_state{{model="flights",version="12"}} 3.0 {end}',
        f'headwater_model_severity{{model="flights",version="12"}} 1.0 {end}',
        f'headwater_look_timestamp_seconds{{model="flights",version="12"}} {LOOKED.timestamp()} {end}',
        f'headwater_feature_score{{model="flights",version="12",feature="late6",channel="frozen"}} 6.1 {end}',
    ):
        assert line in text.splitlines()


def test_history_of_nothing_is_an_end() -> None:
    assert list(history([])) == ["# EOF\n"]


def test_a_time_without_a_zone_is_refused() -> None:
    naive = LOOKED.replace(tzinfo=None)
    with pytest.raises(InvalidRequest, match="has no time zone"):
        list(history([Sample(naive, status())]))
    with pytest.raises(InvalidRequest, match="since 2026-07-05 06:07:00 has no time zone"):
        between([], naive, None)
    with pytest.raises(InvalidRequest, match="isn't before until"):
        between([], LOOKED, LOOKED)


def test_only_what_lies_between_is_exported() -> None:
    day = timedelta(days=1)
    found = list(between(days(5), LOOKED + day, LOOKED + 3 * day))
    assert {sample.at for sample in found} == {LOOKED + day, LOOKED + 2 * day}
    assert len(list(between(days(5), None, None))) == 10


def test_a_status_that_cannot_be_read_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # prometheus/mysqld_exporter#65, prometheus-community/postgres_exporter#440: one error ended the whole scrape.
    # kbudde/rabbitmq_exporter#58: zeros stood for what couldn't be read.
    with new_world(monkeypatch):
        table = Table(REGISTRY, CLIENTS)
        keep(table, [status("a"), status("b"), status("c"), unknown("d")])
        table.write(table.put({"pk": "WATCH#b", "sk": "STATUS", "status": '{"format": 99}'}))
        table.write(table.put({"pk": "WATCH#c", "sk": "STATUS", "status": "not JSON"}))
        read = Statuses(table).all()
        assert [one.model for one in read.statuses] == ["a", "d"]
        assert read.unreadable.keys() == {"b", "c"}
        for kind in (OPENMETRICS, TEXT):
            text = exposition(read.statuses, kind, read.unreadable)
            told = {model: f'headwater_status_unreadable{{model="{model}"}} {value}' in text.splitlines()
                    for model, value in {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0}.items()}  # fmt: skip
            assert all(told.values()), told
        assert {sample.status.model for sample in Statuses(table).samples()} == {"a", "d"}


def test_a_figure_that_is_only_estimated_tells_no_coverage() -> None:
    names = families(exposition([status(realised=None, estimated=figure())])).keys()
    assert "headwater_performance" in names
    assert "headwater_label_coverage" not in names
