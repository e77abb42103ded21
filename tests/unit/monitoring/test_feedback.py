"""Feedback: what counts, what is kept, and what its figures say, whatever comes twice, late or hostile."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import HeadwaterError
from headwater.monitoring.feedback.errors import (
    FeedbackConflict,
    FeedbackFull,
    FeedbackTooLarge,
    InvalidFeedback,
    TokenRefused,
)
from headwater.monitoring.feedback.service import MOST_ENTRIES, FeedbackService
from headwater.monitoring.feedback.store import FeedbackStore
from headwater.monitoring.feedback.summary import summarise
from headwater.monitoring.feedback.types import Feedback, Verdict, current
from headwater.serving.feedback.tokens import Signer, Verifier
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import Key
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)
HOSTILE = "<script>alert(1)</script>\x1b[2J\x1b]0;pwned\x07\x9b31m\u202eevil\u2066\r\n\t\0 \ud800 \U0001f600 \\x1b '--"


class OneKey:
    """The one key that there is."""

    def newest(self) -> Key:
        return Key(1, b"k" * 32)

    def create(self) -> Key:
        return self.newest()

    def numbered(self, number: int) -> Key | None:
        return self.newest() if number == 1 else None


class World:
    """Predictions with tokens, and a clock that goes on by a second an entry."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = FeedbackStore(Table(TABLE, CLIENTS))
        self.service = FeedbackService(self.store, Verifier(OneKey(), now=lambda: self.now), now=self._tick)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def token(self, prediction: str = "r-1.0", asked: datetime = NOW, model: str = "delays") -> str:
        request, _, number = prediction.rpartition(".")
        return Signer(OneKey(), timedelta(days=30)).tokens(model, request, asked, int(number) + 1)[int(number)]

    def say(self, verdict: Any = "right", prediction: str = "r-1.0", asked: datetime = NOW, **more: Any) -> Feedback:
        body = {"token": self.token(prediction, asked), "verdict": verdict} | more
        return self.service.take(prediction, json.dumps(body).encode())[0]

    def current(self, since: date = TODAY, until: date = TODAY) -> list[Feedback]:
        return list(current(self.store.entries("delays", since, until)))

    def history(self, prediction: str = "r-1.0") -> list[Feedback]:
        return self.store.of_prediction("delays", NOW.date(), prediction)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mocked_aws(monkeypatch):
        make_table()
        yield World()


def words(found: Sequence[Feedback]) -> list[tuple[Any, ...]]:
    return [(one.prediction_id, one.author, one.sequence, one.verdict.value) for one in found]


def test_what_an_author_says_replaces_what_he_said_and_nothing_is_lost(world: World) -> None:
    # Phoenix #6440: the second feedback on a trace was ignored or overwrote the first one.
    world.say("right", author="ann", comment="fine")
    world.say("wrong", author="ann", corrected=17, comment="no, it wasn't")
    (last,) = world.current()
    assert (last.verdict, last.corrected, last.sequence) == (Verdict.WRONG, 17, 2)
    assert [(one.verdict.value, one.comment) for one in world.history()] == [
        ("right", "fine"), ("wrong", "no, it wasn't")
    ]  # fmt: skip
    # Back again is a third entry, not the first one.
    assert world.say("right", author="ann", comment="fine").sequence == 3


def test_two_authors_don_t_replace_each_other(world: World) -> None:
    world.say("right", author="ann")
    world.say("wrong", author="bob")
    world.say("wrong")
    world.say("right", author="ann#bob")
    assert {(one.author, one.verdict.value) for one in world.current()} == {
        ("ann", "right"), ("bob", "wrong"), ("", "wrong"), ("ann#bob", "right")
    }  # fmt: skip


