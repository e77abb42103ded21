"""`headwater monitor performance`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.intervals import Axis
from headwater.cli.monitor.options import (
    AsOfOption,
    ModelArgument,
    SegmentOption,
    SinceOption,
    UntilOption,
    VersionOption,
    bar,
    days_of,
    moment_of,
    per_cent,
)
from headwater.cli.output import Answer, answered, note, show, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.performance.answers import JudgedStretch, PerformanceAnswer
    from headwater.monitoring.performance.types import Figure
    from headwater.monitoring.status import PerformanceFigure

_WIDTH = 80
_NAME, _FIGURE, _INTERVAL, _LIMIT = 11, 8, 17, 8
_BAR = 40


def performance(
    model: ModelArgument,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    by: Annotated[
        Literal["day", "week"], typer.Option("--by", help="Stretches that are judged: days, or weeks from Monday.")
    ] = "day",
    segment: SegmentOption = "",
    as_of: AsOfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show how good a version was: realised by labels and estimated without, beside its limit."""
    first, last = days_of(since, until)
    found = connect(stack).monitor.performance(
        model, version=version, since=first, until=last, segment=segment, as_of=moment_of(as_of), by=by
    )
    return answered(found, _show)


def _show(console: Console, found: PerformanceAnswer) -> None:
    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    known = "" if found.known is None else f", as known on {found.known:%Y-%m-%d %H:%M} UTC"
    what = f"{found.model}@{found.version}" + (f" {found.segment}" if found.segment else "")
    say(f"{what} {found.metric} by {found.by}{known}")
    many = [*found.stretches, found.whole] if len(found.stretches) > 1 else [*found.stretches]
    _picture(say, found, many)
    _whole(console, say, found)
    _delay(say, found)
    if any(one.running for one in found.stretches):
        note("the last day isn't over")
    if found.known is None and found.whole.coverage < 1:
        note("labels still come: --as-of shows what was known at a moment")


def _picture(say: Callable[[str], None], found: PerformanceAnswer, many: list[JudgedStretch]) -> None:
    values = [value for one in many for value in _values(one)]
    axis = Axis(values, _WIDTH - _NAME - _FIGURE - _INTERVAL - _LIMIT - 2) if values else None
    if axis is not None:
        head = f"{'':{_NAME}}{'figure':>{_FIGURE}}{'95% interval':>{_INTERVAL}}{'limit':>{_LIMIT}}"
        say(f"{head}  {axis.ticks()}")
    for one in many:
        days = f"{one.since}" if one.since == one.until else f"{one.since} to {one.until}"
        if one is found.whole:
            days = f"all, {days}"
        say(
            f"{days}  {one.predictions:,} predictions, {per_cent(one.coverage)} labelled"
            + (", not over" if one.running else "")
        )
        say(f"  {one.verdict}")
        if axis is None:
            continue
        for name, figure, judged in (
            ("realised", one.realised, one.report.realised),
            ("estimated", one.estimated, one.report.estimate),
        ):
            if line := _bar_of(axis, name, figure, judged):
                say(line)


def _values(one: JudgedStretch) -> list[float]:
    found = [value for figure in (one.realised, one.estimated) for value in (figure.low, figure.value, figure.high)]
    found += [judged.limit for judged in (one.report.realised, one.report.estimate) if judged is not None]
    return [value for value in found if value is not None]


def _bar_of(axis: Axis, name: str, figure: Figure, judged: PerformanceFigure | None) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    limit = judged.limit if judged is not None else None
    words = "" if limit is None else axis.text(limit)
    interval = f"{axis.text(figure.low)}..{axis.text(figure.high)}"
    drawn = axis.bar(figure.low, figure.value, figure.high, limit)
    return f"{'  ' + name:{_NAME}}{axis.text(figure.value):>{_FIGURE}}{interval:>{_INTERVAL}}{words:>{_LIMIT}}  {drawn}"


def _whole(console: Console, say: Callable[[str], None], found: PerformanceAnswer) -> None:
    report = found.whole.report
    bias = report.bias
    rows = [
        (metric, _figure(bias.raw[metric]), _figure(bias.adjusted[metric]), _figure(report.estimated.get(metric)))
        for metric in bias.raw
    ]
    say("")
    columns = ("metric", "realised", "if all were labelled", "estimated")
    console.print(table(columns, rows))
    if bias.p is not None:
        differ = "differ from the others: both figures count" if bias.is_biased else "are like the others"
        say(f"labelled predictions {differ} (p {bias.p:.3f})")
    if not report.estimated and report.reason:
        say(f"no estimate: {report.reason}")


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.value is None:
        return figure.reason
    return f"{_short(figure.value)} ({_short(figure.low)}..{_short(figure.high)})"


def _short(value: float | None) -> str:
    return show(value) if value is None or abs(value) >= 1000 else f"{value:.3g}"


def _delay(say: Callable[[str], None], found: PerformanceAnswer) -> None:
    if found.delay_reason:
        say("")
        say(f"no delay of labels is told: {found.delay_reason}")
    if not any(point.labelled for point in found.delay):
        return
    say("")
    say(f"labelled, by the time after {found.whole.until}:")
    for point in found.delay:
        hours = int(point.after.total_seconds() // 3600)
        words = f"{hours} h" if hours < 24 else f"{hours // 24} d"
        share = point.labelled / found.whole.predictions
        say(f"{words:>6}{point.labelled:>12,} {per_cent(share):>5} {bar(share, _BAR)}")
