"""The stack's resources, deployed once on a local cloud of its own for all pages that tell of them; takes a minute."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.infra.policies import Resource

ROOT = Path(__file__).resolve().parents[2]


@cache
def resources() -> Sequence[Resource]:
    """Deploy, and look."""
    # Pulumi and moto load for seconds, which no other page needs.
    from localcloud.engine import deploy
    from localcloud.testing import cloud_beside

    from headwater.infra.policies import of_states
    from tests.infra.cases import CONFIG, STACK

    with tempfile.TemporaryDirectory() as folder, cloud_beside(Path(folder)) as cloud:
        deployment = deploy(ROOT, STACK, environment=cloud.environment(), config=CONFIG)
    return of_states(deployment.resources)