def test_the_same_feedback_sent_again_is_one(world: World) -> None:
    # Phoenix #14189: feedback was logged twice.
    first = world.say("wrong", author="ann", comment=HOSTILE)
    assert world.say("wrong", author="ann", comment=HOSTILE) == first
    named = world.say("right", author="ann", write_id="w-1")
    world.say("wrong", author="ann", write_id="w-2")
    # Late, after something else was said: its name tells.
    assert world.say("right", author="ann", write_id="w-1") == named
    assert words(world.current()) == [("r-1.0", "ann", 3, "wrong")]
    assert len(world.history()) == 3


def test_a_write_id_that_comes_with_other_words_is_refused(world: World) -> None:
    world.say("right", write_id="w")
    for other in ({"verdict": "wrong"}, {"author": "bob"}, {"comment": ""}, {"corrected": True}):
        with pytest.raises(FeedbackConflict, match="write_id"):
            world.say(**{"verdict": "right", "write_id": "w"} | other)
    world.say("right", corrected=1, write_id="one")
    with pytest.raises(FeedbackConflict):
        world.say("right", corrected=True, write_id="one")


def test_any_order_of_deliveries_however_doubled_ends_the_same(world: World) -> None:
    entries = [
        {"prediction": f"r-{number}.0", "author": author, "verdict": verdict, "write_id": f"{number}{author}"}
        for number, author, verdict in ((1, "ann", "right"), (1, "bob", "wrong"), (2, "ann", "wrong"))
    ]
    found = set()
    for place, order in enumerate(itertools.permutations([*entries, entries[0]])):
        asked = NOW + place * DAY
        world.now = asked
        for entry in order:
            world.say(asked=asked, **entry)
        found.add(str(words(world.current(asked.date(), asked.date()))))
        assert len(list(world.store.entries("delays", asked.date(), asked.date()))) == 3
    assert len(found) == 1


def test_an_author_s_last_word_is_the_last_one_received(world: World) -> None:
    for order in itertools.permutations(["right", "wrong", "right"]):
        for verdict in order:
            world.say(verdict, author="ann")
        (last,) = world.current()
        assert last.verdict.value == order[-1]
    received = [one.received_at for one in world.history()]
    assert received == sorted(received)
    assert [one.sequence for one in world.history()] == list(range(1, len(received) + 1))


def test_a_write_that_came_through_without_an_answer_is_one_saying(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    adding = FeedbackStore.add

    def lost(store: FeedbackStore, feedback: Feedback) -> bool:
        adding(store, feedback)
        monkeypatch.setattr(FeedbackStore, "add", adding)
        # What DynamoDB says to botocore's own second try of the write.
        return False

    monkeypatch.setattr(FeedbackStore, "add", lost)
    assert world.say("wrong", author="ann").sequence == 1
    assert len(world.history()) == 1


def test_two_sayings_at_once_are_both_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    adding = FeedbackStore.add

    def overtaken(store: FeedbackStore, feedback: Feedback) -> bool:
        monkeypatch.setattr(FeedbackStore, "add", adding)
        world.say("right", author="ann")
        return adding(store, feedback)

    monkeypatch.setattr(FeedbackStore, "add", overtaken)
    assert world.say("wrong", author="ann").sequence == 2
    assert [one.verdict.value for one in world.history()] == ["right", "wrong"]


@pytest.mark.parametrize("killed", ["place_at", "add"])
def test_a_kill_at_any_write_loses_nothing_that_was_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FeedbackStore, killed, kill)
        with pytest.raises(KeyboardInterrupt):
            world.say("right")
    assert world.history() == []
    assert world.say("right").sequence == 1
    assert world.store.place("r-1.0") == ("delays", NOW.date())


