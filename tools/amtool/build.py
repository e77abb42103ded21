"""`make amtool`: Alertmanager's command line, built once from its Go module at the version in go.mod, into the cache.

Prints the program's path. Tests hold `headwater.alarms.routing` to its answers, and skip where it isn't built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "github.com/prometheus/alertmanager/cmd/amtool"


def main() -> int:
    """Build it unless it is there."""
    program = place()
    if not program.is_file():
        if (go := shutil.which("go")) is None:
            print("building amtool needs Go on PATH", file=sys.stderr)
            return 1
        print("building amtool (two minutes the first time)", file=sys.stderr)
        program.parent.mkdir(parents=True, exist_ok=True)
        draft = program.with_name(f"amtool.{os.getpid()}")
        try:
            command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(draft), PACKAGE]
            if code := subprocess.run(command, cwd=HERE, check=False).returncode:
                return code
            draft.replace(program)
        finally:
            draft.unlink(missing_ok=True)
    print(program)
    return 0


def place() -> Path:
    """Where the program is, once it is built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater"
    return cache / f"amtool-{wanted_version()}" / "amtool"


def wanted_version() -> str:
    """The version that go.mod requires."""
    wanted = re.search(r"^\s*github\.com/prometheus/alertmanager v(\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None, "go.mod requires no github.com/prometheus/alertmanager"
    return wanted[1]


if __name__ == "__main__":
    sys.exit(main())
