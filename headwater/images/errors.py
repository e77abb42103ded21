"""Errors of building an image."""

from __future__ import annotations

from headwater.errors import HeadwaterError


class BuildFailed(HeadwaterError):
    """The build ended without an image, or with an image that can't be found."""


class BuildUnfinished(HeadwaterError):
    """The build takes longer than this caller may wait; asking again joins the same build."""


class NoBuilds(HeadwaterError):
    """The account may run no more builds at the same time; a new one perhaps none at all."""
