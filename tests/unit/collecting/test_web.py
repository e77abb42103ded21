"""Records of a real HTTP server, which fails, hangs, redirects, asks to wait and changes between pages."""

from __future__ import annotations

import json
from functools import partial

import pytest

from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import Tick
from headwater.collecting.types import RunStatus
from headwater.collecting.web import requests
from headwater.collecting.web.reading import next_link, read_http
from headwater.declare import Collector, Http, LinkHeader, NextToken, PageNumber, Schedule
from tests.unit.collecting.web import Answer, Host, zipped
from tests.unit.collecting.world import START, collecting, landed, lines, store, versions


def told() -> list[int]:
    return [json.loads(line)["id"] for line in lines(landed().values())]


def records(*ids: int) -> list[dict[str, int]]:
    return [{"id": number} for number in ids]


def test_a_list_of_records_lands_as_one_file(host: Host) -> None:
    host.answers(
        Answer(b'{"data": {"rows": [{"id": 1, "t": 0.10000000000000000000001, "big": 123456789012345678901}]}}')
    )
    host.collect(records="data.rows")
    assert list(landed()) == ["book/all.jsonl.gz"]
    assert lines(landed().values()) == ['{"id":1,"t":0.10000000000000000000001,"big":123456789012345678901}']


def test_what_hasnt_changed_is_not_sent_and_lands_nothing(host: Host) -> None:
    host.answers(Answer(records(1), headers={"ETag": '"a"', "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}),
                 Answer(status=304), Answer(records(2), headers={"ETag": '"b"'}), Answer(status=304))  # fmt: skip
    outcomes = [host.collect(f"run-{number}").status for number in range(4)]
    assert set(outcomes) == {RunStatus.DONE}
    asked = [(sent.get("if-none-match"), sent.get("if-modified-since")) for _, sent in host.asked]
    both = ('"a"', "Sun, 01 Nov 2026 00:00:00 GMT")
    assert asked == [(None, None), both, both, ('"b"', None)]
    assert told() == [2]
    assert versions() == 2


def test_the_same_answer_without_a_validator_lands_once(host: Host) -> None:
    host.respond = lambda *_: Answer(records(1))
    host.collect("one")
    host.collect("two")
    assert versions() == 1


def test_csv_lands_as_it_came(host: Host) -> None:
    body = "id;Temp\n1;0,10\n".encode("latin-1")
    host.answers(Answer(body))
    host.collect(format="csv")
    assert landed() == {"book/all.csv": body}


def test_an_answer_that_is_gzipped_on_its_way_is_unpacked(host: Host) -> None:
    host.answers(zipped(records(1, 2)))
    host.collect()
    assert told() == [1, 2]


def test_pages_are_followed_by_the_link_header(host: Host) -> None:
    host.answers(
        Answer(records(1), headers={"Link": '</rows?p=2>; rel="next", </rows?p=9>; rel="last"'}),
        Answer(records(2), headers={"Link": '</rows?p=1>; rel=prev, </rows?p=3>; title="a, b"; rel="last next"'}),
        Answer(records(3), headers={"Link": '</rows?p=1>; rel="prev"'}),
    )
    host.collect(paging=LinkHeader())
    assert [path for path, _ in host.asked] == ["/rows", "/rows?p=2", "/rows?p=3"]
    assert told() == [1, 2, 3]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('<https://a/?x=1,2;3>; rel="next"', "https://a/?x=1,2;3"),
        ("<a>; rel=next", "a"),
        ('<a>; REL="Next"', "a"),
        ('<a>; rel="nextpage"', ""),
        ('<a>; title="rel=next"; rel=prev', ""),
        ("", ""),
        ("rubbish", ""),
    ],
)
def test_a_link_header_is_read_as_rfc_8288_writes_it(header: str, found: str) -> None:
    assert next_link(header) == found


def test_pages_are_followed_by_token_until_there_is_none(host: Host) -> None:
    host.answers(Answer({"rows": records(1), "meta": {"next": "a b&c"}}), Answer({"rows": [], "meta": {"next": 7}}),
                 Answer({"rows": records(3), "meta": {"next": None}}))  # fmt: skip
    host.collect(path="/rows?limit=1", records="rows", paging=NextToken(field="meta.next", parameter="after"))
    assert [path for path, _ in host.asked] == [
        "/rows?limit=1", "/rows?limit=1&after=a+b%26c", "/rows?limit=1&after=7"
    ]  # fmt: skip
    # An empty page with a token isn't the end.
    assert told() == [1, 3]


