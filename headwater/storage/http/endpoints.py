"""Where a request goes and how it is signed: as botocore's own client would have it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from headwater.storage.clients import Clients
from headwater.storage.http.signing import Signer
from headwater.storage.http.sockets import UNANSWERED, Received, Sockets, Unanswered

AT_ONCE: Any = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
"""As botocore's clients set their sockets. Without the first, a small body waits 40 ms for an acknowledgement."""


class Sent(NamedTuple):
    """A signed request."""

    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    body: bytes

    @property
    def head(self) -> bytes:
        """Its first line and headers as HTTP/1.1 has them."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


class Transport(Protocol):
    """Carries requests to one host."""

    def send(self, sent: Sent) -> Received:
        """The answer; raises one of `UNANSWERED` without one."""

    def send_all(self, sent: Sequence[Sent]) -> list[Received | Unanswered]:
        """The answers to several requests of one method, which are under way together."""


class Endpoint(NamedTuple):
    """Where requests for one bucket or service go, and how they are signed."""

    url: str
    """``scheme://host[:port]``."""
    host: str
    """As the header says it."""
    prefix: str
    """The beginning of every path: ``/<bucket>`` where the bucket isn't in the host's name."""
    region: str
    signer: Signer
    transport: Transport


class Endpoints:
    """The endpoints of one service, each found once.

    Parameters
    ----------
    service : str
    clients : Clients
    """

    def __init__(self, service: str, clients: Clients) -> None:
        self._service, self._clients = service, clients
        self._client = clients(service)
        self._known: dict[str, Endpoint] = {}
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def find(self, bucket: str) -> Endpoint:
        """Where a bucket answers or, for none, the service."""
        if (known := self._known.get(bucket)) is not None:
            return known
        meta = self._client.meta
        with self._lock:
            if bucket not in self._known:
                self._known[bucket] = (
                    self._bucket_at(self._client, bucket)
                    if bucket
                    else self._endpoint(meta.endpoint_url, "", meta.service_model.signing_name, meta.region_name)
                )
            return self._known[bucket]

    def move(self, bucket: str, region: str) -> None:
        """Remember that a bucket is in another region."""
        with self._lock:
            self._known[bucket] = self._bucket_at(self._clients.elsewhere(self._service, region), bucket)

    def _bucket_at(self, made: Any, bucket: str) -> Endpoint:
        seen = _asked(made, bucket)
        address, signing = urlsplit(seen["url"]), seen["context"].get("signing", {})
        return self._endpoint(
            f"{address.scheme}://{address.netloc}",
            address.path.removesuffix("/k"),
            signing.get("signing_name", made.meta.service_model.signing_name),
            signing.get("region", made.meta.region_name),
        )

    def _endpoint(self, url: str, prefix: str, name: str, region: str) -> Endpoint:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        if base not in self._transports:
            self._transports[base] = self._transport(base)
        return Endpoint(base, parts.netloc, prefix, region, Signer(name, region), self._transports[base])

    def _transport(self, url: str) -> Transport:
        parts, config = urlsplit(url), self._client.meta.config
        ours = self._clients.session.get_config_variable("ca_bundle")
        verify: Any = ours or os.environ.get("REQUESTS_CA_BUNDLE") or True
        if proxies := get_environ_proxies(url):
            timeout: Any = (config.connect_timeout, config.read_timeout)
            session = URLLib3Session(verify=verify, proxies=proxies, timeout=timeout, socket_options=AT_ONCE)
            return _Proxied(url, session)
        secure = parts.scheme == "https"
        return _Direct(
            Sockets(
                url,
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                verify=verify if secure else None,
                connect_timeout=config.connect_timeout,
                read_timeout=config.read_timeout,
            )
        )


class _Direct:
    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    def send(self, sent: Sent) -> Received:
        return self._sockets.exchange(sent.head + sent.body, bodiless=sent.method == "HEAD")

    def send_all(self, sent: Sequence[Sent]) -> list[Received | Unanswered]:
        whole = [one.head + one.body for one in sent]
        return self._sockets.exchange_all(whole, bodiless=sent[0].method == "HEAD")


class _Proxied:
    """Through a proxy by way of botocore's own session, one at a time."""

    def __init__(self, url: str, session: URLLib3Session) -> None:
        self._url, self._session = url, session

    def send(self, sent: Sent) -> Received:
        return received(self._session.send(Prepared(self._url, sent)))

    def send_all(self, sent: Sequence[Sent]) -> list[Received | Unanswered]:
        outcomes: list[Received | Unanswered] = []
        for one in sent:
            try:
                outcomes.append(self.send(one))
            except UNANSWERED as error:
                outcomes.append(error)
        return outcomes


class Prepared(AWSPreparedRequest):
    """A request as botocore has it just before it is sent."""

    def __init__(self, url: str, sent: Sent) -> None:
        self.method, self.url, self.body, self.stream_output = sent.method, url + sent.target, sent.body, False
        self._plain = sent.headers
        self._headers: HeadersDict | None = None

    @property
    def headers(self) -> Any:  # type: ignore[override]
        """Made when they are asked for."""
        if self._headers is None:
            self._headers = HeadersDict(self._plain)
        return self._headers


def received(response: Any) -> Received:
    """The received response, from botocore or from a handler in AWS's place."""
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Received(response.status_code, headers, response.content)


def _asked(made: Any, bucket: str) -> dict[str, Any]:
    """The request that botocore's client for S3 would send for the object ``k`` of a bucket; it isn't sent."""
    seen: list[dict[str, Any]] = []
    asking = threading.get_ident()

    def answer(params: dict[str, Any], **_: Any) -> Any:
        if threading.get_ident() != asking:
            return None
        seen.append(params)
        # Whoever answers before the call, as botocore's own Stubber does, ends it.
        return SimpleNamespace(status_code=200), {"ResponseMetadata": {}}

    made.meta.events.register_first("before-call.s3.HeadObject", answer)
    try:
        made.head_object(Bucket=bucket, Key="k")
    finally:
        made.meta.events.unregister("before-call.s3.HeadObject", answer)
    return seen[0]
