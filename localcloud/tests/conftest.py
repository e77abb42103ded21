"""One local cloud for all tests of a session: moto's state belongs to the process, and a start costs a second.

Tests that look into a cloud share its process, and so are one group of pytest-xdist. Engines and providers have their
cloud in a process beside, and may run at the same time.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from localcloud import service_models

# Before moto comes: what clients and moto read of AWS's services is read once.
service_models.share_with_moto()

from localcloud.cloud import Cloud  # noqa: E402

# A busy machine must not fail a property: no test asserts a time.
settings.register_profile("localcloud", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("localcloud")

# A shell lets its background jobs ignore Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
BESIDE = frozenset({"cli", "engine", "provider", "automation", "plugin"})


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group every test by the process that it needs."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        item.add_marker(pytest.mark.xdist_group(folder if folder in BESIDE else "cloud"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """AWS on a port of this machine. Tests share it: name what you make after the test."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running
