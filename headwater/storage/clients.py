"""The one place where AWS clients are made, with bounded time-outs and retries: one of a service for each `Clients`.

Whatever calls AWS is given a `Clients`. Nothing finds one by itself, so that a process can talk to two stacks. The
clients are botocore's, the same that boto3 hands out: importing boto3 around them costs each cold start 0.04 s more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    tcp_keepalive=True,
    user_agent_extra="headwater",
)

# What AWS's services look like takes a tenth of a second each to read: all sessions share it.
_LOADER = Loader()


def new_session(region: str | None = None, *, without_profile: bool = False) -> Session:
    """A session with the environment's configuration and credentials.

    Parameters
    ----------
    region : str, optional
        By default AWS_REGION, which every other tool of AWS obeys, else what botocore finds.
    without_profile : bool
        Whether AWS_PROFILE counts for nothing: what it says of AWS needn't hold elsewhere.
    """
    session = Session({"profile": (None, [], None, None)} if without_profile else None)
    session.register_component("data_loader", _LOADER)
    if region := region or os.environ.get("AWS_REGION"):
        session.set_config_variable("region", region)
    return session


class Clients:
    """AWS clients of one session, made when they are first asked for; safe to share among threads.

    Parameters
    ----------
    session : callable, optional
        Makes the session; by default what the environment says.
    endpoint_url : str, optional
        Where every service answers; by default AWS_ENDPOINT_URL, else AWS.
    """

    def __init__(self, session: Callable[[], Session] = new_session, *, endpoint_url: str | None = None) -> None:
        self._new_session = session
        self.endpoint_url = endpoint_url
        self.connections: dict[str, Any] = {}
        """The connections that `headwater.storage.http` keeps beside the clients."""
        self._session: Session | None = None
        self._made: dict[str, Any] = {}
        # Making a client isn't thread-safe; using one is.
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """The client for ``service``, such as ``"s3"``."""
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def elsewhere(self, service: str, region: str) -> Any:
        """A new client for ``service`` in another region."""
        with self._lock:
            return self._make(service, region_name=region)

    def patient(self, service: str, seconds: float) -> Any:
        """A new client for ``service`` that waits so long for an answer, and asks once."""
        config = CONFIG.merge(Config(read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 1}))
        with self._lock:
            return self._make(service, config=config)

    def _make(self, service: str, config: Config = CONFIG, **more: Any) -> Any:
        return self.session.create_client(service, config=config, endpoint_url=self.endpoint_url, **more)

    def forget(self) -> None:
        """Make every client anew when it is asked for next: the environment has changed."""
        with self._lock:
            self._session = None
            self._made.clear()
            self.connections.clear()

    @property
    def session(self) -> Session:
        """The session that the clients share."""
        if self._session is None:
            self._session = self._new_session()
        return self._session


def error_code(error: Exception) -> str:
    """The code AWS answered with, such as ``"NoSuchKey"``; empty for anything but a ``ClientError``."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
