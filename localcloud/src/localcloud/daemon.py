"""The local cloud as a background server: what ``localcloud up``, ``stop``, ``down`` and ``status`` do.

Every command asks here whether a local cloud runs, so nothing of the cloud itself is imported: `server` is that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from localcloud.account import client_environment
from localcloud.advancing import SETTLE_WITHIN, Advanced, follow
from localcloud.interrupts import interrupted_later
from localcloud.ports import is_free

DEFAULT_PORT = 4610
STATE = "state"
"""The folder with what the cloud keeps, inside the directory of `up`."""
PORT = "port"
"""The file in that folder with the port that the cloud had last."""
REGION = "region"
"""The file in that folder with the cloud's region."""
DEFAULT_REGION = "us-east-1"
RECORD = "cloud.json"
"""The file with `Running`, beside that folder, while the cloud answers."""
HEALTH, CLOCK, ADVANCE = "/_localcloud/health", "/_localcloud/clock", "/_localcloud/clock/advance"
SNAPSHOT = "/_localcloud/snapshot"
STATE_UNUSABLE = 3
"""The exit code of a server whose state can't be read; the last line of its log says why."""
_LOG = "cloud.log"
_START_SECONDS, _STOP_SECONDS = 120.0, 60.0
_THRIFTY = {"MALLOC_TRIM_THRESHOLD_": "131072"}
"""Lets glibc give large pieces back: after the first one that is freed, it would keep all up to 32 MiB for itself
(mallopt(3), M_MMAP_THRESHOLD), which was 200 MB of what zips of code and their uploads leave."""
_PORT_SECONDS = 5.0
# 1 failed, 2 usage, 3 not found, 5 refused.
_EXIT_CODES = {
    "bad_duration": 2,
    "bad_name": 2,
    "moved": 5,
    "no_snapshot": 3,
    "no_state": 3,
    "not_confirmed": 5,
    "not_running": 3,
    "snapshot_exists": 5,
}


class LocalCloudError(Exception):
    """The local cloud can't do what was asked.

    Parameters
    ----------
    reason : str
        For programs, such as ``"port_in_use"``.
    message : str
        What is wrong.
    next_step : str
        What to do about it; ``{command}`` in it stands for the command that the local cloud is driven by.
    """

    def __init__(self, reason: str, message: str, next_step: str) -> None:
        self.reason, self.message, self._next_step = reason, message, next_step
        self.exit_code = _EXIT_CODES.get(reason, 1)
        super().__init__(f"{message}. {self.next_step}")

    @property
    def next_step(self) -> str:
        """What to do about it, for users of the command ``localcloud``."""
        return self.next_step_by("localcloud")

    def next_step_by(self, command: str) -> str:
        """What to do about it, for users of a command that drives the local cloud as ``localcloud`` does."""
        return self._next_step.replace("{command}", command)


@dataclass(frozen=True)
class Running:
    """A local cloud in the background."""

    pid: int
    port: int
    started: float
    """When its process was created (seconds since 1970): a pid alone may be someone else's by now."""
    directory: str
    region: str
    already: bool = False
    """It was up before `up` was called."""

    @property
    def endpoint(self) -> str:
        """What ``AWS_ENDPOINT_URL`` must hold."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file that the server writes its log to."""
        return Path(self.directory) / _LOG

    def environment(self) -> dict[str, str]:
        """The variables that lead any AWS client to this cloud."""
        return client_environment(self.endpoint, self.region)

    def health(self) -> dict[str, Any]:
        """What the server says of itself; raises `OSError` if it doesn't answer."""
        return _get(self.endpoint + HEALTH)

    def now(self) -> str:
        """The cloud's time (ISO 8601, UTC)."""
        return str(_get(self.endpoint + CLOCK)["now"])

    def advance(
        self,
        by: timedelta,
        *,
        settle_within: float | None = SETTLE_WITHIN,
        on_wait: Callable[[Advanced], None] = lambda _: None,
    ) -> Advanced:
        """Move the cloud's clock forward; what falls due on the way has run when this returns.

        Parameters
        ----------
        by : timedelta
            How far.
        settle_within : float or None
            Seconds that each stop may wait for what was started; None waits for nothing.
        on_wait : callable
            Called about twice a second with how far it is.

        Raises
        ------
        OSError
            The cloud doesn't answer, or the clock can't be moved like this.
        KeyboardInterrupt
            The clock has come to a stop where it was, at a moment between two stops or at one.
        """
        return follow(lambda asked: _get(self.endpoint + ADVANCE, asked), by, settle_within, on_wait)

    def copy_state(self, to: Path) -> None:
        """Write what the cloud keeps to a new folder, as it is between two calls; raises `OSError` if that fails."""
        try:
            _get(self.endpoint + SNAPSHOT, {"to": str(to)})
        except urllib.error.HTTPError as error:
            raise OSError(json.load(error)["message"]) from None


