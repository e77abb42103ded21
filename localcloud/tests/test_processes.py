"""Children are seen, measured, stopped, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from localcloud.processes import Process

PATH = {"PATH": os.environ["PATH"]}


class Lines(list[str]):
    """What a process printed, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.append(line)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self) >= count, 20), list(self)


def start(code: str, tmp_path: Path, lines: Lines) -> Process:
    return Process.start([sys.executable, "-I", "-S", "-u", "-c", code], cwd=tmp_path, env=PATH, on_line=lines)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} outlived its parent"
        threading.Event().wait(0.01)


def test_output_and_exit_code_arrive_in_order(tmp_path: Path) -> None:
    lines = Lines()
    process = start(
        "import sys; print('a'); print('b', file=sys.stderr); print('ä', end=''); sys.exit(3)", tmp_path, lines
    )
    assert process.wait(20) == 3
    assert lines == ["a", "b", "ä"]


def test_a_command_that_does_not_exist_ends_with_127_and_says_so(tmp_path: Path) -> None:
    lines = Lines()
    process = Process.start(["no-such-command"], cwd=tmp_path, env=PATH, on_line=lines)
    assert process.wait(20) == 127
    assert "no-such-command" in lines[0]


def test_nothing_of_our_environment_is_inherited(tmp_path: Path) -> None:
    lines = Lines()
    start(
        "import os; print(sorted(set(os.environ) - {'PATH', 'PWD', 'LC_CTYPE', '_', 'SHLVL', 'OLDPWD'}))",
        tmp_path,
        lines,
    ).wait(20)
    assert lines == ["[]"]


def test_a_kill_ends_grandchildren_too(tmp_path: Path) -> None:
    lines = Lines()
    process = start(
        "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid); time.sleep(600)", tmp_path, lines
    )
    lines.wait_for(1)
    process.kill()
    assert process.wait(20) == 128 + signal.SIGKILL
    wait_until_gone(int(lines[0]))


def test_a_command_that_is_killed_has_said_nothing_of_it(tmp_path: Path) -> None:
    lines = Lines()
    process = start("import os; print('alive'); os.kill(os.getpid(), 9)", tmp_path, lines)
    assert process.wait(20) == 128 + signal.SIGKILL
    assert lines == ["alive"]


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    lines = Lines()
    process = start("import subprocess; print(subprocess.Popen(['sleep', '600']).pid)", tmp_path, lines)
    assert process.wait(20) == 0
    wait_until_gone(int(lines[0]))


def test_terminate_lets_the_command_end_its_own_way(tmp_path: Path) -> None:
    lines = Lines()
    code = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready")
signal.sigwait({signal.SIGTERM})
print("tidied up")
sys.exit(7)
"""
    process = start(code, tmp_path, lines)
    lines.wait_for(1)
    process.terminate()
    assert process.wait(20) == 7
    assert lines == ["ready", "tidied up"]


def test_a_command_that_waits_for_its_children_has_none_that_it_did_not_start(tmp_path: Path) -> None:
    lines = Lines()
    process = start("import os, signal; signal.alarm(20); os.wait()", tmp_path, lines)
    assert process.wait(30) == 1
    assert "ChildProcessError" in lines[-1]


def test_memory_counts_the_whole_tree(tmp_path: Path) -> None:
    lines = Lines()
    code = """
import subprocess, sys, time
big = "x = bytearray(50_000_000); print('big'); import time; time.sleep(600)"
subprocess.Popen([sys.executable, '-I', '-S', '-u', '-c', big])
time.sleep(600)
"""
    process = start(code, tmp_path, lines)
    lines.wait_for(1)
    assert process.memory() > 50_000_000
    process.kill()
    process.wait(20)
    assert process.memory() == 0


def test_waiting_for_a_process_that_runs_on_raises(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", tmp_path, Lines())
    with pytest.raises(TimeoutError):
        process.wait(0)
    assert process.returncode is None
    process.kill()
    process.wait(20)


def test_no_orphan_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import sys
from pathlib import Path
from localcloud.processes import Process
code = "import os, time; print(os.getpid()); time.sleep(600)"
Process.start([sys.executable, "-I", "-S", "-u", "-c", code], cwd=Path({str(tmp_path)!r}), env={PATH!r},
              on_line=lambda line: print(line, flush=True)).wait()
""",
        ],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone(child)


def test_who_has_the_number_of_a_command_that_ended_is_not_killed(tmp_path: Path) -> None:
    # Linux gives numbers anew after 32,768 processes on some machines: a build's was another program's at the end.
    ended = start("", tmp_path, Lines())
    assert ended.wait(20) == 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        gone = psutil.Process(stranger.pid)
        gone._create_time, gone._ident = 1.0, (stranger.pid, 1.0)  # as it knows one that had the number before
        ended._command.pid, ended._seen = stranger.pid, gone
        ended.kill()
        assert ended.memory() == 0
        assert stranger.poll() is None
        stranger.kill()