@pytest.mark.parametrize("corrected", [
    0, -1.5, 1e300 * 1e-280, 12345678901234567890, Decimal("0.1000000000000000055511151231257827"), True, False, "late",
    "", HOSTILE, None,
])  # fmt: skip
def test_values_come_out_as_they_were_given(world: World, corrected: Any) -> None:
    given_json = str(corrected) if isinstance(corrected, Decimal) else json.dumps(corrected)
    text = json.dumps({"token": world.token(), "verdict": "wrong", "comment": HOSTILE, "author": HOSTILE[:100]})
    world.service.take("r-1.0", f'{text[:-1]}, "corrected": {given_json}}}'.encode())
    (found,) = world.current()
    assert (found.corrected, type(found.corrected)) == (corrected, type(corrected))
    assert (found.comment, found.author) == (HOSTILE, HOSTILE[:100])


@settings(max_examples=15)
@given(st.text(st.characters(exclude_categories=()), max_size=100))
def test_any_text_is_kept(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched, mocked_aws(patched):
        make_table()
        world = World()
        world.say("right", author=text, comment=text, corrected=text)
        (found,) = world.current()
        assert (found.author, found.comment, found.corrected) == (text, text, text)


@pytest.mark.parametrize(("changed", "reason"), [
    ({"verdict": "maybe"}, "verdict: 'maybe', expected right or wrong"),
    ({"verdict": None}, "verdict: missing"),
    ({"verdict": ["right"]}, "verdict"),
    ({"comment": "c" * 2001}, "comment: 2,001 characters, expected at most 2,000"),
    ({"comment": 5}, "comment: int"),
    ({"author": "a" * 101}, "author: 101 characters"),
    ({"write_id": "w" * 65}, "write_id: 65 characters"),
    ({"corrected": [1]}, "corrected"),
    ({"corrected": 10**39}, "corrected: a number of more than 38 digits"),
    ({"corrected": "c" * 1025}, "corrected"),
    ({"colour": "red"}, "'colour': unknown field, expected one of token, verdict"),
    ({"token": None}, "token: missing"),
    ({"token": 5}, "token: missing"),
])  # fmt: skip
def test_what_is_not_taken_is_named(world: World, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidFeedback) as found:
        world.say(**{"verdict": "right"} | changed)
    assert reason in found.value.message
    assert world.current() == []


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 4000, b'{"token": NaN}', b'{"a": 1, "a": 2}',
])  # fmt: skip
def test_what_is_no_feedback_at_all_is_refused(world: World, body: bytes) -> None:
    with pytest.raises(InvalidFeedback):
        world.service.take("r-1.0", body)


def test_a_body_is_read_up_to_its_bound(world: World) -> None:
    body = json.dumps({"token": world.token(), "verdict": "right", "comment": "\U0001f600" * 500}).encode()
    assert world.service.take("r-1.0", body + b" " * (8192 - len(body)))[0].sequence == 1
    with pytest.raises(FeedbackTooLarge, match="8193 bytes; at most 8192"):
        world.service.take("r-1.0", b" " * 8193)


def test_tokens_that_are_no_good_are_refused_by_the_same_words(world: World) -> None:
    good = world.token()
    expired = world.token(asked=NOW - 31 * DAY)
    said = set()
    for token, prediction in (
        ("nonsense", "r-1.0"), (good[:-1], "r-1.0"), (good, "r-1.1"), (expired, "r-1.0"),
        (good.replace("delays", "other"), "r-1.0"),
    ):  # fmt: skip
        with pytest.raises(TokenRefused) as found:
            # The token is judged before anything else of the body.
            world.service.take(prediction, json.dumps({"token": token, "verdict": 7}).encode())
        said.add((found.value.message, found.value.http_status))
    assert said == {("the token isn't one of this prediction, or it has expired", 403)}
    assert CLIENTS("dynamodb").scan(TableName=TABLE)["Count"] == 0


def test_whoever_holds_a_token_fills_no_table(world: World) -> None:
    for number in range(MOST_ENTRIES):
        world.say("right", author=f"author {number}")
    with pytest.raises(FeedbackFull, match=f"{MOST_ENTRIES} entries"):
        world.say("right", author="one more")
    # What is known is answered all the same, and other predictions are free.
    assert world.say("right", author="author 7").sequence == 1
    assert world.say("right", prediction="r-1.1").sequence == 1


