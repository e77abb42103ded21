"""Errors before a first deployment."""

from __future__ import annotations

from headwater.errors import NotFound, Refused


class BucketNotOurs(Refused):
    """The bucket's name is taken by another account, or the bucket is in another region."""


class KeyNotFound(NotFound):
    """There is no such KMS key to encrypt a stack's secrets with."""
