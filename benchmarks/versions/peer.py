"""dvc's side: ``<environment>/python peer.py <step> <repository>``, a process a step, with dvc's own Python interface.

So neither its start nor its imports are in the figures, as they aren't in ours. Imports nothing of this project.
Steps: ``start`` (a repository), ``add`` (``data``; and a git commit, which isn't timed), ``diff`` (the last two
commits). Prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dvc.repo import Repo  # type: ignore[import-not-found]


def git(*arguments: str) -> None:
    """One git command, as somebody whom no configuration of this machine needs to know."""
    command = ["git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Do one step in the repository."""
    step, directory = sys.argv[1], Path(sys.argv[2])
    # What dvc keeps beside a repository goes with it.
    os.environ["DVC_SITE_CACHE_DIR"] = str(directory.parent / "site")
    os.chdir(directory)
    measured: dict[str, Any] = {}
    if step == "start":
        git("init")
        Repo.init().close()
    else:
        with Repo() as repo:
            cpu, started = time.process_time(), time.perf_counter()
            if step == "add":
                repo.add("data")
            else:
                found = repo.diff("HEAD~1", "HEAD")
                measured["changes"] = {
                    kind: sorted(
                        entry["path"].removeprefix("data/") for entry in found[kind] if not entry["path"].endswith("/")
                    )
                    for kind in ("added", "deleted", "modified")
                }
                measured["renamed"] = len(found.get("renamed", ()))
            measured |= {"seconds": time.perf_counter() - started, "work": time.process_time() - cpu}
    if step != "diff":
        git("add", ".dvc", *(["data.dvc", ".gitignore"] if step == "add" else []))
        git("commit", "-m", step)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
