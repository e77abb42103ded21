"""Options that several commands have, and pictures of figures in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.times import day_of, time_in_utc

if TYPE_CHECKING:
    from headwater.monitoring.drift.verdicts import Finding

ModelArgument = Annotated[str, typer.Argument(help="Model that serves.")]
VersionOption = Annotated[int | None, typer.Option("--version", "-v", help="By default the one that serves.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="First day, UTC: YYYY-MM-DD. [default: the last seven days that have predictions]"),
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Last day, UTC.")]
SegmentOption = Annotated[str, typer.Option("--segment", help="One segment, such as carrier=UA.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Answer as it was known and said at this moment, such as 2026-07-05T08:00Z; UTC unless it has an offset.",
    ),
]

_BARS = " ▁▂▃▄▅▆▇█"
MOST = 8.0
"""Score that fills a bar: one in a hundred million."""


def days_of(since: str | None, until: str | None) -> tuple[date | None, date | None]:
    """The days of the two options."""
    first = None if since is None else day_of(since, "--since")
    return first, None if until is None else day_of(until, "--until")


def moment_of(as_of: str | None) -> datetime | None:
    """The moment of ``--as-of``."""
    return None if as_of is None else time_in_utc(as_of, "--as-of")


def p_of(value: float | None) -> str:
    """A p-value in three digits."""
    return "" if value is None else f"{value:.3f}"


def spark(values: Sequence[float | None], most: float) -> str:
    """A letter a value: higher is more, a dot is unknown."""
    return "".join(
        "·" if value is None else _BARS[max(1, round(min(value / most, 1.0) * (len(_BARS) - 1)))] for value in values
    )


def bar(share: float, width: int) -> str:
    """A bar as long as a share of ``width`` letters, in eighths of one."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def per_cent(share: float) -> str:
    """A share; small ones with a digit more."""
    value = 100 * share
    return f"{value:.0f}%" if value >= 10 or value == round(value) else f"{value:.1f}%"


def findings_rows(findings: Sequence[Finding], importance: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Rows of a table of findings: feature, channel, value, usual, importance, what is special."""
    from headwater.monitoring.profiles.types import SCORES
    from headwater.monitoring.watch.words import usual_of, value_of

    rows: list[tuple[str, ...]] = []
    for one in findings:
        name = "predictions" if one.feature == SCORES else one.feature
        weight = importance.get(one.feature)
        rows.append(
            (
                name,
                one.channel.value,
                value_of(one),
                usual_of(one),
                "" if weight is None else f"{weight:.3f}",
                one.detail,
            )
        )
    return rows


FINDINGS = ("feature", "channel", "now", "usual", "importance", "value")
