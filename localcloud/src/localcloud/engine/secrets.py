"""Secrets in the state, encrypted by a passphrase exactly as Pulumi's own passphrase provider does it.

So the real CLI reads what the embedded engine wrote, with the same passphrase. Key: PBKDF2-HMAC-SHA256; cipher:
AES-256-GCM (pulumi/pkg/secrets/passphrase, sdk/go/common/resource/config/crypt.go).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from typing import Any, Final

from localcloud.engine.errors import StateError

_ITERATIONS: Final = 1_000_000
_PROOF: Final = "pulumi"  # encrypted beside the salt: a wrong passphrase is noticed before anything is decrypted


class Secrets:
    """Encrypts and decrypts; the key is derived (half a second) only when there is a first secret.

    Parameters
    ----------
    passphrase : str
        What PULUMI_CONFIG_PASSPHRASE holds.
    salt : str
        As found in the state; empty to start a new one.
    """

    def __init__(self, passphrase: str, salt: str = "") -> None:
        self._passphrase = passphrase
        self.salt = salt
        self._key = b""
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}  # plaintext -> ciphertext: an unchanged secret keeps its spelling

    def encrypt(self, value: Any) -> str:
        """The ciphertext of a JSON value."""
        text = json.dumps(value, sort_keys=True)
        with self._lock:
            if text not in self._known:
                self._known[text] = self._seal(text)
            return self._known[text]

    def decrypt(self, ciphertext: str) -> Any:
        """The JSON value; raises `StateError` if the passphrase isn't the one it was encrypted with."""
        with self._lock:
            text = self._open(ciphertext)
            self._known[json.dumps(json.loads(text), sort_keys=True)] = ciphertext
        return json.loads(text)

    def reveal(self, ciphertext: str) -> str:
        """The text of an encrypted setting, which is no JSON; raises as `decrypt`."""
        with self._lock:
            return self._open(ciphertext)

    def described(self) -> dict[str, Any] | None:
        """What the state says about its secrets; None if there were none."""
        return {"type": "passphrase", "state": {"salt": self.salt}} if self.salt else None

    def _derive(self) -> bytes:
        if self._key:
            return self._key
        if self.salt:
            salt = base64.b64decode(self.salt.split(":")[1])
            self._key = hashlib.pbkdf2_hmac("sha256", self._passphrase.encode(), salt, _ITERATIONS, 32)
            if self._open(self.salt.split(":", 2)[2]) != _PROOF:
                raise StateError("the passphrase isn't the one that the stack's secrets were encrypted with")
        else:
            salt = os.urandom(8)
            self._key = hashlib.pbkdf2_hmac("sha256", self._passphrase.encode(), salt, _ITERATIONS, 32)
            self.salt = f"v1:{base64.b64encode(salt).decode()}:{self._seal(_PROOF)}"
        return self._key

    def _seal(self, text: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce = self._derive(), os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _open(self, ciphertext: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        _, nonce, sealed = ciphertext.split(":")
        try:
            opened = AESGCM(self._derive()).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
        except InvalidTag:
            raise StateError(
                "the stack's secrets don't open: set PULUMI_CONFIG_PASSPHRASE to what they were encrypted with"
            ) from None
        return opened.decode()
