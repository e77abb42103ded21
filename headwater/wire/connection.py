"""Requests to AWS that Headwater signs and reads itself.

For the calls that are made by the thousand: botocore costs half a millisecond of CPU each, nearly all of it in checking
parameters, resolving the endpoint again and parsing by the service's model. What decides *who* asks *where* stays
botocore's: endpoint and addressing, credentials and their renewal, regions, certificates, time-outs. So do the errors
and the event ``before-send``, at which moto and tests answer in AWS's place.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from botocore import __version__ as botocore_version
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import ClientError, ConnectTimeoutError, HTTPClientError, NoCredentialsError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.retries.quota import RetryQuota
from botocore.utils import get_environ_proxies

from headwater.aws import Clients, client
from headwater.wire.signing import Credentials, Signer, canonical_query
from headwater.wire.sockets import Received as Answer
from headwater.wire.sockets import Sockets

__all__ = ["Answer", "Connection", "connection"]

_LONGEST_PAUSE = 20.0
_RETRY_COST, _TIMEOUT_COST, _SUCCESS_GAIN = 5, 10, 1
# Those of botocore's standard mode.
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({
    "BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "Throttling", "ThrottlingException", "ThrottledException",
    "TooManyRequestsException", "TransactionInProgressException",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_MOVED = frozenset({301, 302, 307, 400})
_USER_AGENT = f"headwater Botocore/{botocore_version}"


class _Place(NamedTuple):
    """Where requests of one kind go, and how they are signed."""

    url: str
    """``scheme://host[:port]``."""
    host: str
    """As the header says it."""
    prefix: str
    """Of every path: ``/<bucket>`` where the bucket isn't in the host's name."""
    signer: Signer
    send: Callable[[str, str, dict[str, str], bytes], Answer]


