"""Is an alarm's threshold crossed? A pure decision over datapoints, missing ones included.

After "Configuring how CloudWatch alarms treat missing data" in the CloudWatch user guide; its two tables are the test.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Treatment = Literal["missing", "ignore", "breaching", "notBreaching"]

BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}

EXTRA_PERIODS = 2
"""CloudWatch looks at more periods than the alarm evaluates; how many it doesn't say, its examples have two more."""


def evaluation_range(evaluation_periods: int) -> int:
    """How many of the latest periods are looked at to find ``evaluation_periods`` datapoints."""
    return evaluation_periods + EXTRA_PERIODS


def decide(
    breaching: Sequence[bool | None], *, evaluation_periods: int, datapoints_to_alarm: int, treatment: Treatment
) -> State | None:
    """The state that an alarm should have, or None if it keeps the one that it has.

    Parameters
    ----------
    breaching : sequence of bool or None
        One entry a period of the evaluation range, oldest first: whether its datapoint is beyond the threshold, or None
        if it is missing.
    evaluation_periods, datapoints_to_alarm : int
        N and M of "M out of N".
    treatment : str
        What TreatMissingData says.
    """
    present = [entry for entry in breaching if entry is not None]
    evaluated = present[-evaluation_periods:]
    filled = evaluation_periods - len(evaluated)
    count = sum(evaluated)
    if treatment == "breaching":
        count += filled
    if count >= datapoints_to_alarm:
        return "ALARM"
    if filled == 0 or treatment in ("breaching", "notBreaching") or not all(evaluated):
        return "OK"
    if treatment == "ignore":
        return None
    # Everything that is there is beyond the threshold, but less than M is there. It is an alarm all the same once the
    # oldest of it is M periods old: what should have come since is missing.
    oldest = next((len(breaching) - index for index, entry in enumerate(breaching) if entry is not None), 0)
    return "ALARM" if oldest >= datapoints_to_alarm else "INSUFFICIENT_DATA"
