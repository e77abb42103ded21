"""Keys that sign what is handed out: an SSM parameter whose versions are the keys; calls AWS.

One SecureString holds them, and each of its versions is a key: a version never changes, rotating is one write that
can't lose another one, and a key's number is that of its version. Nothing of it stands in Pulumi's state, in an
environment or in a log.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from headwater.storage.clients import Clients, error_code

REFRESH_SECONDS = 300.0
"""How long a signer and a verifier believe that the newest key is the newest: the time a rotation takes to arrive."""
_SOONEST_SECONDS = 5.0
"""Unknown numbers of keys make a verifier ask no more often than this: anybody can send them."""
_MOST_VERSIONS = 100
"""Versions of a parameter that AWS keeps (`ParameterMaxVersionLimitExceeded` in the reference of SSM)."""
KEY_BYTES = 32
CODE_BYTES = 16
"""128 bits of a token's code; RFC 2104, section 5, asks for 80 bits and half the hash."""
DESCRIPTION = "Signs tokens that Headwater hands out, such as those for feedback; each version is a key."
_TRIES = 10
_ABSENT = frozenset({"ParameterNotFound", "ParameterVersionNotFound"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signs tokens."""

    number: int
    """1, 2, ...: the version of the parameter that holds it."""
    secret: bytes
    oldest: int = 1
    """Tokens of keys with a smaller number are refused; with 1 all verify until they expire."""

    def code(self, label: str, text: str, about: str) -> str:
        """The code that ends a token: HMAC-SHA256 (RFC 2104), cut to `CODE_BYTES`, in base64url without padding.

        Parameters
        ----------
        label : str
            What such tokens are for: the code of one kind is none of another.
        text : str
            The token before its code.
        about : str
            The id of what the token is about, which isn't part of it, since whoever shows the token names it.
        """
        digest = hmac.digest(self.secret, f"{label}\n{text}\n{about}".encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest[:CODE_BYTES]).rstrip(b"=").decode()

    def made(self, code: str, label: str, text: str, about: str) -> bool:
        """True for the code that `code` gives. Compared in constant time, and as text: base64 has several spellings."""
        return hmac.compare_digest(self.code(label, text, about).encode(), code.encode())

    def __repr__(self) -> str:
        # A key that is part of an error or a log line stays secret.
        return f"Key(number={self.number})"


class Keys(Protocol):
    """Where keys are kept (`KeyStore`)."""

    def newest(self) -> Key | None:
        """The key that signs; None if there is none yet."""

    def create(self) -> Key:
        """The first key, made now or by whoever was faster."""

    def numbered(self, number: int) -> Key | None:
        """The key of that number; None if there is none, or none any more."""


class KeyUnavailable(Exception):
    """The first key was made by another caller and can't be read yet."""


class KeyStore:
    """The keys.

    Parameters
    ----------
    name : str
        The parameter's name.
    clients : Clients
    kms_key : str
        ARN of the KMS key that encrypts it; empty: the account's ``aws/ssm``, which costs nothing.
    now : callable
        The time, UTC.
    pause : callable
        Called with seconds before a parameter that isn't there yet is read again.
    """

    def __init__(
        self,
        name: str,
        clients: Clients,
        kms_key: str = "",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._name, self._kms_key = name, kms_key
        self._now, self._pause = now, pause
        self._ssm = clients("ssm")

    def newest(self) -> Key | None:
        """The key that signs; None if there is none yet."""
        return self._read(self._name)

    def numbered(self, number: int) -> Key | None:
        """The key of that number; None if there is none, or none any more: AWS keeps the newest hundred."""
        return self._read(f"{self._name}:{number}")

    def create(self) -> Key:
        """The first key; of two callers at once both get the same.

        Raises
        ------
        KeyUnavailable
            Another caller has made it, and SSM doesn't tell it yet.
        """
        try:
            return self._write(self._new(1), overwrite=False)
        except ClientError as error:
            if error_code(error) != "ParameterAlreadyExists":
                raise
        for attempt in range(_TRIES):
            if (key := self.newest()) is not None:
                return key
            self._pause(0.05 * 2**attempt)
        raise KeyUnavailable(f"SSM says that {self._name} exists, and doesn't tell its value")

    def rotate(self, *, revoke: bool = False) -> Key:
        """A new key, which signs from now on.

        Parameters
        ----------
        revoke : bool
            Whether tokens of all keys of before are refused from now on; by default they verify until they expire.
        """
        kms_key, floor = self._kms_key or self._kms_key_in_use(), 1
        while True:
            newest = self.newest()
            number = newest.number + 1 if newest else 1
            floor = max(floor, newest.oldest if newest else 1)
            key = self._write(self._new(number if revoke else floor), overwrite=True, kms_key=kms_key)
            if key.number == number:
                return key
            # Other rotations made keys in between, which may revoke what this one didn't know of.
            between = map(self.numbered, range(number, key.number))
            floor = max([floor, *(one.oldest for one in between if one is not None)])

    def _new(self, oldest: int) -> dict[str, Any]:
        return {
            "format": 1,
            "key": base64.b64encode(os.urandom(KEY_BYTES)).decode(),
            "made": self._now().isoformat(),
            "oldest": oldest,
        }

    def _read(self, name: str) -> Key | None:
        try:
            found = self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        return _key(int(found["Version"]), json.loads(found["Value"]))

    def _write(self, document: dict[str, Any], *, overwrite: bool, kms_key: str = "") -> Key:
        encrypted_by = kms_key or self._kms_key
        answer = self._ssm.put_parameter(
            Name=self._name,
            Description=DESCRIPTION,
            Value=json.dumps(document),
            Type="SecureString",
            Tier="Standard",
            Overwrite=overwrite,
            **({"KeyId": encrypted_by} if encrypted_by else {}),
        )
        return _key(int(answer["Version"]), document)

    def _kms_key_in_use(self) -> str:
        # Without a key's id a new version would be encrypted by the account's default.
        filters = [{"Key": "Name", "Values": [self._name]}]
        found = self._ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
        return str(found[0].get("KeyId", "")) if found else ""


class _Believed:
    """The newest key, which is believed to be the newest for a while.

    Parameters
    ----------
    keys : Keys
    seconds : callable
        A clock that never goes back.
    """

    def __init__(self, keys: Keys, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._seconds = keys, seconds
        self._newest: tuple[Key | None, float] | None = None

    def _refreshed(self, after: float) -> Key | None:
        """The newest key as it was told at most ``after`` seconds ago; None if there was none."""
        now = self._seconds()
        if self._newest is None or now - self._newest[1] > after:
            self._newest = self._ask(), now
        return self._newest[0]

    def _ask(self) -> Key | None:
        return self._keys.newest()


class NewestKey(_Believed):
    """The key that signs, fetched, or made, when it is first asked for."""

    def __call__(self) -> Key:
        """The newest key, at most `REFRESH_SECONDS` old."""
        newest = self._refreshed(REFRESH_SECONDS)
        if newest is None:
            newest = self._keys.create()
            self._newest = newest, self._seconds()
        return newest


class KnownKeys(_Believed):
    """Keys by their numbers, for whoever checks what they signed; none is made."""

    def __init__(self, keys: Keys, *, seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__(keys, seconds=seconds)
        self._known: dict[int, Key | None] = {}

    def __call__(self, number: int) -> Key | None:
        """The key of that number; None if nobody made it, or it doesn't count any more."""
        newest = self._refreshed(REFRESH_SECONDS)
        if newest is None or number > newest.number:
            # Made since the last look, or by nobody.
            newest = self._refreshed(_SOONEST_SECONDS)
        if newest is None or not max(newest.oldest, newest.number - _MOST_VERSIONS + 1) <= number <= newest.number:
            return None
        if number == newest.number:
            return newest
        if number not in self._known:
            # A version never changes, and there are a hundred at most: each is asked for once.
            self._known[number] = self._keys.numbered(number)
        return self._known[number]

    def _ask(self) -> Key | None:
        newest = super()._ask()
        if self._newest is not None and self._newest[0] != newest:
            # If somebody deleted the parameter its versions began at 1 again.
            self._known.clear()
        return newest


def _key(number: int, document: dict[str, Any]) -> Key:
    return Key(number, base64.b64decode(document["key"]), int(document["oldest"]))
