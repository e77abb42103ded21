"""Feature views for people: definitions, statistics, differences and lineage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from headwater.cli.output import note, show, table
from headwater.features.inputs import shown, text_expectation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from headwater.declare import Feature
    from headwater.features.catalog.differences import Difference, FeatureChange, Side
    from headwater.features.catalog.lineage import Lineage, Use
    from headwater.features.catalog.views import ViewDetails, ViewStatistics
    from headwater.features.offline.statistics import FeatureStatistics
    from headwater.features.online.in_progress import UnderWay

BARS = "▁▂▃▄▅▆▇█"
SHORT = 12
"""Digits of a commit or data version that are shown."""
FAR = 0.5
"""Standard deviations from which on a moved mean is pointed out."""
_TEXTS = 5
"""Most frequent values of a text that are shown."""


def duration(span: timedelta | None) -> str:
    """``6 h``, ``1 d 12 h``, ``90 s``; nothing for None."""
    if span is None:
        return ""
    seconds, parts = span.total_seconds(), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count:.0f} {unit}"] if count else []
    return " ".join([*parts, *([f"{seconds:g} s"] if seconds or not parts else [])])


def sparkline(counts: Sequence[int]) -> str:
    """One bar a count; whatever isn't empty can be seen."""
    highest = max(counts, default=0)
    return "".join(" " if not count else BARS[count * (len(BARS) - 1) // highest] for count in counts)


def show_details(console: Console, found: ViewDetails) -> None:
    """A view: what it says, its features, definitions and users."""
    view, summary = found.definition.view, found.summary
    console.print(f"[bold]{view.name}[/bold] version {found.definition.version}: {summary.state.value}", markup=True)
    facts = {
        "description": view.description,
        "owner": view.owner,
        "entity": ", ".join(view.entity),
        "TTL": duration(view.ttl),
        "freshness": duration(view.freshness),
        "schedule": view.schedule.said if view.schedule else "",
        "materialised": f"{show(summary.materialised_at)} UTC" if summary.materialised_at else "",
        "newest event": f"{show(summary.newest_event)} UTC" if summary.newest_event else "",
        "entities": show(summary.entities),
        "transform": view.transform or "",
        "aggregate": view.aggregate.model_dump_json(exclude_defaults=True) if view.aggregate else "",
    }
    for name, fact in facts.items():
        if fact:
            console.print(f"{name:<13} {fact}")
    for source in found.sources:
        behind = ", newer than what was materialised" if source.behind else ""
        console.print(
            f"{'source':<13} {source.source} ({source.contract or 'contract not kept'}), commit "
            f"{(source.commit or 'none')[:SHORT]}{behind}"
        )
    for run in found.in_progress:
        console.print(f"{'under way':<13} {in_progress(run)}")
    rows = [
        (
            feature.name,
            feature.kind,
            ", ".join(filter(None, (_window(feature), _texts(feature)))) or _range(feature.minimum, feature.maximum),
            feature.description,
        )
        for feature in view.features
    ]
    console.print(table(("feature", "kind", "window or values", "description"), rows))
    if view.sql:
        _show_sql(console, view.sql)
    versions = [
        (
            entry.version + (" (now)" if entry.version == found.definition.version else ""),
            entry.first_seen,
            entry.materialisations,
            entry.last_materialised,
        )
        for entry in found.versions
    ]
    console.print(table(("definition", "first seen (UTC)", "materialisations", "last (UTC)"), versions))
    if found.uses:
        columns = ("used by", "status", "definition", "features")
        console.print(table(columns, [(*_who(use), ", ".join(use.features)) for use in found.uses]))
    else:
        note("no model version uses it")


def show_lineage(console: Console, found: Lineage) -> None:
    """Sources above, models below, as two trees."""
    from rich.tree import Tree

    name = f"{found.view}.{found.feature}" if found.feature else found.view
    up: Tree = Tree(_text(f"{name} (definition {found.version}) is computed from", "bold"))
    for source in found.sources:
        branch = up.add(_text(source.source, "cyan"))
        branch.add(_text(f"contract {source.contract or 'not kept'}"))
        commit = (source.commit or "none")[:SHORT]
        read = "read by the last materialisation" if not source.behind else "not yet materialised"
        branch.add(_text(f"commit {commit}, {read}"))
    console.print(up)
    down: Tree = Tree(_text(f"{name} is used by" if found.uses else f"{name} is used by no model version", "bold"))
    models: dict[str, Tree] = {}
    for use in found.uses:
        branch = models.setdefault(use.model, models.get(use.model) or down.add(_text(use.model, "cyan")))
        who, status, version = _who(use)
        old = "" if use.view_version in (None, found.version) else " (an older definition)"
        line = branch.add(_text(f"{who.removeprefix(use.model).strip()} {status}, definition {version}{old}"))
        if found.feature is None:
            line.add(_text(", ".join(use.features)))
    console.print(down)


def show_statistics(console: Console, found: ViewStatistics) -> None:
    """A line a feature, with a small histogram."""
    record, seen = found.materialisation, found.statistics
    console.print(
        f"{record.view} definition {record.version}, data version {record.data_version[:SHORT]}, materialised "
        f"{show(record.at)} UTC"
    )
    if seen is None:
        note("no statistics were kept of it")
        return
    console.print(
        f"{seen.rows:,} rows of {seen.entities:,} entities, events from {show(seen.first_event)} to "
        f"{show(seen.last_event)} UTC"
    )
    numbers = [(name, entry) for name, entry in seen.features.items() if not entry.top]
    if numbers:
        rows = [(name, *_numbers(entry), sparkline(entry.histogram)) for name, entry in numbers]
        columns = ("feature", "missing", "mean", "sd", "min", "median", "max", "histogram")
        console.print(table(columns, rows, whole=("histogram",)))
    texts = [(name, entry) for name, entry in seen.features.items() if entry.top]
    if texts:
        rows = [(name, f"{entry.missing:.1%}", entry.distinct, _top(entry)) for name, entry in texts]
        console.print(table(("feature", "missing", "different", "most frequent"), rows))
    if len(found.others) > 1:
        note(f"{len(found.others)} materialisations; next: headwater features diff {record.view}")


def show_difference(console: Console, found: Difference) -> None:
    """Changed fields, changed SQL, then each feature before and after."""
    for name, side in (("before", found.before), ("after", found.after)):
        console.print(f"{name:<7} {_side(side)}")
    if found.definition or found.sql:
        console.print()
    for change in found.definition:
        console.print(f"{change.field}: {show(change.before) or '-'} -> {show(change.after) or '-'}")
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in found.sql:
        console.print(line, style=styles.get(line[:1], ""))
    if found.before.version == found.after.version:
        note("the definition is the same")
    if not found.features:
        note("there are no statistics to compare")
        return
    texts = [change for change in found.features if any(side and side.top for side in (change.before, change.after))]
    if numbers := [change for change in found.features if change not in texts]:
        columns = ["feature", "", "missing", "mean", "sd", "moved by (sd)", "histogram"]
        rows = [row for change in numbers for row in _both(change, _bars, 5)]
        console.print(table(columns, rows, whole=("", "missing", "mean", "sd", "histogram")))
    if texts:
        columns = ["feature", "", "missing", "different", "most frequent"]
        rows = [row for change in texts for row in _both(change, _words, 3)]
        console.print(table(columns, rows, whole=columns[:-1]))


def _show_sql(console: Console, sql: str) -> None:
    from textwrap import dedent

    from rich.padding import Padding
    from rich.syntax import Syntax

    text = dedent(sql).strip("\n").rstrip()
    if console.is_terminal:
        console.print(Padding(Syntax(text, "sql", background_color="default", word_wrap=True), (1, 0, 0, 2)))
    else:
        console.print("\n" + "\n".join(f"  {line}" for line in text.splitlines()))


def _numbers(entry: FeatureStatistics) -> tuple[object, ...]:
    median = entry.quantiles[len(entry.quantiles) // 2] if entry.quantiles else None
    return (
        f"{entry.missing:.1%}",
        *map(show, (entry.mean, entry.deviation, entry.minimum, median, entry.maximum)),
    )


def _top(entry: FeatureStatistics) -> str:
    """The most frequent texts, and in how many rows each is."""
    return ", ".join(f"{shown(text)} {count:,}" for text, count in list(entry.top.items())[:_TEXTS])


def _both(
    change: FeatureChange, cells: Callable[[FeatureStatistics, FeatureChange | None], tuple[object, ...]], wide: int
) -> Iterator[tuple[object, ...]]:
    """Two lines a feature, before above after: beside each other they don't fit a terminal of 80 columns."""
    for name, side in (("before", change.before), ("after", change.after)):
        shown = cells(side, change if name == "after" else None) if side else ("",) * wide
        yield (change.feature, name, *shown)


def _bars(side: FeatureStatistics, change: FeatureChange | None) -> tuple[object, ...]:
    from rich.text import Text

    shift = change.shift if change else None
    moved = Text("" if shift is None else f"{shift:+.2f}", style="bold red" if abs(shift or 0) >= FAR else "")
    return (f"{side.missing:.1%}", show(side.mean), show(side.deviation), moved, sparkline(side.histogram))


def _words(side: FeatureStatistics, _change: FeatureChange | None) -> tuple[object, ...]:
    return (f"{side.missing:.1%}", side.distinct, _top(side))


def _side(side: Side) -> str:
    record = side.materialisation
    if record is None:
        return f"definition {side.version}, never materialised"
    return (
        f"definition {side.version}, data version {record.data_version[:SHORT]}, {record.rows:,} rows, materialised "
        f"{show(record.at)} UTC"
    )


def in_progress(run: UnderWay) -> str:
    """A run in words: of what, since when, and how far it is."""
    what = f"definition {run.version}, data version {run.data_version[:SHORT]}, since {show(run.since)} UTC"
    if not run.execution:
        return what
    shards = f", {run.shards_done:,} of {run.shards:,} shards done" if run.shards is not None else ""
    return f"{what}: execution {run.execution} {run.status}{shards}"


def _who(use: Use) -> tuple[str, str, str]:
    aliases = f" ({', '.join(use.aliases)})" if use.aliases else ""
    return f"{use.model} version {use.version}{aliases}", use.status, use.view_version or "not recorded"


def _window(feature: Feature) -> str:
    window = feature.aggregate
    return f"{window.function}({window.of}) over {duration(window.over)}" if window else ""


def _texts(feature: Feature) -> str:
    return text_expectation(feature) if feature.is_text else ""


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"


def _text(words: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(words, style=style)
