"""NannyML's side: univariate drift by the Jensen-Shannon distance, in chunks of a tenth; prints seconds as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import nannyml
import pandas

sys.path.insert(0, str(Path(__file__).parent))
from columns import columns

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def main() -> None:
    """Measure the wall clock."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=100_000)
    given = parser.parse_args()
    reference = pandas.DataFrame(columns(given.reference, 0))
    window = pandas.DataFrame(columns(given.rows, 1))
    print(json.dumps({"shape": measured(shape(reference), reference, window),
                      "all": measured(everything(reference), reference, window)}))  # fmt: skip


def shape(reference: pandas.DataFrame) -> list[Any]:
    """NannyML's default: one distance for each column."""
    return [
        nannyml.UnivariateDriftCalculator(
            column_names=list(reference), chunk_number=10,
            continuous_methods=["jensen_shannon"], categorical_methods=["jensen_shannon"],
        )
    ]  # fmt: skip


def everything(reference: pandas.DataFrame) -> list[Any]:
    """The figures that a profile of ours gives."""
    numbers = [name for name in reference if name.startswith("n")]
    words = [name for name in reference if name.startswith("c")]
    return [
        nannyml.UnivariateDriftCalculator(
            column_names=list(reference), chunk_number=10,
            continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein"],
            categorical_methods=["jensen_shannon"],
        ),
        nannyml.MissingValuesCalculator(column_names=list(reference), chunk_number=10),
        nannyml.UnseenValuesCalculator(column_names=words, chunk_number=10),
        nannyml.SummaryStatsAvgCalculator(column_names=numbers, chunk_number=10),
        nannyml.SummaryStatsStdCalculator(column_names=numbers, chunk_number=10),
    ]  # fmt: skip


def measured(calculators: list[Any], reference: pandas.DataFrame, window: pandas.DataFrame) -> dict[str, float]:
    """Seconds of the reference and of the window, and the share of figures that alarm."""
    start = time.perf_counter()
    for calculator in calculators:
        calculator.fit(reference)
    fitted = time.perf_counter() - start
    start = time.perf_counter()
    found = [calculator.calculate(window) for calculator in calculators]
    done = time.perf_counter() - start
    alerts = found[0].to_df().xs("alert", axis=1, level=-1).to_numpy()
    return {"reference": fitted, "window": done, "alerts": float(alerts.mean())}


if __name__ == "__main__":
    main()
