"""Origins of rows in AWS, which may be another account's."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from headwater.declare.base import Declaration

RoleArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$")]
"""A role that may be assumed."""
ExternalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$")]
"""The external id that a role's trust policy asks for."""


class AwsOrigin(Declaration):
    """A bucket, a stream or a queue, whose rows are told apart by their names or numbers, not by intervals."""

    role_arn: RoleArn | None = None
    """A role of the other account that may be assumed."""
    external_id: ExternalId | None = None
    """The external id that the role's trust policy asks for."""

    @model_validator(mode="after")
    def _check_role(self) -> Self:
        if self.external_id is not None and self.role_arn is None:
            raise ValueError(f"{type(self).__name__}: external_id goes with role_arn")
        return self

    @property
    def by_interval(self) -> bool:
        """Whether each tick lands the rows of its interval: no."""
        return False

    @property
    def secrets(self) -> frozenset[str]:
        """Where its secrets are kept: it has none."""
        return frozenset()