def test_days_are_those_of_the_predictions(world: World) -> None:
    for number in range(5):
        world.say("right", prediction=f"r-{number}.0", asked=NOW + number * DAY)
    # Beginnings of ids that are alike are two predictions all the same.
    world.say("wrong", prediction="r-1.1", asked=NOW + DAY)
    world.say("wrong", prediction="r-1.10", asked=NOW + DAY)
    first, last = NOW.date() + DAY, NOW.date() + 3 * DAY
    assert [one.prediction_id for one in world.current(first, last)] == ["r-1.0", "r-1.1", "r-1.10", "r-2.0", "r-3.0"]
    assert [one.prediction_id for one in world.store.of_prediction("delays", first, "r-1.1")] == ["r-1.1"]
    assert list(world.store.entries("delay", first, last)) == []


def test_many_pages_are_read_in_order(world: World) -> None:
    big = "c" * 2000
    for number in range(60):
        world.say("right", prediction=f"r-{number:03}.0", comment=big * 1, author="a" * 100, corrected="x" * 1024)
    assert [one.prediction_id for one in world.current()] == [f"r-{number:03}.0" for number in range(60)]


def test_what_is_said_weeks_later_replaces_what_was_said_at_first(world: World) -> None:
    # langfuse-docs #3232: scores with one idempotency key are two if they come on different days; langserve #389.
    world.say("right", author="ann")
    world.now += 29 * DAY
    assert world.say("wrong", author="ann").sequence == 2
    assert words(world.current()) == [("r-1.0", "ann", 2, "wrong")]


def test_whatever_was_answered_is_there(world: World) -> None:
    # langfuse #10631, langfuse-ruby #12: scores were answered with success, and some were never kept.
    answered = [world.say("right", prediction=f"r-{number}.0") for number in range(7)]
    assert world.current() == answered


def test_a_prediction_counts_once_and_disputed_ones_apart(world: World) -> None:
    # mlflow #24132: a summary counted feedback that had been replaced.
    world.say("right", prediction="r-1.0", author="ann")
    world.say("right", prediction="r-1.0", author="bob")
    world.say("wrong", prediction="r-2.0", author="ann", corrected=3)
    world.say("right", prediction="r-3.0", author="ann")
    world.say("wrong", prediction="r-3.0", author="bob")
    world.say("right", prediction="r-4.0", author="ann")
    world.say("wrong", prediction="r-4.0", author="ann")
    day = NOW.date()
    found = summarise(
        "delays", day, day + DAY, world.store.entries("delays", day, day + DAY), {day: 40, day + DAY: 10}, {day: 8}
    )
    assert (found.whole.right, found.whole.wrong, found.whole.disputed, found.whole.corrected) == (1, 2, 1, 1)
    assert (found.whole.share, found.whole.rated) == (1 / 3, 4)
    assert (found.whole.coverage, found.whole.coverage_of_asked) == (4 / 50, 4 / 8)
    assert [(row.day, row.rated, row.coverage, row.share) for row in found.days] == [
        (day, 4, 0.1, 1 / 3), (day + DAY, 0, 0.0, None)
    ]  # fmt: skip


def test_without_counts_there_is_no_coverage_and_without_words_no_share(world: World) -> None:
    world.say("right")
    day = NOW.date()
    found = summarise("delays", day, day, world.store.entries("delays", day, day), None, None).whole
    assert (found.predictions, found.coverage, found.asked, found.coverage_of_asked) == (None, None, None, None)
    nothing = summarise("delays", day, day, [], {}, {})
    assert (nothing.whole.share, nothing.whole.low, nothing.whole.coverage, nothing.days) == (None, None, None, ())


def test_refusals_say_nothing_of_what_a_comment_says(world: World) -> None:
    with pytest.raises(HeadwaterError) as found:
        world.say("right", comment="my secret " * 300)
    assert "secret" not in found.value.message
