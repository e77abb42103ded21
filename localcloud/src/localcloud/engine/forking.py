"""Runs `host.py` in forks of one process that has imported Pulumi's SDK; started as a script by `hosts.prepared`.

Its argument is the socket to listen at. Each connection brings the path of a file that says what to run, and the
descriptor of what is to be its output; it is told the program's process and its exit code, and its end is the
program's end. Imports nothing of the local cloud, as `host.py` does not.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

_HOST = Path(__file__).with_name("host.py")


def main(address: str) -> None:
    """Serve until this process is killed; returns in the forks that are to run a program."""
    import_module("pulumi.runtime")
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - its reader waits for that
        # Nobody asks for the exit codes of supervisors.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _supervise(connection)


def _supervise(connection: socket.socket) -> None:
    """Run one program in a fork, which returns; kill its group if the connection ends before it does."""
    os.setsid()
    message, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
    if (program := os.fork()) == 0:
        connection.close()
        os.setpgid(0, 0)
        _become(json.loads(Path(message.decode()).read_text()), descriptors[0])
        return
    with suppress(OSError):  # whoever of the two comes first
        os.setpgid(program, program)
    os.close(descriptors[0])

    def watch() -> None:
        with suppress(OSError):
            connection.recv(1)
        with suppress(ProcessLookupError):
            os.killpg(program, signal.SIGKILL)

    with suppress(OSError):
        connection.sendall(f"{program}\n".encode())
    threading.Thread(target=watch, daemon=True).start()
    _, status = os.waitpid(program, 0)
    with suppress(ProcessLookupError):
        os.killpg(program, signal.SIGKILL)  # what it left behind
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: dict[str, object], output: int) -> None:
    """Be as a process that was started for this order alone."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(dict(order["environment"]))  # type: ignore[call-overload]
    os.chdir(str(order["directory"]))
    sys.argv = [str(_HOST), str(order["order"])]


if __name__ == "__main__":
    main(sys.argv[1])
    # The exit code of the fork is that of the host, which ends as any interpreter does.
    runpy.run_path(str(_HOST), run_name="__main__")
