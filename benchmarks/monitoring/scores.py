"""Scores of a classifier that is a little too sure, and their labels; both sides make the same ones."""

from __future__ import annotations

import numpy


def scores(rows: int, seed: int) -> numpy.ndarray:
    """Scores between 0 and 1, as float32 gives them."""
    return numpy.random.default_rng(seed).beta(0.7, 2.5, rows).astype("float32").astype("float64")


def labels(score: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Labels, whose probability is nearer to a half than the score is."""
    return (numpy.random.default_rng(seed + 1000).random(len(score)) < 0.1 + 0.8 * score).astype(int)