def test_pages_are_followed_by_the_address_that_each_gives(host: Host) -> None:
    host.answers(Answer({"rows": records(1), "next": "/rows?p=2"}), Answer({"rows": records(2), "next": ""}))
    host.collect(records="rows", paging=NextToken(field="next"))
    assert told() == [1, 2]


def test_pages_are_counted_until_one_is_empty(host: Host) -> None:
    pages = {"0": records(1, 2), "2": records(3)}
    host.respond = lambda _, query, __: Answer(pages.get(query["offset"], []))
    host.collect(paging=PageNumber(parameter="offset", first=0, step=2))
    assert told() == [1, 2, 3]


def test_a_list_that_changes_between_its_pages_is_read_again(host: Host) -> None:
    found = [2, 3, 4]

    def respond(_: str, query: dict[str, str], __: object) -> Answer:
        at = (int(query["page"]) - 1) * 2
        if at and found == [2, 3, 4]:
            found.insert(0, 1)  # moves 3 to the page that is about to be read
        return Answer(records(*found[at : at + 2]))

    host.respond = respond  # type: ignore[assignment]
    host.collect(paging=PageNumber())
    assert told() == [1, 2, 3, 4]


def test_a_list_that_never_stands_still_is_told(host: Host) -> None:
    turns = iter(range(100))
    host.respond = lambda _, query, __: Answer(records(next(turns)) if int(query["page"]) < 3 else [])
    with pytest.raises(CollectFailed, match="the list changed each of 3 times while its pages were read"):
        host.collect(paging=PageNumber())
    assert landed() == {}


def test_pages_that_lead_in_a_circle_are_told(host: Host) -> None:
    host.respond = lambda *_: Answer(records(1), headers={"Link": "</rows>; rel=next"})
    with pytest.raises(CollectFailed, match="page 1 names a page that was read before as the next one"):
        host.collect(paging=LinkHeader())


def test_pages_without_end_are_bounded(host: Host) -> None:
    turns = iter(range(100))
    host.respond = lambda *_: Answer(records(1), headers={"Link": f"</rows?p={next(turns)}>; rel=next"})
    with pytest.raises(CollectFailed, match="there are more than max_pages=5 pages"):
        host.collect(paging=LinkHeader(), max_pages=5)


@pytest.mark.parametrize("answer", [Answer(records(*range(100))), zipped(records(*range(1000)))])
def test_bytes_are_bounded_also_when_unpacked(host: Host, answer: Answer) -> None:
    host.respond = lambda *_: answer
    with pytest.raises(CollectFailed, match="the answers have more than max_bytes=500 bytes"):
        host.collect(max_bytes=500)


def test_a_host_that_asks_to_wait_is_waited_for(host: Host) -> None:
    host.answers(Answer(status=429, headers={"Retry-After": "17"}), Answer(status=503), Answer(records(1)))
    host.collect()
    assert host.pauses[0] == 17.0
    assert len(host.pauses) == 2
    assert told() == [1]


def test_a_host_that_asks_to_wait_longer_than_there_is_time_is_told(host: Host) -> None:
    host.answers(Answer(status=429, headers={"Retry-After": "86400"}))
    with pytest.raises(CollectFailed, match="HTTP 429; it asks to wait 86,400 seconds"):
        host.collect()
    assert host.pauses == []


