"""Routes are walked by Alertmanager's rules; bad ones are refused in one line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.alarms.routing import Router, fingerprint
from headwater.declare.alarms import Alarms, Email, Route, Webhook, load_alarms
from headwater.declare.base import InvalidProduct
from headwater.declare.matchers import InvalidMatcher, Matcher, Operator
from tools.amtool.build import place

NAMES = ("severity", "model", "kind")
RECEIVERS = tuple(Email(name=f"r{number}") for number in range(4))
VALUES = st.sampled_from(["", "critical", "warning", "flight_delays", "a b", 'say "hi"', "x\\y", "füße", "1.5"])
PATTERNS = st.sampled_from([".*", ".+", "crit.*|warn", "(flight|taxi)_.*", "[a-c] b", "", "1.5", "warning", "^w.*g$"])
MATCHERS = st.one_of(
    st.builds(lambda *parts: Matcher(name=parts[0], operator=parts[1], value=parts[2]), st.sampled_from(NAMES),
              st.sampled_from(["=", "!="]), VALUES),
    st.builds(lambda *parts: Matcher(name=parts[0], operator=parts[1], value=parts[2]), st.sampled_from(NAMES),
              st.sampled_from(["=~", "!~"]), PATTERNS),
)  # fmt: skip


def trees(depth: int) -> st.SearchStrategy[Route]:
    children = st.lists(trees(depth - 1), max_size=3).map(tuple) if depth else st.just(())
    return st.builds(
        Route,
        match=st.lists(MATCHERS, min_size=1, max_size=2).map(tuple),
        receivers=st.sampled_from([(), ("r0",), ("r1",), ("r2",), ("r3",)]),
        continue_=st.booleans(),
        routes=children,
    )


TREES = st.builds(
    lambda routes: Alarms(receivers=RECEIVERS, route=Route(receivers=("r0",), routes=routes)),
    st.lists(trees(2), max_size=4).map(tuple),
)
LABELS = st.dictionaries(st.sampled_from(NAMES), VALUES.filter(bool), max_size=3)


def as_yaml(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {"routes": [as_yaml(child) for child in route.routes], "continue": route.continue_}
    if route.receivers:
        made["receiver"] = route.receivers[0]
    if route.match:
        made["matchers"] = [str(matcher) for matcher in route.match]
    return made


@given(TREES, LABELS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_amtool_sends_the_same_alarms_to_the_same_receivers(
    tmp_path: Path, declared: Alarms, labels: Mapping[str, str]
) -> None:
    if not place().is_file():
        pytest.skip("amtool isn't built: make amtool")
    config = tmp_path / "alertmanager.yml"
    receivers = [{"name": receiver.name} for receiver in RECEIVERS]
    config.write_text(json.dumps({"route": as_yaml(declared.route), "receivers": receivers}))
    pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]
    command = [str(place()), "config", "routes", "test", f"--config.file={config}", *pairs]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    ours = [name for leg in Router(declared).route(labels) for name in leg.receivers]
    assert said.stdout.strip().split(",") == ours


@given(TREES, LABELS)
def test_the_explanation_takes_the_same_way(declared: Alarms, labels: Mapping[str, str]) -> None:
    router = Router(declared)
    taken = [leg for _, leg, _, took in router.explain(labels) if took]
    assert taken == list(router.route(labels))


def test_a_route_inherits_and_its_id_survives_a_route_beside_it() -> None:
    child = Route(match=('model="a"',), group_wait="1m")
    one = Router(Alarms(receivers=RECEIVERS, route=Route(receivers=("r0",), repeat_interval="1h", routes=(child,))))
    (leg,) = one.route({"model": "a"})
    assert (leg.receivers, leg.group_wait, leg.repeat_interval) == (
        ("r0",), timedelta(minutes=1), timedelta(hours=1),
    )  # fmt: skip
    more = (Route(match=('model="b"',)), child)
    other = Router(Alarms(receivers=RECEIVERS, route=Route(receivers=("r0",), repeat_interval="1h", routes=more)))
    assert other.route({"model": "a"})[0].id == leg.id


def test_groups_are_told_apart_by_the_labels_they_are_grouped_by() -> None:
    def ids(group_by: tuple[str, ...]) -> int:
        (leg,) = Router(Alarms(route=Route(group_by=group_by))).route({})
        alarms = [{"model": "a", "kind": "x"}, {"model": "a", "kind": "y"}, {"model": "b", "kind": "x"}, {"kind": "x"}]
        return len({leg.group_id(labels) for labels in alarms})

    assert [ids(()), ids(("model",)), ids(("model", "kind")), ids(("...",))] == [1, 3, 4, 4]


@given(LABELS)
def test_a_fingerprint_does_not_depend_on_the_order(labels: dict[str, str]) -> None:
    assert fingerprint(labels) == fingerprint(dict(reversed(labels.items())))


@given(MATCHERS)
def test_a_matcher_is_read_as_it_is_written(matcher: Matcher) -> None:
    assert Matcher.parse(str(matcher)) == matcher


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("severity", "is no matcher: write a label"),
        ("9a=b", "is no matcher"),
        ("a=b c", "double quotes"),
        ('a=~"("', "doesn't compile"),
        ('a="b', "double quotes"),
        ("a" * 2000 + "=b", "is no matcher"),
    ],
)
def test_what_is_no_matcher_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidMatcher, match=words):
        Matcher.parse(text)


@pytest.mark.parametrize(
    ("pattern", "slow"),
    [
        ("(a+)+$", True),
        ("((x|y*)z)*", True),
        ("(?:a{2,})+", True),
        ("flight.*|x[+*)]+(ab)+", False),
        (r"(a\+)*b+", False),
        ("(a{2,3})+(b*)?", False),
        ("(a+)(b+)", False),
        ("((", False),
    ],
)
def test_an_expression_that_repeats_repetitions_is_known(pattern: str, slow: bool) -> None:
    assert Matcher(name="a", operator=Operator.MATCHES, value=pattern).may_take_for_ever is slow
    assert not Matcher(name="a", operator=Operator.EQUAL, value=pattern).may_take_for_ever


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "declares no alarms: write alarms = Alarms"),
        ("import nothing_like_this", "can't be imported: ModuleNotFoundError"),
        ("alarms = Alarms(route=Route(receivers=['pager']))", "leads to receiver 'pager': none is declared"),
        (
            "alarms = Alarms(receivers=[Email(name='m')], route=Route(routes=[Route(match=['a=~\"(\"'])]))",
            "doesn't compile",
        ),
        (
            "alarms = Alarms(receivers=[Email(name='a', fallback='b'), Email(name='b', fallback='a')])",
            "circle: a -> b -> a",
        ),
        ("alarms = Alarms(receivers=[Email(name='a', fallback='c')])", "'a' falls back to 'c': there are a"),
        ("alarms = Alarms(receivers=[Email(name='a'), Email(name='a')])", "'a' is declared more than once"),
        ("alarms = Alarms(receivers=[Webhook(name='w', url='http://x.example/')])", "x.example is asked without TLS"),
        ("alarms = Alarms(receivers=[Webhook(name='w')])", "takes either url or url_secret"),
        ("alarms = Alarms(receivers=[Slack(name='s', token_secret='ssm:/t')])", "go together"),
        ("alarms = Alarms(route=Route(match=['a=b']))", "the root takes every alarm"),
        (
            "alarms = Alarms(receivers=[Alertmanager(name='am', url='https://am.example')], "
            "route=Route(receivers=['am'], routes=[Route(match=['a=b'], group_by=['a'])]))",
            "give the route group_by=('...',)",
        ),
        ("alarms = Alarms(route=Route(group_wait='soon'))", "'soon' is no duration"),
        ("alarms = Alarms(route=Route(group_by=('...', 'model')))", "leave out the others"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "alarms.py").write_text(f"from headwater.declare.alarms import *\n{text}\n")
    with pytest.raises(InvalidProduct) as refused:
        load_alarms(tmp_path)
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_good_file_is_read_and_survives_being_kept(tmp_path: Path) -> None:
    (tmp_path / "alarms.py").write_text(
        "from headwater.declare.alarms import *\n"
        "alarms = Alarms(receivers=[Email(name='mail'), Webhook(name='chat', url_secret='ssm:/chat')],\n"
        "    route=Route(receivers=['mail'], routes=[Route(match=['severity=critical'], receivers=['chat'])]))\n"
    )
    declared = load_alarms(tmp_path)
    assert declared is not None
    assert Alarms.model_validate_json(declared.model_dump_json()) == declared
    assert isinstance(declared.receiver("chat"), Webhook)
    assert load_alarms(tmp_path / "nothing") is None
