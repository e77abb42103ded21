"""Writes docs/reference/policies.md from the stack as deployed."""

from __future__ import annotations

from tools.reference.stack import ROOT, resources

NAME = "policies"
PAGE = ROOT / "docs/reference/policies.md"


def write() -> None:
    """Judge, write."""
    from headwater.infra.policies import judge
    from headwater.infra.policies.reference import render

    PAGE.write_text(render(judge(resources())), encoding="utf-8")
