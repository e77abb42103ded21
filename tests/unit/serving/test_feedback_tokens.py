"""Feedback tokens: what makes one genuine, whose it is, how long it lasts, and the keys that sign it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.serving.feedback.tokens import Held, Signer, Verifier
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import REFRESH_SECONDS, Key, KeyStore
from tests.unit.registry.cases import mocked_aws

NOW = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)
DAYS = timedelta(days=30)
NAME = "/headwater/headwater/dev/feedback-key"


@dataclass
class Kept:
    """Keys in memory, and how often each question was asked."""

    keys: list[Key] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def newest(self) -> Key | None:
        self.asked.append(0)
        return self.keys[-1] if self.keys else None

    def create(self) -> Key:
        self.add()
        return self.keys[-1]

    def numbered(self, number: int) -> Key | None:
        self.asked.append(number)
        return self.keys[number - 1] if number <= len(self.keys) else None

    def add(self, oldest: int = 1) -> None:
        number = len(self.keys) + 1
        self.keys.append(Key(number, hashlib.sha256(b"%d" % number).digest(), oldest))


@dataclass
class Clock:
    """A clock that a test moves."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def token(keys: Kept, prediction: str = "r-1.0", model: str = "delays", at: datetime = NOW) -> str:
    request, _, number = prediction.rpartition(".")
    return Signer(keys, DAYS).tokens(model, request, at, int(number) + 1)[int(number)]


def verified(keys: Kept, given_token: str, prediction: str = "r-1.0", now: datetime = NOW) -> Held | None:
    return Verifier(keys, now=lambda: now).verify(given_token, prediction)


def test_a_token_says_model_and_time_and_its_code_is_what_rfc_2104_says() -> None:
    keys = Kept()
    made = token(keys)
    version, model, asked, expires, number, code = made.split(".")
    assert (version, model, number) == ("v1", "delays", "1")
    assert int(expires) - int(asked) == DAYS.total_seconds()
    text = f"headwater feedback\n{made.rpartition('.')[0]}\nr-1.0".encode()
    # RFC 2104 by hand, rather than by the module that the code uses.
    block = keys.keys[0].secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + text).digest()
    whole = hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()
    assert base64.urlsafe_b64decode(code + "==") == whole[:16]
    assert hmac.digest(keys.keys[0].secret, text, "sha256") == whole
    assert verified(keys, made) == Held("delays", NOW.replace(microsecond=0))


def test_the_tokens_of_a_request_are_its_predictions_own() -> None:
    keys = Kept()
    tokens = Signer(keys, DAYS).tokens("delays", "r-1", NOW, 100)
    assert len(set(tokens)) == 100
    assert verified(keys, tokens[7], "r-1.7") is not None
    for other in ("r-1.8", "r-1.77", "r-2.7", "r-1.07", "r-1", "", "r-1.7\n", "r-1.\ud800"):
        assert verified(keys, tokens[7], other) is None


@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    keys = Kept()
    made = token(keys)
    place = data.draw(st.integers(0, len(made) - 1))
    other = data.draw(st.one_of(st.characters(), st.sampled_from("0123456789.-_AZaz=+/ \n\0\x7f")))
    changed = made[:place] + other + made[place + 1 :]
    assert (verified(keys, changed) is not None) is (changed == made)


def test_each_part_of_a_token_is_signed_and_only_one_spelling_counts() -> None:
    keys = Kept()
    keys.add()
    keys.add()
    made = token(keys)
    parts = made.split(".")
    later = str(int(parts[3]) + 1)
    changes = {1: "other", 2: str(int(parts[2]) + 1), 3: later, 4: "1", 5: "A" * 22, 0: "v2"}
    for place, value in changes.items():
        assert verified(keys, ".".join([*parts[:place], value, *parts[place + 1 :]])) is None
    # Base64 has four spellings of the last 128 bits' end; zeros in front would be another spelling of a number.
    for spelling in (made + "=", made + "==", made + " ", " " + made, made.upper(), made.replace("v1.", "v1.", 1)[1:]):
        assert verified(keys, spelling) is None
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        assert (verified(keys, made[:-1] + last) is not None) is (last == made[-1])
    for number in ("0", "00", "02", "-1", "99999999999", "２"):
        assert verified(keys, ".".join([*parts[:4], number, parts[5]])) is None
    for nothing in ("", "v1", "v1.....", "." * 5, made * 2, "\ud800"):
        assert verified(keys, nothing) is None


def test_another_model_s_or_stack_s_token_is_refused() -> None:
    keys, others = Kept(), Kept([Key(1, b"x" * 32)])
    of_other_model = token(keys, model="other")
    held = verified(keys, of_other_model)
    assert held is not None
    # A token is of its own model, whatever the caller would like.
    assert held.model == "other"
    assert verified(keys, of_other_model.replace(".other.", ".delays.")) is None
    assert verified(others, of_other_model) is None


def test_a_token_lasts_until_the_very_second_at_which_it_expires() -> None:
    keys = Kept()
    made = token(keys)
    end = NOW.replace(microsecond=0) + DAYS
    assert verified(keys, made, now=end - timedelta(microseconds=1)) is not None
    assert verified(keys, made, now=end) is None
    # A verifier whose clock is behind takes what a signer's clock ahead has made.
    assert verified(keys, made, now=NOW - timedelta(hours=2)) is not None


