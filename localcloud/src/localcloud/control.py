"""What a command line does with a local cloud, beside starting and stopping it; each front end adds its own words."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from localcloud import daemon
from localcloud.advancing import Advanced
from localcloud.daemon import LocalCloudError, Running

PATIENCE = 2.0
"""Seconds after which a command shows that it waits."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Interrupted(Exception):
    """Somebody pressed Ctrl-C while a cloud was being started or deployed on.

    Attributes
    ----------
    runs_on : bool
        The cloud had been running before, and still is. One that was only just started was stopped.
    """

    def __init__(self, *, runs_on: bool) -> None:
        super().__init__("interrupted")
        self.runs_on = runs_on


def running(directory: Path) -> Running:
    """The cloud of ``directory``, which must be running.

    Raises
    ------
    LocalCloudError
        No cloud runs there (``not_running``).
    """
    found = daemon.status(directory)
    if found is None:
        size = daemon.kept(directory)
        kept = "" if size is None else f"; the last one's state is kept ({as_size(size)})"
        raise LocalCloudError("not_running", f"no local cloud runs here{kept}", "{command} up")
    return found


def facts(cloud: Running) -> dict[str, Any]:
    """What ``status`` says of a running cloud, in plain values."""
    return {
        "status": "running",
        "endpoint": cloud.endpoint,
        "pid": cloud.pid,
        "up_since": datetime.fromtimestamp(cloud.started, UTC).isoformat(timespec="seconds"),
        "clock": cloud.now(),
        "kept_bytes": daemon.kept(Path(cloud.directory)),
        "log": str(cloud.log),
    }


def environment(cloud: Running) -> dict[str, str]:
    """The variables that lead AWS clients and Pulumi's CLI to a running cloud."""
    from localcloud.automation.variables import pulumi_variables

    variables = cloud.environment()
    return {**variables, **pulumi_variables(variables, Path(cloud.directory))}


def export_lines(variables: Mapping[str, str]) -> str:
    """Lines for a shell to ``eval``, which set these variables and no others of AWS's."""
    # A profile or a session of the person's own would come before these credentials with some tools.
    lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN PULUMI_CONFIG_PASSPHRASE_FILE"]
    return "\n".join([*lines, *(f"export {name}={shlex.quote(value)}" for name, value in variables.items())])


@contextmanager
def interruptible(directory: Path, *, on_stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C leaves the machine as it was: a cloud that was started within the block goes with it.

    Parameters
    ----------
    directory : Path
        That of `daemon.up`.
    on_stop : callable
        Called before a cloud is stopped, which may take some seconds.

    Raises
    ------
    Interrupted
        Instead of `KeyboardInterrupt`.
    """
    was_running = daemon.status(directory) is not None
    was_kept = daemon.kept(directory) is not None
    try:
        yield
    except KeyboardInterrupt:
        if not was_running:
            on_stop()
            (daemon.stop if was_kept else daemon.down)(directory)
        raise Interrupted(runs_on=was_running) from None


def duration(text: str) -> timedelta:
    """Read ``90s``, ``15m``, ``6h`` or ``7d``; raises `LocalCloudError` (``bad_duration``)."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise LocalCloudError("bad_duration", f"{text!r} is no duration", "Write 90s, 15m, 6h or 7d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def settle_within(text: str, *, settle: bool) -> float | None:
    """Seconds that a stop of the clock may take; None if it shall wait for nothing. Raises as `duration` does."""
    return duration(text).total_seconds() if settle else None


def waits_for(move: Advanced) -> str:
    """Where a move of the clock is, in words."""
    kinds = ", ".join(_counted(one) for one in move.waits_for)
    return f"{move.now[:16].replace('T', ' ')}{f', waits for {kinds}' if kinds else ''}"


class Patient:
    """Tells of a move that takes more than two seconds: a line whenever it waits for something else."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._began = tell, time.monotonic()
        self._told: list[dict[str, Any]] = []

    def __call__(self, move: Advanced) -> None:
        if move.waits_for != self._told and time.monotonic() - self._began > PATIENCE:
            self._told = move.waits_for
            self._tell(waits_for(move))


def passed_in_words(move: Advanced) -> list[str]:
    """A line for each kind of thing that the clock didn't wait for."""
    return [f"not waited for: {_passed(one)}" for one in move.passed]


def _passed(one: Mapping[str, Any]) -> str:
    stops = "" if one["stops"] == 1 else f" at {one['stops']} stops, first"
    since = f"{stops} at {one['first'][:19].replace('T', ' ')}"
    if not one["going"]:
        return f"{_counted(one)},{since}; at rest by now"
    if one["seconds"] is not None:
        return f"{_counted(one)},{since}; goes on in {_span(one['seconds'])} of the machine's clock"
    return f"{_counted(one)},{since}; still going on"


def _counted(one: Mapping[str, Any]) -> str:
    return one["what"] if one["count"] == 1 else f"{one['count']} x {one['what']}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def as_size(number: int) -> str:
    """Bytes for people."""
    return f"{number / 1e6:,.1f} MB"
