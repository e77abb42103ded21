"""Errors of watching."""

from __future__ import annotations

from typing import Self

from headwater.errors import HeadwaterError, NotFound


class NoBank(NotFound):
    """A model version has no profiles of its training days."""

    @classmethod
    def of(cls, model: str, version: int, what: str) -> Self:
        """The error of a version that lacks ``what`` training keeps."""
        return cls(
            f"version {version} of model {model!r} has no {what}: it was trained before they were kept, or its files "
            "were deleted",
            next_steps=[f"headwater train {model} --watch"],
        )


class UnreadableListing(HeadwaterError):
    """S3 answered with something else than a list of objects, or with a part of one."""