class Connection:
    """Signed requests to one service, for as many threads as like; see `connection`.

    Parameters
    ----------
    service : str
        As botocore calls it.
    clients : Clients
        Whose client says where the service answers, and whose session who asks.
    pause : callable
        Waits so many seconds before another try.
    """

    def __init__(self, service: str, clients: Clients, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._service, self._clients, self._pause = service, clients, pause
        self._client = clients(service)
        self._tries: int = self._client.meta.config.retries["total_max_attempts"]
        self._event = f"before-send.{self._client.meta.service_model.service_id.hyphenize()}."
        self._quota = RetryQuota()
        self._places: dict[str, _Place] = {}
        self._transports: dict[str, Callable[[str, str, dict[str, str], bytes], Answer]] = {}
        self._lock = threading.Lock()

    # -- the two kinds of requests ------------------------------------------------------------------------------

    def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """One operation of a service that speaks AWS's JSON protocol, such as DynamoDB.

        Parameters
        ----------
        operation : str
            Such as ``"BatchGetItem"``.
        payload : mapping
            As AWS's reference of the API describes it; binary values are base64 text.

        Returns
        -------
        dict
            The answer's JSON; binary values are base64 text.

        Raises
        ------
        ClientError
            The service's own class of it, as botocore's client would.
        HTTPClientError
            Nobody answered.
        """
        metadata = self._client.meta.service_model.metadata
        headers = {
            "content-type": f"application/x-amz-json-{metadata['jsonVersion']}",
            "x-amz-target": f"{metadata['targetPrefix']}.{operation}",
        }
        body = json.dumps(payload, separators=(",", ":")).encode()
        answer = self._send(operation, "", "POST", "/", "", headers, body)
        found: dict[str, Any] = json.loads(answer.body or b"{}")
        return found

    def request(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str = "",
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """One operation of S3.

        Parameters
        ----------
        operation : str
            What S3's reference calls it, such as ``"HeadObject"``; for errors and for whoever answers in S3's place.
        method : str
        bucket : str
        key : str, optional
            Any that S3 takes: no part of it is resolved or changed.
        query : iterable of (str, str), optional
        headers : mapping, optional
            Lower-case names.
        body : bytes, optional

        Returns
        -------
        Answer
            With a status below 300.

        Raises
        ------
        ClientError
            With S3's code; of an answer without a body (to HEAD) it is the status.
        HTTPClientError
            Nobody answered.
        """
        return self._send(
            operation, bucket, method, "/" + quote(key, safe="/~"), canonical_query(query), dict(headers or {}), body
        )

    # -- the one way --------------------------------------------------------------------------------------------

    def _send(
        self, operation: str, bucket: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        tries, spent, moved = 1, 0, False
        while True:
            credentials = self._credentials()
            failed: Exception
            try:
                answer = self._once(credentials, operation, bucket, method, path, query, headers, body)
            except HTTPClientError as error:
                failed = error
                cost = _TIMEOUT_COST if isinstance(error, ConnectTimeoutError | ReadTimeoutError) else _RETRY_COST
            else:
                if answer.status < 300 and _is_whole(answer):
                    self._quota.release(spent or _SUCCESS_GAIN)
                    return answer
                if not moved and (moved := self._follow(bucket, answer)):
                    continue
                failed, cost = self._error(operation, answer, tries), _RETRY_COST
                if not self._passes(failed, answer, credentials):
                    raise failed
            if tries >= self._tries or not self._quota.acquire(cost):
                raise failed
            # Full jitter, doubled with each try, as in botocore's standard mode.
            self._pause(min(_LONGEST_PAUSE, random.random() * 2 ** (tries - 1)))  # noqa: S311
            tries, spent = tries + 1, cost

    def _once(
        self,
        credentials: Credentials,
        operation: str,
        bucket: str,
        method: str,
        path: str,
        query: str,
        given: dict[str, str],
        body: bytes,
    ) -> Answer:
        place = self._places.get(bucket) or self._find(bucket)
        path = place.prefix + path
        headers = {"host": place.host, **given}
        place.signer.sign(credentials, method, path, query, headers, body)
        target = f"{path}?{query}" if query else path
        # Added after signing: a proxy may change them.
        headers["user-agent"], headers["accept-encoding"] = _USER_AGENT, "identity"
        if body or method in ("PUT", "POST"):
            headers["content-length"] = str(len(body))
        request = _Prepared(method, place.url + target, headers, body)
        for _, response in self._client.meta.events.emit(self._event + operation, request=request):
            if response is not None:
                return _answer(response)
        return place.send(method, target, headers, body)

    def _credentials(self) -> Credentials:
        held: Any = self._clients.session.get_credentials()
        if held is None:
            raise NoCredentialsError
        # Those of a role are renewed in here when they are about to expire.
        frozen: Credentials = held.get_frozen_credentials()
        return frozen

    def _passes(self, error: ClientError, answer: Answer, used: Credentials) -> bool:
        """Whether the same request may succeed later."""
        code = error.response["Error"]["Code"]
        if code in _EXPIRED:
            return self._credentials().token != used.token
        return answer.status < 300 or answer.status in _PASSING_STATUSES or code in _PASSING_CODES

    def _error(self, operation: str, answer: Answer, tries: int) -> ClientError:
        code, message, more = _refusal(answer)
        about = {"HTTPStatusCode": answer.status, "HTTPHeaders": answer.headers, "RetryAttempts": tries - 1}
        if (identity := answer.headers.get("x-amz-request-id") or answer.headers.get("x-amzn-requestid")) is not None:
            about["RequestId"] = identity
        kind = self._client.exceptions.from_code(code)
        made: ClientError = kind(
            {**more, "Error": {"Code": code, "Message": message}, "ResponseMetadata": about}, operation
        )
        return made

    # -- where ----------------------------------------------------------------------------------------------------

    def _find(self, bucket: str) -> _Place:
        """Where a bucket answers or, for none, the service."""
        meta = self._client.meta
        with self._lock:
            if bucket not in self._places:
                self._places[bucket] = (
                    self._bucket_at(self._client, bucket)
                    if bucket
                    else self._place(meta.endpoint_url, "", meta.service_model.signing_name, meta.region_name)
                )
            return self._places[bucket]

    def _follow(self, bucket: str, answer: Answer) -> bool:
        """Whether an answer says that the bucket is in another region, which is remembered."""
        region = answer.headers.get("x-amz-bucket-region")
        if not bucket or answer.status not in _MOVED or region in (None, self._client.meta.region_name):
            return False
        with self._lock:
            self._places[bucket] = self._bucket_at(self._clients.elsewhere(self._service, str(region)), bucket)
        return True

    def _bucket_at(self, made: Any, bucket: str) -> _Place:
        seen = _asked(made, bucket)
        address, signing = urlsplit(seen["url"]), seen["context"].get("signing", {})
        return self._place(
            f"{address.scheme}://{address.netloc}",
            address.path.removesuffix("/k"),
            signing.get("signing_name", made.meta.service_model.signing_name),
            signing.get("region", made.meta.region_name),
        )

    def _place(self, url: str, prefix: str, name: str, region: str) -> _Place:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        if base not in self._transports:
            self._transports[base] = self._transport(base)
        return _Place(base, parts.netloc, prefix, Signer(name, region), self._transports[base])

    def _transport(self, url: str) -> Callable[[str, str, dict[str, str], bytes], Answer]:
        parts, config = urlsplit(url), self._client.meta.config
        verify = self._clients.session.get_config_variable("ca_bundle") or True
        if proxies := get_environ_proxies(url):
            timeout: Any = (config.connect_timeout, config.read_timeout)
            session = URLLib3Session(verify=verify, proxies=proxies, timeout=timeout)
            return lambda method, target, headers, body: _answer(
                session.send(_Prepared(method, url + target, headers, body))
            )
        secure = parts.scheme == "https"
        sockets = Sockets(
            url,
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            verify=verify if secure else None,
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
        )

        def send(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
            return sockets.exchange(head, body, bodiless=method == "HEAD")

        return send


_making = threading.Lock()


def connection(service: str) -> Connection:
    """The connection to ``service`` beside `headwater.aws.client`'s: the same endpoint, the same credentials."""
    clients = client.in_use
    with _making:
        if service not in clients.connections:
            clients.connections[service] = Connection(service, clients)
        made: Connection = clients.connections[service]
        return made


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


class _Prepared(AWSPreparedRequest):
    """What is about to be sent, for whoever answers in AWS's place; its headers are made if they are asked for."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.url, self.body, self.stream_output = method, url, body, False
        self._plain = headers

    @cached_property
    def headers(self) -> Any:  # type: ignore[override]
        return HeadersDict(self._plain)


def _answer(response: Any) -> Answer:
    """What botocore or moto has received."""
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def _is_whole(answer: Answer) -> bool:
    """Whether the body is what DynamoDB says it sent."""
    declared = answer.headers.get("x-amz-crc32")
    return declared is None or zlib.crc32(answer.body) == int(declared)


def _refusal(answer: Answer) -> tuple[str, str, dict[str, Any]]:
    """Code, message and whatever else an answer says of what is wrong."""
    if answer.status < 300:
        return "CRC32", "the answer isn't what its x-amz-crc32 says", {}
    body = answer.body.strip()
    unsaid: tuple[str, str, dict[str, Any]] = str(answer.status), http.client.responses.get(answer.status, ""), {}
    if body.startswith(b"<"):
        try:
            root = ElementTree.fromstring(body)  # noqa: S314 - AWS's own; expat of today caps entities
        except ElementTree.ParseError:
            return unsaid
        return root.findtext("Code") or unsaid[0], root.findtext("Message") or unsaid[1], {}
    try:
        found = json.loads(body)
    except ValueError:
        return unsaid
    if not isinstance(found, dict):
        return unsaid
    code = str(answer.headers.get("x-amzn-errortype") or found.pop("__type", "") or answer.status)
    message = found.pop("message", None) or found.pop("Message", None) or ""
    found.pop("__type", None)
    return code.partition(":")[0].rpartition("#")[2], str(message), found
