"""Child processes that can't outlive the local cloud, whatever ends it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

# One `sh` leads the group. Its standard input is a pipe whose other end only we hold, so the kernel closes it when we
# end, even by SIGKILL; a second `sh` that reads from it then kills the whole group. A shell starts in 1 ms, a Python
# supervisor in 20, and POSIX has what prctl(PR_SET_PDEATHSIG) has on Linux alone.
# TERM goes on to the command alone, as from a container runtime, also one that comes before the shell knows whom it
# started; a trapped signal makes `wait` return early. What a shell has to say of a child that was killed ("Killed") is
# no output of the command.
_SUPERVISOR = """
exec 3<&0 </dev/null
asked=
trap 'asked=yes' TERM
"$@" 3<&- &
child=$!
exec 2>/dev/null
trap 'kill -TERM $child' TERM
[ -z "$asked" ] || kill -TERM $child
( read -r _ <&3; kill -9 0 ) >/dev/null &
exec 3<&-
while :; do
  wait $child; status=$?
  kill -0 $child || exit $status
done
"""

_CHUNK = 65_536


class Process:
    """A command in a process group of its own, with its output as lines. Made by `start`.

    The group ends with the command, by `kill`, and when the process that started it ends.
    """

    def __init__(self, supervisor: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
        self._supervisor = supervisor
        self._on_line = on_line
        self._rest = b""
        self._reading = threading.Lock()
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"read-{supervisor.pid}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, name=f"watch-{supervisor.pid}", daemon=True).start()

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> Process:
        """Start ``command``.

        Parameters
        ----------
        command : sequence of str
            Program and arguments; no shell reads them.
        cwd : Path
            Where it runs.
        env : mapping
            Its whole environment: nothing of ours is inherited.
        on_line : callable
            Gets each line of standard output and error, in order and without its newline, from a thread of its own.

        Returns
        -------
        Process
            Already running. A command that can't be started ends with 127 and a line that says so.
        """
        supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISOR, "sh", *command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        return cls(supervisor, on_line)

    @property
    def returncode(self) -> int | None:
        """The exit code, 128 + N if signal N ended it (as containers report); None while it runs."""
        if not self._ended.is_set():
            return None
        code = self._supervisor.returncode
        return 128 - code if code < 0 else code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the command has ended and every line of it was delivered.

        Raises
        ------
        TimeoutError
            It still runs after ``timeout`` seconds.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"process {self._supervisor.pid} still runs after {timeout} s")
        code = self.returncode
        assert code is not None  # noqa: S101 - `_ended` is set after the exit code is known
        return code

    def terminate(self) -> None:
        """Ask the command, and nobody else in its group, to end (SIGTERM)."""
        if self._supervisor.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._supervisor.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole tree now, also what left the group; `wait` says when it is gone."""
        for process in self._tree():
            with suppress(psutil.Error):
                process.kill()
        self._kill_group()

    def memory(self) -> int:
        """Resident memory of the command and all it started, in bytes; 0 if it has ended."""
        total = 0
        for process in self._tree():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def drain(self) -> None:
        """Deliver what was written so far: what a child prints before it answers elsewhere comes before that answer."""
        with self._reading:
            stdout = self._supervisor.stdout
            while stdout is not None and not stdout.closed and _readable(stdout.fileno(), 0):
                chunk = os.read(stdout.fileno(), _CHUNK)
                if not chunk:
                    if self._rest:
                        self._deliver(self._rest)
                    self._rest = b""
                    stdout.close()
                    return
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def _tree(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._supervisor.pid).children(recursive=True)
        except psutil.Error:
            return []

    def _kill_group(self) -> None:
        # The reader of the pipe is in the group until we kill it, so the group's id can't be someone else's by now.
        if not self._ended.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)

    def _read(self) -> None:
        stdout = self._supervisor.stdout
        assert stdout is not None  # noqa: S101 - Popen was told to make it
        with suppress(ValueError):  # closed between the question and the call
            while not stdout.closed:
                _readable(stdout.fileno(), None)
                self.drain()

    def _watch(self) -> None:
        self._supervisor.wait()
        self._kill_group()
        # Only a process that left the group can hold the pipe open now; nobody waits for its words.
        self._reader.join(1)
        self.drain()
        if (stdin := self._supervisor.stdin) is not None:
            stdin.close()
        self._ended.set()


def _readable(descriptor: int, timeout_ms: int | None) -> bool:
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))
