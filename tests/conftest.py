"""How the tests share the machine: what shares a cloud shares a process.

Moto's state belongs to its process, and every `mock_aws` wipes it. So the unit tests of one folder are one group of
pytest-xdist, one after the other in one process, and folders with little to do are a group together. Whatever has its
cloud in a process beside is a group of its own, too.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from localcloud.service_models import share

from tests.crashing import described

# Nearly every test makes a session and clients of its own; AWS's descriptions needn't be parsed for each.
share()

# A busy machine must not fail a property: no test asserts a time.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")

# A test process holds millions of objects: whoever looks through the new ones often looks through all too often.
gc.set_threshold(10_000, 20, 20)

# Before scikit-learn loads OpenMP: threads that spin while they wait are slowest where others want the cores, too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell lets its background jobs ignore Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
ORDER = (
    "e2e",
    "terraform",
    "unit/monitoring",
    "unit",
    "infra",
    "integration",
    "unit/lineage",
    "unit/lake",
    "unit/features",
    "e2e/test_own_project.py",
    "unit/versions",
    "pulumi",
    "unit/features/test_spark.py",
    "unit/templates",
    "infra/test_bundles.py",
)
"""The groups, the longest first: what ends last decides. Terraform's provider mostly waits, so it begins, while all
other processes have work. A process is given its next group before its last two tests, so a short one comes last."""

IMAGES = "LOCALCLOUD_IMAGE_CACHE"


def pytest_configure(config: pytest.Config) -> None:
    """Let all clouds of the session build the training image in one place: a layer is named by what is in it."""
    if hasattr(config, "workerinput") or IMAGES in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="headwater-images-")
    os.environ[IMAGES] = folder  # the workers of pytest-xdist inherit it

    def forget() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(forget)


def pytest_report_header() -> str:
    """Which crash points the tests take today."""
    return described()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group every test by the process that it needs, and put the groups in their order."""
    groups = {item: _group(item.path.relative_to(TESTS).as_posix()) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: ORDER.index(groups[item]))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported, which stays: it was 5% of the unit tests' work."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Let the interpreter's own last look find them: libraries in C++ tell what they miss then."""
    gc.unfreeze()


def _group(where: str) -> str:
    """The longest name in `ORDER` that the path begins with."""
    found = [name for name in ORDER if f"{where}/".startswith(f"{name}/")]
    return max(found, key=len, default="unit")
