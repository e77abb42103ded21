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

# A shell that starts a watchdog and then becomes the command. The watchdog reads from a pipe whose other end only we
# hold, so the kernel closes it when we end, even by SIGKILL; then the whole group is killed. A shell starts in 1 ms, a
# Python supervisor in 20, and POSIX has what prctl(PR_SET_PDEATHSIG) has on Linux alone. The watchdog is a grandchild
# of a shell that has ended: a command that waits for any of its children never waits for it.
# No shell stays between us and the command: dash loses a signal, or a child's exit code, now and then, when the child
# ends while a trap runs.
_SUPERVISED = """
exec 3<&0 </dev/null
( ( read -r _ <&3; kill -9 0 ) >/dev/null 2>&1 & )
exec "$@" 3<&-
"""

_CHUNK = 65_536


class Process:
    """A command in a process group of its own, with its output as lines. Made by `start`.

    The group ends with the command, by `kill`, and when the process that started it ends.
    """

    def __init__(self, command: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
        self._command = command
        # Knows by its start time that it is gone: the number may be another process's by then, which mustn't be killed.
        self._seen = psutil.Process(command.pid)
        self._on_line = on_line
        self._rest = b""
        self._reading = threading.Lock()
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"read-{command.pid}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, name=f"watch-{command.pid}", daemon=True).start()

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
        started = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISED, "sh", *command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        return cls(started, on_line)

    @property
    def returncode(self) -> int | None:
        """The exit code, 128 + N if signal N ended it (as containers report); None while it runs."""
        if not self._ended.is_set():
            return None
        code = self._command.returncode
        return 128 - code if code < 0 else code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the command has ended and every line of it was delivered.

        Raises
        ------
        TimeoutError
            It still runs after ``timeout`` seconds.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"process {self._command.pid} still runs after {timeout} s")
        code = self.returncode
        assert code is not None  # noqa: S101 - `_ended` is set after the exit code is known
        return code

    def terminate(self) -> None:
        """Ask the command, and nobody else in its group, to end (SIGTERM)."""
        if self._command.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._command.pid, signal.SIGTERM)

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
            stdout = self._command.stdout
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
            return [self._seen, *self._seen.children(recursive=True)]
        except psutil.Error:
            return []

    def _kill_group(self) -> None:
        # The reader of the pipe is in the group until we kill it, so the group's id can't be someone else's by now.
        if not self._ended.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._command.pid, signal.SIGKILL)

    def _read(self) -> None:
        stdout = self._command.stdout
        assert stdout is not None  # noqa: S101 - Popen was told to make it
        with suppress(ValueError):  # closed between the question and the call
            while not stdout.closed:
                _readable(stdout.fileno(), None)
                self.drain()

    def _watch(self) -> None:
        self._command.wait()
        self._kill_group()
        # Only a process that left the group can hold the pipe open now; nobody waits for its words.
        self._reader.join(1)
        self.drain()
        if (stdin := self._command.stdin) is not None:
            stdin.close()
        self._ended.set()


def _readable(descriptor: int, timeout_ms: int | None) -> bool:
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))
