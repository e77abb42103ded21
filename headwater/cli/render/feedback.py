"""Feedback for people: what was said, and how much of it there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwater.cli.output import as_json, show, table, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from headwater.monitoring.feedback.summary import FeedbackDay, FeedbackSummary
    from headwater.monitoring.feedback.types import Feedback

BAR = 14
"""Letters of a bar that is full."""
_SHORT = 60
"""Characters of a comment in a list."""


def show_feedback(console: Console, found: Sequence[Feedback]) -> None:
    """A line an entry; long comments are cut."""
    rows = [
        (
            f"{one.day}",
            one.prediction_id,
            _verdict(one),
            _corrected(one),
            visible(one.author),
            _cut(visible(one.comment or "")),
        )
        for one in found
    ]
    console.print(table(("day (UTC)", "prediction", "verdict", "corrected", "author", "comment"), rows))


def show_history(console: Console, found: Sequence[Feedback]) -> None:
    """A block an entry, the last one first."""
    first = found[0]
    console.print(f"{first.prediction_id} of {first.model}, asked for on {first.day}", soft_wrap=True)
    last: set[str] = set()
    for one in found:
        replaced = "" if one.author_key not in last else ", replaced since"
        last.add(one.author_key)
        author = visible(one.author) or "nobody named"
        corrected = f", corrected to {_corrected(one)}" if one.corrected is not None else ""
        words = f"{show(one.received_at)}  {one.verdict.value}{corrected}  by {author} ({one.sequence}{replaced})"
        console.print(words, soft_wrap=True)
        if one.comment:
            console.print(f"    {visible(one.comment)}", soft_wrap=True)


def show_summary(console: Console, found: FeedbackSummary) -> None:
    """The whole in words, then a line a day."""
    whole = found.whole
    console.print(f"{found.model}, predictions of {found.since} to {found.until}")
    of = [
        f"{rated} of {count:,} {what}"
        for rated, count, what in (
            (_percent(whole.coverage), whole.predictions, "predictions"),
            (_percent(whole.coverage_of_asked), whole.asked, "asked about"),
        )
        if count
    ]
    console.print(
        f"feedback on {whole.rated:,} prediction{'s' * (whole.rated != 1)}{': ' if of else ''}{', '.join(of)}"
    )
    if whole.rated:
        agreed = whole.right + whole.wrong
        right = f"right {_percent(whole.share)} ({_interval(whole)}) of {agreed:,}; " if agreed else ""
        words = f"{right}authors disagree about {whole.disputed:,}; {whole.corrected:,} corrected"
        console.print(words)
    console.print("who tells isn't drawn by chance: this is no accuracy", style="dim")
    rows = [
        (f"{day.day}", _bar(day), _percent(day.share), _interval(day), day.rated, _percent(day.coverage),
         _percent(day.coverage_of_asked))
        for day in found.days
    ]  # fmt: skip
    if rows:
        columns = ("day (UTC)", "right", "", "95%", "rated", "of all", "of asked")
        console.print(table(columns, rows, whole=columns))


def _bar(day: FeedbackDay) -> Text:
    from rich.text import Text

    if day.share is None:
        return Text("")
    full = round(day.share * BAR)
    return Text("\u2588" * full, style="green") + Text("\u2591" * (BAR - full), style="dim")


def _interval(day: FeedbackDay) -> str:
    return "" if day.low is None or day.high is None else f"{day.low * 100:.0f}-{day.high * 100:.0f}%"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _verdict(one: Feedback) -> Text:
    from rich.text import Text

    return Text(one.verdict.value, style="green" if one.verdict.value == "right" else "red")


def _corrected(one: Feedback) -> str:
    if isinstance(one.corrected, str):
        return _cut(visible(one.corrected))
    return "" if one.corrected is None else as_json(one.corrected)


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."
