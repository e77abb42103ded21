"""`make pulumi`: the Pulumi CLI, built once from its Go module at the version in go.mod, into the user's cache.

Prints the program's path. Needs nothing but Go and a Python. `headwater local up --engine pulumi` looks there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tools.go_program import build_once, cached, wanted_version

HERE = Path(__file__).resolve().parent
MODULE = "github.com/pulumi/pulumi/pkg/v3"
PACKAGE = f"{MODULE}/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
EVERY_SECONDS = 15.0  # between two lines of progress where there is no terminal


def main() -> int:
    """Build it unless it is there."""
    version = wanted_version(HERE, MODULE)
    # The same place as in localcloud/automation/find.py, which must find it without this folder.
    program = cached("localcloud", "pulumi", version)
    lacking = "building the Pulumi CLI needs Go on PATH: install Go, or Pulumi itself"
    return build_once(program, lambda go, draft: build(go, version, draft), lacking=lacking)


def build(go: str, version: str, program: Path) -> int:
    """Run the Go build, telling how far it is; its exit code."""
    say(f"building the Pulumi CLI {version} (some minutes the first time, 2 GB in Go's caches)")
    started = time.monotonic()
    listed = subprocess.run([go, "list", "-deps", PACKAGE], cwd=HERE, capture_output=True, text=True, check=False)
    packages = len(listed.stdout.splitlines())
    # -s -w leave out what only debuggers read; -v names each package as it is compiled.
    command = [go, "build", "-v", "-trimpath", "-ldflags", f"-s -w -X {VERSION_VARIABLE}={version}", "-o", str(program)]
    process = subprocess.Popen(
        [*command, PACKAGE], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    compiled, told, complaints = 0, 0.0, []
    for line in process.stderr:
        if line.startswith(("go: ", "# ")) or " " in line.strip():
            complaints.append(line)
            continue
        compiled += 1
        if (now := time.monotonic()) - told > (0.1 if sys.stderr.isatty() else EVERY_SECONDS):
            told = now
            say(f"{compiled} of {packages} packages", moving=True)
    code = process.wait()
    if code:
        say(f"the build failed with exit code {code}\n{''.join(complaints[-20:])}")
    else:
        say(f"built in {time.monotonic() - started:.0f} s")
    return code


def say(words: str, *, moving: bool = False) -> None:
    """One line on stderr; in a terminal a moving one is written over by the next."""
    terminal = sys.stderr.isatty()
    end = "" if moving and terminal else "\n"
    print(f"\r\x1b[K{words}" if terminal else words, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
