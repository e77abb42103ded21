"""Feedback's keys in SSM Parameter Store; the only module of this package that calls AWS.

One SecureString holds them, and each of its versions is a key: a version never changes, rotating is one write that
can't lose another one, and a key's number is that of its version. Nothing of it stands in Pulumi's state, in an
environment or in a log.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from headwater.serving.feedback.tokens import Key
from headwater.storage.clients import client, error_code

KEY_BYTES = 32
_TRIES = 10
_ABSENT = frozenset({"ParameterNotFound", "ParameterVersionNotFound"})


class KeyUnavailable(Exception):
    """The first key was made by another caller and can't be read yet."""


class KeyStore:
    """The keys.

    Parameters
    ----------
    name : str
        The parameter's name.
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
        kms_key: str = "",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._name, self._kms_key, self._now, self._pause = name, kms_key, now, pause
        self._ssm = client("ssm")

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
            Description="Signs the feedback tokens of predictions (headwater feedback rotate-key makes a new one).",
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


def _key(number: int, document: dict[str, Any]) -> Key:
    return Key(number, base64.b64decode(document["key"]), int(document["oldest"]))
