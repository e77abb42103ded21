"""The process in which a local cloud lives; `daemon` starts it."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import psutil

from localcloud import service_models
from localcloud.daemon import DEFAULT_PORT, DEFAULT_REGION, PORT, RECORD, REGION, STATE, STATE_UNUSABLE, Running
from localcloud.persistence.errors import StateUnusable


def serve(directory: Path, port: int, region: str) -> None:
    """Serve a cloud until SIGTERM or SIGINT; the record is there while it answers."""
    service_models.share_with_moto()
    gc.set_threshold(10_000, 20, 20)
    from localcloud.admin import Admin
    from localcloud.cloud import Cloud

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    cloud = Cloud(directory, port=port, region=region, state=directory / STATE)
    cloud.dispatcher.add(Admin(cloud))
    try:
        cloud.__enter__()
    except StateUnusable as error:
        sys.stderr.write(f"the state of the local cloud can't be used: {error}\n")
        sys.exit(STATE_UNUSABLE)
    gc.collect()
    gc.freeze()  # moto's modules and AWS's descriptions stay: there is no garbage among them
    with contextlib.closing(cloud):
        (directory / STATE / PORT).write_text(str(cloud.port))
        (directory / STATE / REGION).write_text(region)
        record = Running(os.getpid(), cloud.port, psutil.Process().create_time(), str(directory), region)
        # Renamed into place: a reader sees all of it or nothing.
        draft = directory / f"{RECORD}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(directory / RECORD)
        ended.wait()
        (directory / RECORD).unlink(missing_ok=True)


def main() -> None:
    """``python -m localcloud.server DIRECTORY [--port N] [--region R]``: serve in the foreground."""
    parser = argparse.ArgumentParser(prog="localcloud.server")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--region", default=DEFAULT_REGION)
    arguments = parser.parse_args()
    serve(arguments.directory.resolve(), arguments.port, arguments.region)


if __name__ == "__main__":
    main()
