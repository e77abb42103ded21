"""What a command line does with a local cloud, beside starting and stopping it; each front end adds its own words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from localcloud import daemon
from localcloud.daemon import LocalCloudError, Running

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


def as_size(number: int) -> str:
    """Bytes for people."""
    return f"{number / 1e6:,.1f} MB"
