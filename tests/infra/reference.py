"""Writes docs/reference/policies.md from the stack as deployed on a local cloud of its own: ``make reference``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from localcloud.engine import deploy
from localcloud.testing import cloud_beside

from headwater.infra.policies import judge, of_states
from headwater.infra.policies.reference import render
from tests.infra.cases import CONFIG, ROOT, STACK

PAGE = ROOT / "docs/reference/policies.md"


def main() -> None:
    """Deploy, judge, write."""
    with tempfile.TemporaryDirectory() as folder, cloud_beside(Path(folder)) as cloud:
        deployment = deploy(ROOT, STACK, environment=cloud.environment(), config=CONFIG)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(judge(of_states(deployment.resources))))


if __name__ == "__main__":
    main()
