"""How the tests share the machine: what shares a cloud shares a process.

Moto's state belongs to its process, and every `mock_aws` wipes it: the tests of the local cloud, one cloud for all,
must not run among tests that mock AWS. So they are one group of pytest-xdist; so are those that share a deployed stack.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not fail a property: no test asserts a time.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")

TESTS = Path(__file__).parent
SHARED = ("unit/local", "infra", "integration")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group every test by the stack or cloud that it shares, else by its file."""
    for item in items:
        where = item.path.relative_to(TESTS).as_posix()
        group = next((folder for folder in SHARED if where.startswith(f"{folder}/")), where)
        item.add_marker(pytest.mark.xdist_group(group))
