"""`headwater monitor explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, connect
from headwater.cli.monitor.options import ModelArgument, VersionOption, bar, per_cent, spark
from headwater.cli.output import Answer, answered, note, show, table
from headwater.cli.times import day_of

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.answers import Explanation, FeatureExplained

WIDTH = 24
"""Letters of a bar."""
SHOWN = 30


def explain(
    model: ModelArgument,
    day: Annotated[str, typer.Argument(help="Day of the predictions, UTC: YYYY-MM-DD.")],
    feature: Annotated[
        str | None, typer.Argument(help="One feature with its histogram, or predictions; by default all.")
    ] = None,
    version: VersionOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show a day feature by feature, the most unusual first, or one feature beside its reference."""
    found = connect(stack).monitor.explain(model, day_of(day, "day"), feature, version=version)
    return answered(found, _show)


def _show(console: Console, found: Explanation) -> None:
    verdict = found.verdict
    hours = [float(found.hours.get(hour, 0)) for hour in range(24)]
    line = f"{found.model}@{found.version} {found.day} · {verdict.rows:,} predictions · {verdict.outcome.value}"
    console.print(f"{line}: {verdict.reason}", soft_wrap=True)
    console.print(f"by hour, UTC  {spark(hours, max(hours, default=1.0) or 1.0)}")
    if len(found.features) == 1 and found.features[0].histogram is not None:
        _show_one(console, found.features[0])
        return
    columns = ("feature", "score", "importance", "frozen", "range", "shape", "missing", "unseen")
    console.print(table(columns, [_row(one) for one in found.features[:SHOWN]]))
    note("channels with a score of 2 or more in brackets: one usual window in a hundred has as much")
    if len(found.features) > SHOWN:
        note(f"and {len(found.features) - SHOWN} more features; --json has all")


def _name(feature: str) -> str:
    from headwater.monitoring.profiles.types import SCORES

    return "predictions" if feature == SCORES else feature


def _row(one: FeatureExplained) -> tuple[object, ...]:
    from headwater.monitoring.drift.channels import DISTANCES, Channel
    from headwater.monitoring.watch.words import value_of

    found = {finding.channel: finding for finding in one.findings}
    cells = []
    for channel in DISTANCES:
        finding = found.get(channel)
        text = "" if finding is None else value_of(finding)
        cells.append(f"{text} ({finding.score:.1f})" if finding is not None and finding.score >= 2 else text)
    shares = [one.shares.get(channel) for channel in (Channel.MISSING, Channel.UNSEEN)]
    return (
        _name(one.feature),
        f"{abs(one.score):.1f}" if one.findings else "",
        "" if one.importance is None else f"{one.importance:.3f}",
        *cells,
        *("" if share is None else per_cent(share.value) for share in shares),
    )


def _show_one(console: Console, one: FeatureExplained) -> None:
    from headwater.monitoring.watch.words import usual_of, value_of

    assert one.histogram is not None  # noqa: S101 - the caller looked
    rows = [
        (finding.channel.value, value_of(finding), usual_of(finding), f"{abs(finding.score):.1f}")
        for finding in one.findings
    ]
    told = {finding.channel for finding in one.findings}
    rows += [
        (channel.value, per_cent(share.value), "" if share.usual is None else _range(share.usual), "")
        for channel, share in one.shares.items()
        if channel not in told
    ]
    weight = "" if one.importance is None else f", importance {one.importance:.3f}"
    console.print(f"{_name(one.feature)}{weight}")
    console.print(table(("channel", "now", "usual", "score"), rows))
    bars = one.histogram.bars
    most = max([max(entry.now, entry.usual) for entry in bars], default=1.0) or 1.0
    label = min(max((len(entry.label) for entry in bars), default=0), 22)
    for entry in bars:
        name = entry.label if len(entry.label) <= label else f"{entry.label[: label - 1]}…"
        console.print(
            f"{name:>{label}} {bar(entry.now / most, WIDTH):{WIDTH}} {per_cent(entry.now):>5}  usual "
            f"{per_cent(entry.usual):>5}",
            soft_wrap=True,
        )
    figures = one.histogram.shown
    names = {"stability_index": "PSI", "kolmogorov_smirnov": "KS", "wasserstein": "Wasserstein/sigma"}
    known = [f"{label} {show(value)}" for name, label in names.items()
             if (value := getattr(figures, name)) is not None]  # fmt: skip
    if known:
        console.print(f"shown, never decides: {', '.join(known)}")


def _range(usual: tuple[float, float]) -> str:
    low, high = map(per_cent, usual)
    return low if low == high else f"{low.removesuffix('%')}-{high}"
