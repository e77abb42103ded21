"""`make amtool`: Alertmanager's command line, built once from its Go module at the version in go.mod, into the cache.

Prints the program's path. Tests hold `headwater.alarms.routing` to its answers, and skip where it isn't built.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.go_program import build_once, cached, wanted_version

HERE = Path(__file__).resolve().parent
MODULE = "github.com/prometheus/alertmanager"


def main() -> int:
    """Build it unless it is there."""
    return build_once(place(), _build, lacking="building amtool needs Go on PATH")


def place() -> Path:
    """Where the program is, once it is built."""
    return cached("headwater", "amtool", wanted_version(HERE, MODULE))


def _build(go: str, program: Path) -> int:
    print("building amtool (two minutes the first time)", file=sys.stderr)
    command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), f"{MODULE}/cmd/amtool"]
    return subprocess.run(command, cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
