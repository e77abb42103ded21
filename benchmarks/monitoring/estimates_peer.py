"""NannyML's side: confidence-based estimation of one chunk; prints seconds as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import warnings
from pathlib import Path

import nannyml
import pandas

sys.path.insert(0, str(Path(__file__).parent))
from scores import labels, scores

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
METRICS = ["roc_auc", "average_precision", "accuracy"]


def main() -> None:
    """Measure the wall clock, the best of five turns; one chunk holds the whole window."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=50_000)
    given = parser.parse_args()
    reference = pandas.DataFrame({"score": scores(given.reference, 0)})
    reference["label"] = labels(reference["score"].to_numpy(), 0)
    window = pandas.DataFrame({"score": scores(given.rows, 1)})
    for frame in (reference, window):
        frame["said"] = (frame["score"] >= 0.5).astype(int)
    found = {}
    for name, metrics in (("all", METRICS), ("roc_auc", ["roc_auc"])):
        estimator = nannyml.CBPE(
            y_pred_proba="score", y_pred="said", y_true="label", metrics=metrics, chunk_size=given.rows,
            problem_type="classification_binary",
        )  # fmt: skip
        start = time.perf_counter()
        estimator.fit(reference)
        fitted = time.perf_counter() - start
        turns = []
        for _ in range(5):
            start, cpu = time.perf_counter(), time.process_time()
            result = estimator.estimate(window)
            turns.append((time.perf_counter() - start, time.process_time() - cpu))
        table = result.to_df()
        table = table[table[("chunk", "period")] == "analysis"]
        values = {metric: float(table[(metric, "value")].iloc[-1]) for metric in metrics}
        estimated, cpu = (min(side) for side in zip(*turns, strict=True))
        found[name] = {"fitted": fitted, "estimated": estimated, "cpu": cpu, "values": values}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
