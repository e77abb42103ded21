"""Which windows a day is compared with: the training's days, and whole blocks of production days that were like them.

A block of thirty days joins or doesn't, whatever its single days were like: a reference of clean days alone would have
no tail, and one day in six would be called suspicious (docs/decisions/0117). Whether a block joins is decided beside
the founding windows, which never change, so that a slow drift isn't learnt step by step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from headwater.monitoring.drift.bank import MOST_WINDOWS, Bank, BankWindow
from headwater.monitoring.drift.channels import BROKEN
from headwater.monitoring.drift.reference import LEAST_ROWS, LEAST_WINDOWS
from headwater.monitoring.drift.verdicts import Outcome
from headwater.monitoring.watch.types import JudgedDay

BLOCK = 30
"""Days that join together, and days that pass before they do."""
LEAST_JUDGED = 10
"""Judged days of a block below which it says too little."""


def founding(bank: Bank, days: Iterable[JudgedDay], before: date) -> list[JudgedDay]:
    """The first days of production that stand in for training's where these are fewer than `LEAST_WINDOWS`."""
    lacking = LEAST_WINDOWS - len(bank.windows)
    usable = (one for one in days if one.day < before and one.now.verdict.rows >= LEAST_ROWS)
    return [one for _, one in zip(range(lacking), usable, strict=False)]


def joined(bank: Bank, days: Sequence[JudgedDay], before: date) -> list[JudgedDay]:
    """The days of production blocks that a day is compared with, beside the founding ones; ``days`` oldest first."""
    taken = {window.start.date() for window in bank.windows} | {one.day for one in founding(bank, days, before)}
    blocks: dict[int, list[JudgedDay]] = {}
    for one in days:
        blocks.setdefault(one.day.toordinal() // BLOCK, []).append(one)
    found: list[JudgedDay] = []
    for number, block in blocks.items():
        if (number + 2) * BLOCK <= before.toordinal() and _is_like(block):
            found += [one for one in block if _is_usable(one) and one.day not in taken]
    return found


def _is_like(block: Sequence[JudgedDay]) -> bool:
    """Whether a block has no more bad days, beside the founding windows, than chance gives."""
    alone = [one.counts.alone for one in block if one.counts.alone is not Outcome.COLLECTING]
    bad = sum(outcome is not Outcome.CLEAN for outcome in alone)
    # Of 30 days with a share of 1/30, five or more are bad in 0.3% of all cases; of ten, three or more likewise.
    return len(alone) >= LEAST_JUDGED and bad <= len(alone) // 10 + 1


def _is_usable(day: JudgedDay) -> bool:
    """Whether a day is no reference because something was plainly broken."""
    verdict = day.now.verdict
    broken = any(finding.channel in BROKEN for finding in verdict.findings)
    return verdict.outcome is not Outcome.COLLECTING and not broken


def extended(bank: Bank, windows: Iterable[BankWindow]) -> Bank:
    """The bank with more windows; the oldest leave a full one."""
    ordered = sorted([*bank.windows, *windows], key=lambda entry: entry.start)
    return bank.model_copy(update={"windows": tuple(ordered[-MOST_WINDOWS:])})
