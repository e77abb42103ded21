"""A call whose change can't be kept fails: tried in a process of its own, since moto's state belongs to its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("unkept_cases.py")


def test_a_call_whose_change_can_not_be_kept_fails_and_the_others_go_on() -> None:
    command = [sys.executable, "-m", "pytest", "--numprocesses=0", "--quiet", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
