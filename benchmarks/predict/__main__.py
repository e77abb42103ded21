"""Runs both sides in one go and prints the ratios: ``python -m benchmarks.predict``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from benchmarks.predict import cases, peer
from benchmarks.predict.ours import Loaded
from headwater.serving.requests import columns

ROOT = Path(__file__).resolve().parents[2]
# Neither side reaches AWS; Powertools and X-Ray behave as in a Lambda whose request isn't traced.
ENVIRONMENT = {
    # Both sides compiled, as they are deployed: a cold start that compiles its libraries measures the compiler.
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "LAMBDA_TASK_ROOT": str(ROOT),
    "POWERTOOLS_TRACE_DISABLED": "true",
    "OMP_NUM_THREADS": "1",
}


def measure(side: str, directory: Path, requests: int) -> dict[str, Any]:
    """One side in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.predict.run", side, str(directory), str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=ENVIRONMENT, timeout=300)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def alternating(directory: Path, requests: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides, three times in turn; of each figure the best, which other work on the machine touched least."""
    rounds = [[measure(side, directory, requests) for side in ("peer", "ours")] for _ in range(3)]
    theirs, ours = ({key: best(side, key) for key in side[0]} for side in zip(*rounds, strict=True))
    return theirs, ours


def best(rounds: Sequence[dict[str, Any]], key: str) -> Any:
    """The smallest of a figure; None if it can't be measured here."""
    return min((entry[key] for entry in rounds if entry[key] is not None), default=None)


def cold(side: str, directory: Path, times: int) -> float:
    """Median seconds of init over fresh processes; the first one only warms the disk's cache."""
    return statistics.median([measure(side, directory, 0)["init"] for _ in range(times + 1)][1:])


def largest_difference(directory: Path, rows: int) -> float:
    """How far the two sides are apart, over rows with missing numbers and a category never seen."""
    frame = cases.frame(rows, cases.SEED + 2)
    frame.loc[::17, "carrier"] = "never seen"
    document = cases.request(frame)
    peer.load(directory)
    predictor = Loaded(directory).predictor
    ours = predictor.predict(columns(predictor.package.inputs, document["instances"]), document["features"])
    return float(np.abs(np.array(ours) - np.array(peer.probabilities(document))).max())


def installed_megabytes(*names: str) -> float:
    """What packages and all that they require take up here, compiled Python aside."""
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        wanted += [
            requirement.name
            for requirement in map(Requirement, required)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    files = {Path(str(f.locate())) for name in found for f in distribution(name).files or [] if f.suffix != ".pyc"}
    return sum(path.stat().st_size for path in files if path.is_file()) / 2**20


def bundle_megabytes() -> float | None:
    """The serving bundle as it is deployed; None if it can't be built here."""
    from headwater.infra.bundles.build import RECIPES, build
    from headwater.infra.bundles.packages import BundleError, Target

    try:
        recipe = next(entry for entry in RECIPES if entry.name == "serving")
        with tempfile.TemporaryDirectory() as scratch:
            # This Python's version: for it there is a compiler, and bytecode is a tenth of a bundle.
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            target = Target(python=python, platform="x86_64-manylinux_2_28")
            return build(recipe, target, project=Path(scratch)).unzipped_bytes / 2**20
    except BundleError as error:
        print(f"the serving bundle can't be built here: {error}", file=sys.stderr)
        return None


def main() -> None:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predict", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="warm requests a side and model")
    parser.add_argument("--processes", type=int, default=5, help="fresh processes a side for cold init")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the correctness check")
    arguments = parser.parse_args()
    table = Table("what", "scikit-learn + pandas", "Headwater", "ratio", "floor", "aim", title="predict handler")
    notes = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases.cases():
            directory = Path(scratch, case.name.replace(" ", "-"))
            cases.save(case, directory)
            difference = largest_difference(directory, arguments.rows)
            notes.append(
                f"{case.name}: both sides agree within {difference:.1e} on {arguments.rows} rows, NaN included"
            )
            theirs, ours = alternating(directory, arguments.requests)
            floor, aim = ("40x", "70x") if case.name == "logistic regression" else ("", "")
            row(table, f"warm p50, one row, {case.name}", theirs["p50"], ours["p50"], "ms", floor, aim)
            row(table, "  the model alone, from dicts", theirs["model"], ours["model"], "ms", "", "")
            row(table, "  p99", theirs["p99"], ours["p99"], "ms", "", "")
            row(table, "  memory", theirs["megabytes"], ours["megabytes"], "MB", "", "")
        directory = Path(scratch, "logistic-regression")
        for name, prefix, floor, aim in (
            ("cold init, libraries and model", "core-", "5x", "8x"),
            ("cold init, whole handler", "", "", ""),
        ):
            times = [cold(f"{prefix}{side}", directory, arguments.processes) for side in ("peer", "ours")]
            row(table, name, times[0], times[1], "s", floor, aim)
    peers = installed_megabytes("scikit-learn", "pandas", "boto3", "aws-lambda-powertools", "aws-xray-sdk")
    bundle = bundle_megabytes()
    if bundle is not None:
        row(table, "bundle, unzipped", peers, bundle, "MB", "< 200 MB", "< 140 MB")
    Console(width=140).print(table, *notes, sep="\n")


def row(table: Table, name: str, theirs: float | None, ours: float | None, unit: str, floor: str, aim: str) -> None:
    """One line of the table; none for what can't be measured here."""
    if theirs is None or ours is None:
        return
    scale = 1000 if unit == "ms" else 1
    table.add_row(
        name, f"{theirs * scale:.3g} {unit}", f"{ours * scale:.3g} {unit}", f"{theirs / ours:.1f}x", floor, aim
    )


if __name__ == "__main__":
    main()
