"""Release both distributions: ``python -m tools.release 0.1.0 0.2.0`` releases 0.1.0, and 0.2.0 begins.

Makes two commits and a tag: ``Release 0.1.0`` with its date in CHANGELOG.md, tagged ``v0.1.0``, and the beginning of
the next version. The first commit's subject is how `tests.wheels` finds the release to upgrade from.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONED = {
    "pyproject.toml": (r'(?m)^version = "([^"]+)"', r'"localcloud==([^"]+)"'),
    "localcloud/pyproject.toml": (r'(?m)^version = "([^"]+)"',),
    "headwater/version.py": (r'(?m)^__version__ = "([^"]+)"',),
}
"""Where the version stands, each as a pattern with the version as its group."""
CHANGELOG = ROOT / "CHANGELOG.md"


def main(arguments: list[str]) -> str:
    """Make the commits and the tag; returns what is left to do, or exits with what is wrong."""
    if len(arguments) != 2 or not all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in arguments):
        raise SystemExit("expected two versions, this one and the next: make release VERSION=0.1.0 NEXT=0.2.0")
    version, following = arguments
    if _git("status", "--porcelain"):
        raise SystemExit("the checkout has changes: commit or stash them, a release is a commit that CI has passed")
    heading, changes = f"## {version}, not released yet", CHANGELOG.read_text(encoding="utf-8")
    if heading not in changes:
        raise SystemExit(f"CHANGELOG.md has no {heading!r}: write there what changed")
    today = datetime.now(UTC).date()
    _write(version, changes.replace(heading, f"## {version}, {today}"))
    _git("commit", "--all", "--message", f"Release {version}")
    _git("tag", "--annotate", f"v{version}", "--message", f"Headwater {version}")
    released = CHANGELOG.read_text(encoding="utf-8")
    begun = released.replace("\n## ", f"\n## {following}, not released yet\n\nNothing yet.\n\n## ", 1)
    _write(f"{following}.dev0", begun)
    _git("commit", "--all", "--message", f"{following} begins")
    return f"now: git push --follow-tags, and publish what `make wheels` builds of v{version}"


def _write(version: str, changes: str) -> None:
    CHANGELOG.write_text(changes, encoding="utf-8")
    for name, patterns in VERSIONED.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for pattern in patterns:
            text, count = re.subn(pattern, lambda found: found[0].replace(found[1], version), text)
            if count != 1:
                raise SystemExit(f"{name}: expected one version like {pattern}, found {count}")
        path.write_text(text, encoding="utf-8")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    print(main(sys.argv[1:]))
