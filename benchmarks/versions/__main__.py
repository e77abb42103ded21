"""Runs both sides in one go and prints the ratios: ``python -m benchmarks.versions``."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers import DVC, dvc, run
from benchmarks.versions.double import checksum

SEED = 7


def ours(*arguments: str | Path) -> dict[str, Any]:
    """One of our measurements."""
    return run([sys.executable, "-m", "benchmarks.versions.ours", *arguments])


def write(folder: Path, paths: Sequence[str], size: int, dice: random.Random) -> None:
    """Files of random bytes."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(dice.randbytes(size))


def change(folder: Path, paths: Sequence[str], size: int, dice: random.Random) -> dict[str, list[str]]:
    """Make 1% differ: half of it rewritten, a quarter each taken away and added. What was done, by kind."""
    count = max(4, len(paths) // 100)
    chosen = sorted(dice.sample(paths, count * 3 // 4))
    removed = chosen[::3]
    changed = sorted(set(chosen) - set(removed))
    added = [f"new/{number:06d}.bin" for number in range(count - len(chosen))]
    write(folder, [*changed, *added], size, dice)
    for path in removed:
        (folder / path).unlink()
    return {"added": added, "removed": removed, "changed": changed}


def manifest(folder: Path, file: Path) -> Path:
    """Path to (size, sha256) of a folder's files: what S3 knows since they were put there."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    file.write_text(json.dumps({path: (len(body), checksum(body)) for path, body in found.items()}))
    return file


def beside(table: Table, count: int, size: int) -> list[str]:
    """Both sides on the same files; notes on what was checked."""
    python, dice = dvc(), random.Random(SEED)
    theirs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        scratch, repository = Path(made), Path(made, "dvc")
        folder = repository / "data"
        script = Path(__file__).with_name("peer.py")
        paths = [f"{number % 100:02d}/{number:06d}.bin" for number in range(count)]
        write(folder, paths, size, dice)
        before = manifest(folder, scratch / "before.json")
        sent = ours("upload", folder)
        if python:
            run([python, script, "start", repository])
            theirs["add"] = run([python, script, "add", repository])
        expected = change(folder, paths, size, dice)
        after = manifest(folder, scratch / "after.json")
        if python:
            theirs["again"] = run([python, script, "add", repository])
            theirs["diff"] = run([python, script, "diff", repository])
        alone = ours("files", before, after)
    row(table, f"commit {count:,} objects / dvc add", theirs.get("add"), alone["commit"], "5x", "")
    row(table, "  the folder's bytes as well (upload)", theirs.get("add"), sent["upload"], "", "")
    row(table, "commit after 1% changed / dvc add", theirs.get("again"), alone["again"], "", "")
    row(table, "diff of the two", theirs.get("diff"), alone["diff"], "20x", "70x")
    row(table, "verify (dvc has no such verb)", None, alone["verify"], "", "")
    return checked(expected, theirs, alone, python)


def checked(
    expected: dict[str, list[str]], theirs: dict[str, Any], side: dict[str, Any], python: Path | None
) -> list[str]:
    """Whether the answers are right: they end the benchmark if not."""
    right = {kind: sorted(paths) for kind, paths in expected.items()}
    assert side["changes"] == right, "our diff isn't what was changed"
    assert side["repinned"] == 0
    assert side["exact"], f"verify found {side['found']} of {side['damaged']}, or others"
    notes = [
        f"verify named exactly the {side['damaged']} versions that were lost or changed; "
        f"the diff is exactly what was done: {', '.join(f'{len(paths)} {kind}' for kind, paths in right.items())}"
    ]
    if python:
        names = {"added": "added", "removed": "deleted", "changed": "modified"}
        same = {kind: theirs["diff"]["changes"][name] for kind, name in names.items()} == right
        notes.append(f"dvc's diff says {'the same' if same else 'something else'}")
    return notes


def curve(sizes: Sequence[int]) -> Table:
    """How commit, append and diff grow."""
    table = Table(
        "objects", "commit", "of it work", "peak", "append 1%", "of it work", "S3 calls", "ranges replaced", "new",
        "rows", "diff", "peak in all", title="growth: Headwater beside a bucket that answers at once",
    )  # fmt: skip
    for size in sizes:
        seen = ours("numbered", str(size))
        table.add_row(
            f"{size:,}",
            f"{seen['commit']['seconds']:.2f} s",
            f"{seen['commit']['work']:.2f} s",
            megabytes(seen["commit_megabytes"]),
            f"{seen['append']['seconds']:.2f} s",
            f"{seen['append']['work']:.2f} s",
            ", ".join(f"{count:,} {call}" for call, count in seen["append_calls"].items()),
            f"{seen['replaced']} of {seen['ranges']}",
            f"{seen['new_ranges']}",
            f"{seen['new_rows']:,}",
            f"{seen['diff']['seconds']:.3f} s",
            megabytes(seen["megabytes"]),
        )
    return table


def megabytes(value: float | None) -> str:
    """As shown."""
    return "?" if value is None else f"{value:.0f} MB"


def row(table: Table, name: str, theirs: dict[str, Any] | None, mine: dict[str, float], floor: str, aim: str) -> None:
    """One line of the table; without ratios where no peer was measured."""
    sides, ratios = [], []
    for what in ("seconds", "work"):
        sides += ["" if theirs is None else f"{theirs[what]:.3g} s", f"{mine[what]:.3g} s"]
        ratios.append("" if theirs is None else f"{theirs[what] / mine[what]:.1f}x")
    table.add_row(name, *sides[:2], ratios[0], *sides[2:], ratios[1], floor, aim)


def main() -> None:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument(
        "--objects", type=int, default=100_000, help="files of the comparison with dvc; 0: leave it out"
    )
    parser.add_argument("--bytes", type=int, default=1024, help="bytes of each of them")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="objects of the curve"
    )
    arguments = parser.parse_args()
    shown: list[Any] = [f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"]
    if arguments.objects:
        columns = ("what", f"dvc {DVC}", "Headwater", "ratio", "dvc, CPU", "Headwater, CPU", "ratio", "floor", "aim")
        table = Table(*columns, title=f"{arguments.objects:,} files of {arguments.bytes:,} bytes")
        notes = beside(table, arguments.objects, arguments.bytes)
        shown += [table, *notes]
        Console(width=150).print(*shown, sep="\n")
        shown = []
    if arguments.sizes:
        Console(width=150).print(*shown, curve(arguments.sizes), sep="\n")


if __name__ == "__main__":
    main()
