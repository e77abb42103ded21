"""Tokens by which Prometheus reads the metrics: shown once, kept as hashes, good until they expire or are revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.monitoring.dashboards.tokens import (
    InvalidToken,
    ScrapeToken,
    ScrapeTokens,
    TokenExists,
    TokenNotFound,
    TokenRefused,
    bearer,
)
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import REGISTRY, new_world

NOW = datetime(2026, 7, 5, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[ScrapeTokens]:
    with new_world(monkeypatch):
        yield ScrapeTokens(Table(REGISTRY, CLIENTS), now=clock)


def test_a_token_is_kept_as_its_hash_alone(tokens: ScrapeTokens) -> None:
    token, kept = tokens.create("prometheus", days=30, by="ada")
    (item,) = Table(REGISTRY, CLIENTS).query("SCRAPE#", "")
    assert item["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    secret = token.rpartition(".")[2]
    assert len(secret) == 43
    assert secret not in repr(item)
    assert tokens.all() == (kept,)
    assert kept == ScrapeToken(
        name="prometheus", sha256=item["sha256"], created_at=NOW, created_by="ada", expires_at=NOW + timedelta(days=30)
    )


def test_a_token_opens_until_the_moment_that_it_expires(tokens: ScrapeTokens, clock: Clock) -> None:
    token, kept = tokens.create("prometheus", days=1)
    clock.now = NOW + timedelta(days=1) - timedelta(microseconds=1)
    assert tokens.admit(token) == kept
    clock.now = NOW + timedelta(days=1)
    with pytest.raises(TokenRefused):
        tokens.admit(token)


def test_a_revoked_token_opens_nothing_and_stays_listed(tokens: ScrapeTokens, clock: Clock) -> None:
    token, _ = tokens.create("prometheus")
    other, _ = tokens.create("grafana")
    clock.now += timedelta(hours=1)
    first = tokens.revoke("prometheus")
    clock.now += timedelta(hours=1)
    assert tokens.revoke("prometheus") == first
    assert first.revoked_at == NOW + timedelta(hours=1)
    with pytest.raises(TokenRefused):
        tokens.admit(token)
    assert tokens.admit(other).name == "grafana"
    assert [kept.name for kept in tokens.all()] == ["grafana", "prometheus"]
    with pytest.raises(TokenNotFound, match="there is no token 'nobody'"):
        tokens.revoke("nobody")


def test_a_name_is_free_again_once_its_token_is_good_no_more(tokens: ScrapeTokens, clock: Clock) -> None:
    first, _ = tokens.create("prometheus", days=10)
    with pytest.raises(TokenExists, match="is good until 2026-07-15"):
        tokens.create("prometheus")
    clock.now += timedelta(days=10)
    second, _ = tokens.create("prometheus")
    with pytest.raises(TokenRefused):
        tokens.admit(first)
    assert tokens.admit(second).name == "prometheus"


@pytest.mark.parametrize(
    "broken", ["{0}x", "x{0}", " {0}", "{0}\n", "headwater.other.{1}", "headwater.prometheus.{2}", "{1}", ""]
)
def test_nothing_but_the_whole_token_opens(tokens: ScrapeTokens, broken: str) -> None:
    token, _ = tokens.create("prometheus")
    secret = token.rpartition(".")[2]
    with pytest.raises(TokenRefused) as refused:
        tokens.admit(broken.format(token, secret, secret[::-1]))
    assert secret not in refused.value.message


@given(st.text(max_size=80))
def test_any_text_is_refused_without_a_failure(text: str) -> None:
    class Empty:
        def get(self, *_: str) -> None:
            return None

    empty: Any = Empty()
    with pytest.raises(TokenRefused):
        ScrapeTokens(empty).admit(text)


@pytest.mark.parametrize("name", ["", "Prometheus", "1st", "a b", "a.b", "a" * 49, "ä", "a\n"])
def test_a_name_that_a_token_cannot_hold_is_refused(tokens: ScrapeTokens, name: str) -> None:
    with pytest.raises(InvalidToken, match="small letters, digits and hyphens"):
        tokens.create(name)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_token_is_good_for_a_day_at_least_and_ten_years_at_most(tokens: ScrapeTokens, days: int) -> None:
    with pytest.raises(InvalidToken, match="expected 1 to 3650"):
        tokens.create("prometheus", days=days)


class LostAnswers(Table):
    """A table whose first write is applied, and answered as if somebody else had been faster."""

    lost = False

    def write(self, put: Any) -> bool:
        written = super().write(put)
        if not self.lost:
            self.lost = True
            return False
        return written


def test_a_token_whose_write_was_answered_wrongly_is_good(tokens: ScrapeTokens, clock: Clock) -> None:
    created = ScrapeTokens(LostAnswers(REGISTRY, CLIENTS), now=clock).create("prometheus")
    assert tokens.admit(created.token) == created.kept


def test_a_revocation_whose_answer_was_lost_is_done(tokens: ScrapeTokens, clock: Clock) -> None:
    token, _ = tokens.create("prometheus")
    assert ScrapeTokens(LostAnswers(REGISTRY, CLIENTS), now=clock).revoke("prometheus").revoked_at == NOW
    with pytest.raises(TokenRefused):
        tokens.admit(token)


def test_who_is_second_with_a_name_is_told_so(tokens: ScrapeTokens, clock: Clock) -> None:
    class Overtaken(Table):
        def write(self, put: Any) -> bool:
            tokens.create("prometheus")
            return super().write(put)

    with pytest.raises(TokenExists):
        ScrapeTokens(Overtaken(REGISTRY, CLIENTS), now=clock).create("prometheus")
    assert len(tokens.all()) == 1


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("  BEARER   abc  ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_the_scheme_of_a_header_may_be_of_any_case(header: str, token: str) -> None:
    assert bearer(header) == token
