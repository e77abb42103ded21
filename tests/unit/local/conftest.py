"""One local cloud for all tests of a session: moto's state belongs to the process, and a start costs a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.local.cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """AWS on a port of this machine. Tests share it: name what you make after the test."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running