def up(directory: Path, *, port: int | None = DEFAULT_PORT, region: str | None = None) -> Running:
    """Start a local cloud in the background with the state that was kept, or find the one that runs already.

    Parameters
    ----------
    directory : Path
        Where it keeps its files, record (``cloud.json``) and log (``cloud.log``).
    port : int or None
        Port on 127.0.0.1. By default the one that it had last, which addresses of queues and APIs hold, or 4610; 0
        takes that one if it is free, else any free one.
    region : str, optional
        Its region. By default the one of the state that was kept, or us-east-1.

    Returns
    -------
    Running
        Healthy. ``already`` says whether it was up before; then its port may be another than asked for.

    Raises
    ------
    LocalCloudError
        The port is taken by another program, or the server didn't come up.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with _exclusively(directory):
        if (found := status(directory)) is not None:
            return Running(**{**asdict(found), "already": True})
        known = _last(directory, PORT)
        last = int(known) if known.isdecimal() else None
        if port is None:
            port = last or DEFAULT_PORT
        elif port == 0 and last and is_free(last, within=_PORT_SECONDS):
            port = last
        if port and not is_free(port, within=_PORT_SECONDS if port == last else 0.0):
            raise LocalCloudError(
                "port_in_use",
                f"port {port} is used by another program",
                "Stop that program, or choose another port (0 takes a free one)",
            )
        (directory / RECORD).unlink(missing_ok=True)
        process: subprocess.Popen[bytes] | None = None
        try:
            with interrupted_later():
                process = _spawn(directory, port, region or _last(directory, REGION) or DEFAULT_REGION)
            return _await_health(directory, process)
        except BaseException:
            # Ctrl-C too: `down` can't find a server that hasn't left its record yet.
            if process is not None:
                process.kill()
                process.wait()
            raise


def down(directory: Path) -> bool:
    """Stop the cloud of ``directory`` and forget its state; False if none ran.

    Raises
    ------
    LocalCloudError
        It doesn't end.
    """
    was_running = stop(directory)
    discard(directory / STATE)
    return was_running


def discard(state: Path) -> None:
    """Delete a state, or a snapshot of one, if it is there; half of it is never taken for a whole one."""
    gone = state.with_name(f".{state.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if state.exists():
        state.rename(gone)
        shutil.rmtree(gone)


def kept(directory: Path) -> int | None:
    """Bytes of the state on disk, whether the cloud runs or not; None if there is none."""
    state = directory / STATE
    if not (state / "state.db").exists():
        return None
    total = 0
    for path in state.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the cloud tidies up meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def stop(directory: Path) -> bool:
    """Stop the cloud of ``directory`` and all it started, and keep its state; False if none ran.

    Raises
    ------
    LocalCloudError
        It doesn't end.
    """
    directory = directory.resolve()
    record = _read_record(directory)
    process = _process_of(record) if record is not None else None
    if process is None:
        (directory / RECORD).unlink(missing_ok=True)
        return False
    assert record is not None  # noqa: S101 -- there is a process of it
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        if not _ends(record, _STOP_SECONDS):
            # Its children end with it, whatever ends it.
            process.kill()
            if not _ends(record, _STOP_SECONDS):
                raise LocalCloudError(
                    "did_not_stop", f"process {process.pid} of the local cloud doesn't end", "End it by hand"
                )
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0)  # if it is a child of ours
    (directory / RECORD).unlink(missing_ok=True)
    return True


def status(directory: Path) -> Running | None:
    """The cloud of ``directory``, if it runs and answers; a record that a killed server left behind doesn't count.

    Raises
    ------
    LocalCloudError
        It was started in another directory, which was moved here, and doesn't find its files any more.
    """
    directory = directory.resolve()
    record = _read_record(directory)
    if record is None or _process_of(record) is None:
        return None
    try:
        healthy = record.health().get("pid") == record.pid
    except (OSError, ValueError):
        return None
    if healthy and Path(record.directory) != directory:
        raise LocalCloudError(
            "moved",
            f"the local cloud runs since it was in {record.directory}, which is {directory} now: it doesn't find its "
            "files there",
            "{command} stop, then {command} up: what is on it is kept",
        )
    return record if healthy else None


def _spawn(directory: Path, port: int, region: str) -> subprocess.Popen[bytes]:
    options = ["--port", str(port), "--region", region]
    with (directory / _LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "localcloud.server", str(directory), *options], env={**_THRIFTY, **os.environ},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True,
        )  # fmt: skip


def _await_health(directory: Path, process: subprocess.Popen[bytes]) -> Running:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if (code := process.poll()) == STATE_UNUSABLE:
            said = (directory / _LOG).read_text(errors="replace").strip().splitlines()[-1]
            raise LocalCloudError("state_unusable", said, "Nothing was changed; to forget it: {command} down --yes")
        if code is not None:
            last = (directory / _LOG).read_text(errors="replace").strip().splitlines()[-1:]
            said = f": {last[0]}" if last else ""
            raise LocalCloudError(
                "did_not_start", f"the local cloud ended with code {code}{said}", f"Its log is {directory / _LOG}"
            )
        if (running := status(directory)) is not None and running.pid == process.pid:
            # It outlives us: nobody will wait for it, and Popen would warn of that.
            process.returncode = 0
            return running
        time.sleep(0.02)
    raise LocalCloudError(
        "did_not_start",
        f"the local cloud didn't answer within {_START_SECONDS:.0f} s",
        f"Its log is {directory / _LOG}",
    )


def _last(directory: Path, name: str) -> str:
    try:
        return (directory / STATE / name).read_text()
    except OSError:
        return ""


@contextlib.contextmanager
def _exclusively(directory: Path) -> Iterator[None]:
    """Two `up` at once must not start two servers."""
    import fcntl

    with (directory / "cloud.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_record(directory: Path) -> Running | None:
    try:
        return Running(**json.loads((directory / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _process_of(record: Running) -> psutil.Process | None:
    """The recorded process; None if it is gone, or its pid was given to another."""
    try:
        process = psutil.Process(record.pid)
        # Within a second: the boot time that this is computed from is rounded on some systems.
        same = abs(process.create_time() - record.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if same else None


def _ends(record: Running, within: float) -> bool:
    """Whether the recorded process ends in so many seconds. A program that started it may never ask how it ended."""
    deadline = time.monotonic() + within
    while _process_of(record) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _get(url: str, body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=600 if body else 5) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
        return answer
