"""`headwater monitor status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import (
    FINDINGS,
    MOST,
    AsOfOption,
    findings_rows,
    moment_of,
    p_of,
    spark,
)
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import ModelStatus
    from headwater.monitoring.status import PerformanceFigure, Status


def status(
    model: Annotated[str | None, typer.Argument(help="One model in full; by default all.")] = None,
    as_of: AsOfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show how models are by the last hourly look, since when and why."""
    monitor, moment = connect(stack).monitor, moment_of(as_of)
    if model is None:
        every = monitor.statuses(as_of=moment)
        if not every:
            note("no model is registered")
        return answered(every, _show_all)
    found = monitor.status(model, as_of=moment)
    if found.status is None:
        note(f"{model} wasn't looked at yet; headwater monitor drift {model} counts what there is now")
    return answered(found, _show)


def _show_all(console: Console, every: tuple[ModelStatus, ...]) -> None:
    rows = []
    for one in every:
        now = one.status
        if now is None:
            rows.append((one.model, "", "", "", "", "", "not looked at yet"))
            continue
        rows.append(
            (
                one.model,
                f"v{now.version}",
                now.state.value,
                now.since.isoformat() if now.since else "",
                now.day.isoformat() if now.day else "",
                p_of(now.p),
                now.reason,
            )
        )
    if rows:
        console.print(table(("model", "version", "state", "since", "day", "p", "why"), rows, whole=("state",)))


def _show(console: Console, found: ModelStatus) -> None:
    now = found.status
    if now is None:
        return
    console.print(_headline(now), soft_wrap=True)
    if now.findings:
        console.print(table(FINDINGS, findings_rows(now.findings, found.importance)))
    else:
        console.print(now.reason, soft_wrap=True)
    for kind, figure in (("estimated", now.estimated), ("realised", now.realised)):
        if figure is not None:
            console.print(_figure(kind, figure), soft_wrap=True)
    for line in now.notes:
        console.print(f"note    {line}", soft_wrap=True)
    if found.days:
        scores = [one.counts.verdict.score for one in found.days]
        first, last = found.days[0].day, found.days[-1].day
        console.print(f"score   {spark(scores, MOST)}  {first} to {last}")
        letters = "".join(after.state.value[0] for after in found.stood)
        console.print(f"state   {letters}  Collecting, Normal, Suspect, Alarm")
        if restated := [one.day.isoformat() for one in found.days if one.is_restated]:
            console.print(f"judged otherwise since, by rows that came late: {', '.join(restated)}")
    if now.findings:
        feature = now.findings[0].feature.strip("()")
        note(f"headwater monitor explain {now.model} {now.day} {feature} shows how it differs")


def _headline(now: Status) -> str:
    parts = [f"{now.model} v{now.version}"]
    if now.day is not None:
        parts += [f"{now.day:%-d %b %Y}", f"{now.rows:,} predictions"]
    if now.p is not None and now.score is not None:
        parts.append(f"score {now.score:.1f}, p {now.p:.3f} (limit 1/30)")
    since = f" since {now.since:%-d %b}" if now.since else ""
    return " · ".join([*parts, f"{now.state.value}{since}"])


def _figure(kind: str, figure: PerformanceFigure) -> str:
    worse = " · worse than its limit" if figure.is_worse else ""
    of = f" of {figure.coverage:.0%} labelled" if kind == "realised" else ""
    return f"{figure.metric} {kind} {figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f}){of}{worse}"
