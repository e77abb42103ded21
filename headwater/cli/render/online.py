"""Online values for people: values with their ages, materialisations, parity and skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headwater.cli.output import note, show, table
from headwater.cli.render.features import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from headwater.declare import FeatureView
    from headwater.features.online.records import Materialised
    from headwater.monitoring.parity import ViewParity
    from headwater.monitoring.skew import Skew

STYLES = {"FOUND": "green", "EXPIRED": "bold red", "FUTURE": "yellow", "MISSING": "dim"}


def age(seconds: float | None) -> str:
    """``3 h 12 min`` for people: the two largest units; ``in 5 min`` of what is yet to come."""
    if seconds is None:
        return ""
    words = duration(timedelta(seconds=round(abs(seconds)))).split()
    return ("in " if seconds < 0 else "") + " ".join(words[:4])


def state(name: str) -> Text:
    """A look-up's status in its colour."""
    from rich.text import Text

    return Text(name, style=STYLES.get(name, ""))


def show_values(
    console: Console, view: FeatureView, features: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """A line for each entity and feature, with the age of its value."""
    lines = [
        (
            *(row[name] for name in view.entity),
            feature,
            show(row[f"{view.name}__{feature}"]),
            state(row[f"{view.name}__status"]),
            age(row[f"{view.name}__age_seconds"]),
        )
        for row in rows
        for feature in features
    ]
    console.print(table((*view.entity, "feature", "value", "state", "age"), lines, whole=("value", "state", "age")))


def show_materialised(console: Console, found: Sequence[Materialised]) -> None:
    """A line a view."""
    if not found:
        note("nothing to bring online: no source of a view has data yet")
        return
    # What the machine writes isn't known yet: no figure rather than a zero.
    rows = [
        (entry.view, entry.version, *figures, entry.skipped)
        for entry in found
        for figures in [(None, None) if entry.execution else (entry.entities, entry.written)]
    ]
    skipped = any(entry.skipped for entry in found)
    columns = ("view", "definition", "entities", "written", *(["skipped"] * skipped))
    console.print(table(columns, [row[: len(columns)] for row in rows]))
    for entry in found:
        if entry.execution:
            note(
                f"{entry.view} is written by the materialisation machine, execution {entry.execution}; next: "
                f"headwater features show {entry.view}"
            )


def show_parity(console: Console, found: Sequence[ViewParity]) -> None:
    """A line a view."""
    rare = {"newer online": "newer", "in flight": "in_flight", "deleted by age": "deleted"}
    counted = {title: name for title, name in rare.items() if any(getattr(entry, name) for entry in found)}
    rows = [
        (entry.view, entry.version, f"{entry.at:%Y-%m-%d %H:%M}", entry.sampled, entry.equal, *rest)
        for entry in found
        for rest in [[getattr(entry, name) for name in counted.values()]]
    ]
    columns = ("view", "definition", "as of (UTC)", "sampled", "equal", *counted)
    console.print(table(columns, rows, whole=columns[1:3]))


def show_skew(console: Console, found: Skew) -> None:
    """The features that were skewed, the most skewed first."""
    versions = ", ".join(map(str, found.versions))
    console.print(
        f"{found.model} (version {versions}) on {found.day}: {found.predictions:,} predictions of {found.requests:,} "
        "requests that looked features up"
    )
    rows = [
        (
            entry.feature,
            f"{entry.share:.1%}",
            entry.different,
            entry.missing_online,
            entry.missing_offline,
            entry.mean_difference,
            f"{entry.different_by_now / entry.compared:.1%}",
        )
        for entry in found.features
        if entry.share or entry.different_by_now
    ]
    if alike := len(found.features) - len(rows):
        note(f"alike in training and in serving: {alike} of {len(found.features)} features")
    if rows:
        columns = ("feature", "skewed", "other", "lacked", "extra", "mean diff", "by now")
        console.print(table(columns, rows, whole=("skewed", "by now")))
    note(f"whether the values still look as in training: headwater monitor drift {found.model}")