def test_an_answer_that_breaks_off_is_read_again_and_never_lands_half(host: Host) -> None:
    host.answers(Answer(records(1, 2), breaks_off=True), Answer(records(1, 2)))
    host.collect()
    assert told() == [1, 2]
    half = zipped(records(*range(50)))
    half.body = half.body[: len(half.body) // 2]
    host.respond = lambda *_: half
    with pytest.raises(CollectFailed, match="the answer is cut off"):
        host.collect("second")
    assert told() == [1, 2]


def test_a_csv_that_breaks_off_never_lands_half(host: Host) -> None:
    host.respond = lambda *_: Answer(b"id\n1\n2\n3\n", breaks_off=True)
    with pytest.raises(CollectFailed, match="IncompleteRead"):
        host.collect(format="csv")
    assert landed() == {}


def test_a_host_that_hangs_is_given_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "STEP_SECONDS", 0.05)
    host.respond = lambda *_: Answer(hangs=True)
    with pytest.raises(CollectFailed, match="timed out"):
        host.collect()
    assert len(host.asked) == requests.TRIES


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(host: Host, status: int) -> None:
    host.answers(Answer(status=status, headers={"Location": "http://169.254.169.254/latest/meta-data"}))
    with pytest.raises(CollectFailed, match=rf"HTTP {status} \(redirects aren't followed\)"):
        host.collect()


def test_a_private_address_is_refused(host: Host) -> None:
    with pytest.raises(CollectFailed, match=r"127.0.0.1 is an address of a private network; allow_private allows it"):
        host.collect(url=f"https://127.0.0.1:{host.port}/rows", allow_private=False)
    assert host.asked == []


def test_a_next_page_on_another_host_gets_no_secret(host: Host) -> None:
    host.answers(Answer(records(1), headers={"Link": "<http://localhost:1/steal>; rel=next"}))
    with pytest.raises(CollectFailed, match="leads to localhost"):
        host.collect(
            paging=LinkHeader(), secret_headers={"Authorization": "ssm:/t"}, secrets={"ssm:/t": "Bearer t0ken"}
        )
    assert [sent["authorization"] for _, sent in host.asked] == ["Bearer t0ken"]


def test_a_token_that_a_host_repeats_is_in_no_error(host: Host) -> None:
    host.respond = lambda *_: Answer({"rows": "no rows for t0ken"})
    with pytest.raises(CollectFailed, match="'rows' of the answer is a text, expected a list") as failed:
        host.collect(records="rows", secret_headers={"X-Key": "ssm:/t"}, secrets={"ssm:/t": "t0ken"})
    assert "t0ken" not in failed.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"<html>", headers={"Content-Type": "text/html"}), "the answer (text/html) is no JSON"),
        (Answer(b'[{"id": 1, "id": 2}]'), "has the name 'id' twice"),
        (Answer(b'[{"id": NaN}]'), "NaN is no JSON value"),
        (Answer({"rows": []}), "the answer is an object, expected a list of records"),
        (Answer([[1]]), "record 1 is a list, expected an object"),
        (Answer([]), "the address has no records, and no file can say so"),
        (Answer(b"\xff\xfe"), "is no JSON"),
        (Answer(status=404), "HTTP 404"),
        (Answer(b"", headers={"Content-Encoding": "br"}), "encoded as 'br'"),
    ],
)
def test_what_isnt_expected_is_one_line(host: Host, answer: Answer, said: str) -> None:
    host.respond = lambda *_: answer
    with pytest.raises(CollectFailed) as failed:
        host.collect()
    assert said in failed.value.message
    assert "\n" not in failed.value.message
    assert landed() == {}


def test_each_tick_asks_for_its_interval_and_a_repeated_tick_replaces_its_file(host: Host) -> None:
    found = {"2026-10-31T23": records(1), "2026-11-01T00": []}
    host.respond = lambda _, query, __: Answer(found[query["from"]])
    path = "/rows?from={since:%Y-%m-%dT%H}&to={until}"
    host.collect("one", path=path)
    host.collect("next", path=path, hours=1)
    assert host.asked[0][0] == "/rows?from=2026-10-31T23&to=2026-11-01T00:00:00Z"
    found["2026-10-31T23"] = records(1, 2)
    host.collect("again", path=path)
    assert list(landed()) == ["book/2026-11-01T000000Z.jsonl.gz"]
    assert told() == [1, 2]
    assert [one.status for one in store().runs(5)] == [RunStatus.DONE] * 3


def test_without_an_interval_nothing_is_guessed(host: Host) -> None:
    http = Http(url=f"{host.url}/rows?from={{since}}", allow_private=True)
    collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=http)
    with pytest.raises(CollectFailed, match="nobody knows where the tick's interval begins"):
        collecting(partial(read_http, http), collector).run("run", Tick(at=START), seconds_left=lambda: 900.0)
