"""Our side: estimated performance, of rows and of a stored profile of them; prints seconds as JSON."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from benchmarks.monitoring.scores import labels, scores
from headwater.monitoring.performance.calibration import calibration
from headwater.monitoring.performance.estimated import of_outputs, of_scores
from headwater.monitoring.profiles.counting import count_numbers
from headwater.monitoring.profiles.types import NumberCounts, Scheme
from headwater.registry.types import NumberProfile, Profile

TURNS = 20


def main() -> None:
    """Measure the wall clock, the best of twenty turns, and of rows the processor's time too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=50_000)
    given = parser.parse_args()
    reference, window = scores(given.reference, 0), scores(given.rows, 1)
    scheme = scheme_of(reference)
    start = time.perf_counter()
    curve = calibration(reference, labels(reference, 0))
    fitted = time.perf_counter() - start
    counted, estimated, stored, rows = [], [], [], []
    for _ in range(TURNS):
        start, cpu = time.perf_counter(), time.process_time()
        pooled = of_outputs(curve, window)
        rows.append((time.perf_counter() - start, time.process_time() - cpu))
    for _ in range(TURNS):
        start = time.perf_counter()
        counts = count_numbers("scores", window, scheme.scores, bin_sums=True)
        counted.append(time.perf_counter() - start)
        start = time.perf_counter()
        found = of_scores(curve, counts)
        estimated.append(time.perf_counter() - start)
        text = counts.model_dump_json()
        start = time.perf_counter()
        of_scores(curve, NumberCounts.model_validate_json(text))
        stored.append(time.perf_counter() - start)
    exact = of_outputs(curve, window, most_exact=given.rows)
    print(json.dumps({
        "fitted": fitted, "counted": min(counted), "estimated": min(estimated), "stored": min(stored),
        "rows": min(wall for wall, _ in rows), "rows cpu": min(cpu for _, cpu in rows), "knots": len(curve.scores),
        "values": {metric: figure.value for metric, figure in found.items()},
        "of rows": {metric: figure.value for metric, figure in pooled.items()},
        "each row": {metric: figure.value for metric, figure in exact.items()},
    }))  # fmt: skip


def scheme_of(reference: np.ndarray) -> Scheme:
    """The score bins that a training run gives."""
    cuts = np.quantile(reference, np.linspace(0, 1, 257))
    described = NumberProfile(missing=0, quantiles=tuple(cuts.tolist()), mean=float(reference.mean()))
    return Scheme.of(
        Profile(model="m", run_id="r", rows=len(reference), numbers={}, categories={}, label=described,
                predictions=described)
    )  # fmt: skip


if __name__ == "__main__":
    main()