def test_a_key_is_asked_for_once_in_five_minutes_and_only_when_it_is_needed() -> None:
    keys, clock = Kept(), Clock()
    signer = Signer(keys, DAYS, seconds=clock)
    assert keys.asked == []
    for _ in range(3):
        signer.tokens("delays", "r", NOW, 2)
    assert keys.asked == [0]
    clock.seconds = REFRESH_SECONDS + 1
    signer.tokens("delays", "r", NOW, 2)
    assert keys.asked == [0, 0]


def test_old_keys_verify_after_a_rotation_and_the_new_one_at_once() -> None:
    keys, clock = Kept(), Clock()
    verifier = Verifier(keys, now=lambda: NOW, seconds=clock)
    old = token(keys)
    assert verifier.verify(old, "r-1.0") is not None
    keys.add()
    new = token(keys)
    # So soon after a look nobody is asked again: anybody can send numbers of keys.
    assert verifier.verify(new, "r-1.0") is None
    clock.seconds = 6
    assert verifier.verify(new, "r-1.0") is not None
    assert verifier.verify(old, "r-1.0") is not None


def test_revoked_keys_are_refused_once_the_newest_key_is_known() -> None:
    keys, clock = Kept(), Clock()
    verifier = Verifier(keys, now=lambda: NOW, seconds=clock)
    old = token(keys)
    assert verifier.verify(old, "r-1.0") is not None
    keys.add(oldest=2)
    clock.seconds = REFRESH_SECONDS + 1
    assert verifier.verify(old, "r-1.0") is None
    assert verifier.verify(token(keys), "r-1.0") is not None


def test_invented_numbers_of_keys_make_nobody_ask_for_them() -> None:
    keys, clock = Kept(), Clock()
    for _ in range(150):
        keys.add()
    parts = token(keys).split(".")
    verifier = Verifier(keys, now=lambda: NOW, seconds=clock)
    for number in [*range(151, 400), *range(1, 51), *range(51, 151), *range(51, 151)]:
        verifier.verify(".".join([*parts[:4], str(number), parts[5]]), "r-2.0")
    # The newest once, and each of those that AWS still has once.
    assert sorted(keys.asked) == [0, 0, *range(51, 150)]


def test_a_key_never_shows_its_secret() -> None:
    key = Key(3, b"secret-secret")
    assert "secret-secret" not in f"{key} {key!r} {[key]}"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mocked_aws(monkeypatch):
        yield


def test_the_first_key_is_made_once_and_encrypted(aws: None) -> None:
    store = KeyStore(NAME, CLIENTS)
    assert store.newest() is None
    made = store.create()
    # Who comes second gets the first one's.
    assert KeyStore(NAME, CLIENTS).create() == made == store.newest() == store.numbered(1)
    assert (made.number, len(made.secret)) == (1, 32)
    (found,) = CLIENTS("ssm").describe_parameters()["Parameters"]
    assert (found["Name"], found["Type"], found["Tier"], found["Version"]) == (NAME, "SecureString", "Standard", 1)


def test_racers_for_the_first_key_all_end_with_one(aws: None) -> None:
    found: list[Key] = []
    threads = [threading.Thread(target=lambda: found.append(KeyStore(NAME, CLIENTS).create())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({(key.number, key.secret) for key in found}) == 1


def test_rotating_keeps_the_keys_of_before_and_revoking_says_from_which_on(aws: None) -> None:
    store = KeyStore(NAME, CLIENTS)
    first = store.rotate()
    second = store.rotate()
    assert (first.number, second.number, second.oldest) == (1, 2, 1)
    assert store.numbered(1) == first
    third = store.rotate(revoke=True)
    assert (third.number, third.oldest) == (3, 3)
    # A rotation later forgets nothing of it.
    assert store.rotate().oldest == 3
    assert store.numbered(9) is None


def test_a_rotation_that_another_one_overtook_is_made_again(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = KeyStore(NAME, CLIENTS), KeyStore(NAME, CLIENTS)
    store.rotate()
    reading = store.newest
    overtaken = []

    def newest() -> Key | None:
        key = reading()
        if not overtaken:
            overtaken.append(other.rotate(revoke=True))
        return key

    monkeypatch.setattr(store, "newest", newest)
    # The other one's revocation of key 1 holds, whoever wrote last.
    assert (overtaken, store.rotate().oldest) != ([], 1)
    assert overtaken[0].oldest == 2
    last = other.newest()
    assert last is not None
    assert (last.number, last.oldest) == (4, 2)


def test_a_key_of_the_user_s_encrypts_and_a_rotation_keeps_to_it(aws: None) -> None:
    arn = CLIENTS("kms").create_key()["KeyMetadata"]["Arn"]
    KeyStore(NAME, CLIENTS, arn).create()
    KeyStore(NAME, CLIENTS).rotate()
    (found,) = CLIENTS("ssm").describe_parameters()["Parameters"]
    assert (found["KeyId"], found["Version"]) == (arn, 2)


def test_the_pattern_of_a_token_has_nothing_that_a_url_or_a_form_would_change() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{50,120}", token(Kept()))
