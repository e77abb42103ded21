"""A program can't tell whether its process was prepared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from localcloud.engine import DeployError, hosts
from localcloud.testing import Program

SEEN = """
import json, os, sys
print(json.dumps({
    "path": sys.path, "arguments": sys.argv, "directory": os.getcwd(), "main": __name__, "file": __file__,
    "given": os.read(0, 1).decode(), "own": os.environ.get("OWN"), "stray": os.environ.get("STRAY"),
    "flags": str(sys.flags), "leader": os.getpid() == os.getpgid(0),
}))
print("and to the other stream", file=sys.stderr)
pulumi.export("seen", 1)
"""


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], str]], tuple[str, str]]:
    """Does something in a prepared process and in one of its own; what came of either."""

    def compare(act: Callable[[], str]) -> tuple[str, str]:
        assert hosts._prepared
        first = act()
        with monkeypatch.context() as patch:
            patch.setattr(hosts, "_prepared", [])
            return first, act()

    return compare


def test_it_sees_the_same(
    program: Program, both: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The prepared process began before either was set.
    monkeypatch.setenv("OWN", "1")
    program.write(SEEN)
    prepared, own = both(lambda: "\n".join(program.deploy().messages))
    first, second = (json.loads(said.splitlines()[0]) for said in (prepared, own))
    assert first.pop("leader") is True
    second.pop("leader")  # of its shell's group
    assert first == second
    assert (first["own"], first["stray"], first["given"]) == ("1", None, "")
    assert "and to the other stream" in prepared


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os; print('gone'); sys = os._exit(3)", "exit code 3: gone"),
        ("import os; os.kill(os.getpid(), 9)", "exit code 137: it printed nothing"),
        ("raise SystemExit(4)", "__main__.py:2: SystemExit: 4"),
        ("raise KeyError('name')", "KeyError: 'name'"),
    ],
)
def test_it_ends_the_same(program: Program, both: Callable[..., tuple[str, str]], text: str, words: str) -> None:
    program.write(text)

    def fail() -> str:
        with pytest.raises(DeployError) as raised:
            program.deploy()
        return str(raised.value)

    prepared, own = both(fail)
    assert prepared == own
    assert words in prepared


def test_what_it_left_running_ends_with_it(program: Program, tmp_path: Path) -> None:
    program.write(
        f"import subprocess; child = subprocess.Popen(['sleep', '600']); open({str(tmp_path / 'pid')!r}, 'w').write("
        "str(child.pid))"
    )
    program.deploy()
    left = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_a_program_that_is_killed_ends(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, running, start = tmp_path / "pid", list[hosts.Running](), hosts.start

    def watched(*arguments: Any, **options: Any) -> hosts.Running:
        running.append(start(*arguments, **options))
        return running[-1]

    os.mkfifo(started)
    monkeypatch.setattr(hosts, "start", watched)
    program.write(
        f"import os, threading\nwith open({str(started)!r}, 'w') as file:\n    file.write(str(os.getpid()))\n"
        "threading.Event().wait()"
    )
    with ThreadPoolExecutor() as pool:
        deployment = pool.submit(program.deploy)
        pid = int(started.read_text())
        running[0].kill()
        with pytest.raises(DeployError, match="exit code 137"):
            deployment.result()
    assert not psutil.pid_exists(pid)
