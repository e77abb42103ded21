"""The Pulumi CLI that tests deploy with, where there is one."""

from __future__ import annotations

import os

import pytest

from localcloud import automation


def pulumi_cli() -> automation.Cli | None:
    """The CLI; None without one, unless somebody (CI) says by HEADWATER_TEST_PULUMI that there must be one."""
    try:
        return automation.find()
    except automation.NoPulumi:
        if os.environ.get("HEADWATER_TEST_PULUMI") == "required":
            raise
        return None


def needed_cli() -> automation.Cli:
    """The CLI; without one the test that asks is skipped."""
    cli = pulumi_cli()
    if cli is None:
        pytest.skip("no Pulumi CLI that is new enough: make pulumi")
    return cli
