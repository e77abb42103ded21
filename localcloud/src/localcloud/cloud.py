"""The local cloud itself: its emulators, its state and its server, from start to stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from localcloud.context import CloudContext
from localcloud.long_poll import LongPoll
from localcloud.persistence.keeper import Keeper
from localcloud.services import build_services
from localcloud.serving import Server


class Cloud(CloudContext):
    """AWS on one port of this machine; a context manager.

    Moto keeps its state in the process, so a process has one cloud at a time.

    Parameters
    ----------
    directory : Path
        Where emulators keep files (unpacked zips, images, logs of processes); made if it isn't there.
    port : int
        Port on 127.0.0.1; 0 takes a free one.
    region : str
        The only region that emulators act in.
    state : Path or None
        Where the cloud's state is kept; by default it ends with the process.
    """

    def __init__(self, directory: Path, *, port: int = 0, region: str = "us-east-1", state: Path | None = None) -> None:
        super().__init__(directory, region)
        self.keeper: Keeper | None = None
        self._state = state
        self._requested_port = port

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.emulators = build_services(self)
        # Last, so that every emulator has had its say about the call.
        self.dispatcher.add(LongPoll(self))
        if self._state is not None:
            self.journal = self.keeper = Keeper(self, self._state)
            self.keeper.restore()
        self._server = Server(self.dispatcher, self._requested_port, name="dispatcher")
        # Moto's Step Functions interpreter calls back to this port.
        os.environ["MOTO_PORT"] = str(self.port)
        try:
            for emulator in self.emulators:
                emulator.open()
            if self.keeper is not None:
                self.keeper.resume()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; every process that an emulator started is gone when this returns."""
        if self.keeper is not None:
            self.keeper.freeze()
        self.stopped.set()
        for emulator in reversed(self.emulators):
            emulator.close()
        if self._server is not None:
            self._server.close()
        self.workers.shutdown(wait=False, cancel_futures=True)
        for client in self._clients:
            client.close()
        if self.keeper is not None:
            self.keeper.close()
