"""Roles of other accounts."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

RoleArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$")]
"""A role that may be assumed."""
ExternalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$")]
"""The external id that a role's trust policy asks for."""
