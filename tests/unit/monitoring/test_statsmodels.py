"""Statistics beside statsmodels' answers, which were written down: tests/unit/monitoring/statsmodels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.monitoring.drift.judging import benjamini_hochberg
from headwater.monitoring.shares import wilson
from headwater.training.challenger import mcnemar

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "statsmodels" / "answers.json").read_text())


def test_intervals_of_shares_are_those_of_statsmodels() -> None:
    for right, rows, low, high in ANSWERS["wilson"]:
        assert wilson(right / rows, rows) == pytest.approx((low, high), abs=1e-12)


def test_adjusted_p_values_are_those_of_statsmodels() -> None:
    for given, adjusted in ANSWERS["fdr_bh"]:
        assert benjamini_hochberg(given) == pytest.approx(adjusted, abs=1e-12)


def test_mcnemars_p_is_that_of_statsmodels() -> None:
    for better, worse, p in ANSWERS["mcnemar"]:
        assert mcnemar(better, worse) == pytest.approx(p, abs=1e-12)
