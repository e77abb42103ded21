"""`pulumi-language-python` for tests: the parts of Pulumi's Python language host that plain `pulumi` commands need.

The host itself is a Go program that no package index serves. This one runs the program with Pulumi's own SDK, by the
language server of its Automation API, so that what the tests see of `pulumi preview` and `pulumi up` is the CLI's own.
"""

from __future__ import annotations

import os
import runpy
import shlex
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NAME = "pulumi-language-python"


def install(folder: Path) -> Path:
    """Write the program that engines look for on PATH; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / NAME
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(__file__)} "$@"\n')
    program.chmod(0o755)
    return folder


def main() -> None:
    """Serve until the engine ends us."""
    import grpc
    from pulumi.automation._server import LanguageServer
    from pulumi.runtime.proto import language_pb2_grpc

    class Host(LanguageServer):
        def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
            folder = Path(request.info.program_directory or request.pwd)
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            self.program = lambda: runpy.run_path(str(folder), run_name="__main__") and None
            request.args.insert(0, sys.argv[-1])  # the engine's address
            return super().Run(request, context)

    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(lambda: None), server)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201 - the protocol
    ended.wait()
    server.stop(1).wait()


if __name__ == "__main__":
    main()
