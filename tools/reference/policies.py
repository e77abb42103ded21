"""Writes docs/reference/policies.md from the stack as deployed on a local cloud of its own; takes a minute."""

from __future__ import annotations

import tempfile
from pathlib import Path

NAME = "policies"
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/policies.md"


def write() -> None:
    """Deploy, judge, write."""
    # Pulumi and moto load for seconds, which no other page needs.
    from localcloud.engine import deploy
    from localcloud.testing import cloud_beside

    from headwater.infra.policies import judge, of_states
    from headwater.infra.policies.reference import render
    from tests.infra.cases import CONFIG, STACK

    with tempfile.TemporaryDirectory() as folder, cloud_beside(Path(folder)) as cloud:
        deployment = deploy(ROOT, STACK, environment=cloud.environment(), config=CONFIG)
    PAGE.write_text(render(judge(of_states(deployment.resources))), encoding="utf-8")
