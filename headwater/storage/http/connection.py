"""Requests to AWS that Headwater signs and reads itself.

For the calls that are made by the thousand: botocore costs half a millisecond of CPU each, nearly all of it in checking
parameters, resolving the endpoint again and parsing by the service's model. What decides *who* asks *where* stays
botocore's: endpoint and addressing, credentials and their renewal, regions, certificates, time-outs. So do the errors
and the event ``before-send``, at which moto and tests answer in AWS's place.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from botocore import __version__ as botocore_version
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.retries.quota import RetryQuota

from headwater.storage.clients import Clients, error_code
from headwater.storage.http.endpoints import Endpoint, Endpoints, Prepared, Sent, received
from headwater.storage.http.signing import Credentials, canonical_query, escaped_path
from headwater.storage.http.sockets import UNANSWERED, Unanswered
from headwater.storage.http.sockets import Received as Answer
from headwater.storage.retries import jitter

__all__ = ["Answer", "Connection", "connection"]

# As in botocore's standard mode (botocore/retries/standard.py).
_LONGEST_PAUSE = 20.0
_THROTTLED_PAUSE, _PAUSE, _PAUSES = 1.0, 0.05, {"dynamodb": 0.025}
_THROTTLED_COST, _COST, _SUCCESS_GAIN = 5, 14, 1
_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_PASSING_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})
_THROTTLED_CODES = frozenset({
    "BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
    "TransactionInProgressException",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_MOVED = frozenset({301, 302, 307, 400})
_USER_AGENT = f"headwater Botocore/{botocore_version}"


class _Ask(NamedTuple):
    """A request before it is signed."""

    operation: str
    bucket: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


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
        self._clients, self._pause = clients, pause
        self._client = clients(service)
        self._tries: int = self._client.meta.config.retries["total_max_attempts"]
        self._event = f"before-send.{self._client.meta.service_model.service_id.hyphenize()}."
        self._quota = RetryQuota()
        self._shortest_pause = _PAUSES.get(service, _PAUSE)
        self._endpoints = Endpoints(service, clients)

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
        HTTPClientError, botocore's ConnectionError
            Nobody answered.
        """
        metadata = self._client.meta.service_model.metadata
        headers = {
            "content-type": f"application/x-amz-json-{metadata['jsonVersion']}",
            "x-amz-target": f"{metadata['targetPrefix']}.{operation}",
        }
        body = json.dumps(payload, separators=(",", ":")).encode()
        answer = self._send(_Ask(operation, "", "POST", "/", "", headers, body))
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
        HTTPClientError, botocore's ConnectionError
            Nobody answered.
        """
        return self._send(_ask(operation, method, bucket, key, query, headers or {}, body))

    def request_all(
        self,
        operation: str,
        method: str,
        bucket: str,
        asked: Iterable[tuple[str, Iterable[tuple[str, str]]]],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> list[Answer | ClientError]:
        """The same operation on several objects, all under way together in this one thread.

        Many threads with a request each would spend more on passing Python's lock around than on the requests.

        Parameters
        ----------
        operation, method, bucket, headers
            As of `request`.
        asked : iterable of (str, iterable of (str, str))
            Key and query of each.

        Returns
        -------
        list of Answer or ClientError
            What `request` would return or raise for each, in their order.

        Raises
        ------
        HTTPClientError, botocore's ConnectionError
            Nobody answered one of them.
        """
        asks = [_ask(operation, method, bucket, key, query, headers or {}, b"") for key, query in asked]
        credentials, endpoint = self._credentials(), self._endpoints.find(bucket)
        outcomes: dict[int, Answer | Unanswered] = {}
        unsent: list[tuple[int, Sent]] = []
        for number, ask in enumerate(asks):
            sent = _signed(ask, endpoint, credentials)
            outcome = self._intercepted(ask, endpoint, sent)
            if outcome is None:
                unsent.append((number, sent))
            else:
                outcomes[number] = outcome
        if unsent:
            answers = endpoint.transport.send_all([sent for _, sent in unsent])
            outcomes.update((number, outcome) for (number, _), outcome in zip(unsent, answers, strict=True))
        found: list[Answer | ClientError] = []
        for number, ask in enumerate(asks):
            try:
                found.append(self._send(ask, (outcomes[number], credentials)))
            except ClientError as error:
                found.append(error)
        return found

    # -- the one way --------------------------------------------------------------------------------------------

    def _send(self, ask: _Ask, first: tuple[Answer | Unanswered, Credentials] | None = None) -> Answer:
        """The answer to a request, of which ``first`` has come of the first try."""
        tries, spent, moved = 1, 0, False
        while True:
            outcome, credentials = first or self._once(ask)
            first = None
            failed: Exception
            throttled = False
            if isinstance(outcome, Exception):
                failed = outcome
            else:
                if outcome.status < 300 and _is_whole(outcome):
                    self._quota.release(spent or _SUCCESS_GAIN)
                    return outcome
                if not moved and (moved := self._follow(ask.bucket, outcome)):
                    continue
                failed = self._error(ask.operation, outcome, tries)
                throttled = outcome.status == 429 or error_code(failed) in _THROTTLED_CODES
                if not throttled and not self._passes(failed, outcome, credentials):
                    raise failed
            cost = _THROTTLED_COST if throttled else _COST
            if tries >= self._tries or not self._quota.acquire(cost):
                raise failed
            base = _THROTTLED_PAUSE if throttled else self._shortest_pause
            self._pause(jitter(tries - 1, base=base, longest=_LONGEST_PAUSE))
            tries, spent = tries + 1, cost

    def _once(self, ask: _Ask) -> tuple[Answer | Unanswered, Credentials]:
        credentials, endpoint = self._credentials(), self._endpoints.find(ask.bucket)
        sent = _signed(ask, endpoint, credentials)
        outcome = self._intercepted(ask, endpoint, sent)
        if outcome is None:
            try:
                outcome = endpoint.transport.send(sent)
            except UNANSWERED as error:
                outcome = error
        return outcome, credentials

    def _intercepted(self, ask: _Ask, endpoint: Endpoint, sent: Sent) -> Answer | Unanswered | None:
        """The answer of a handler in AWS's place, such as moto's."""
        request = Prepared(endpoint.url, sent)
        try:
            # Unlike botocore, which lets everybody act and takes the first answer: what was answered isn't done twice.
            _, response = self._client.meta.events.emit_until_response(self._event + ask.operation, request=request)
            if response is not None:
                return received(response)
        except UNANSWERED as error:
            return error
        return None

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

    def _follow(self, bucket: str, answer: Answer) -> bool:
        """Whether an answer says that the bucket is in another region, which is remembered."""
        region = answer.headers.get("x-amz-bucket-region")
        if not bucket or answer.status not in _MOVED or region in (None, self._endpoints.find(bucket).region):
            return False
        self._endpoints.move(bucket, str(region))
        return True


_making = threading.Lock()


def connection(service: str, clients: Clients) -> Connection:
    """The connection to ``service`` beside the client for it: the same endpoint, the same credentials."""
    with _making:
        if service not in clients.connections:
            clients.connections[service] = Connection(service, clients)
        made: Connection = clients.connections[service]
        return made


def _ask(
    operation: str,
    method: str,
    bucket: str,
    key: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
) -> _Ask:
    return _Ask(operation, bucket, method, "/" + escaped_path(key), canonical_query(query), headers, body)


def _signed(ask: _Ask, endpoint: Endpoint, credentials: Credentials) -> Sent:
    path = endpoint.prefix + ask.path
    headers = {"host": endpoint.host, **ask.headers}
    endpoint.signer.sign(credentials, ask.method, path, ask.query, headers, ask.body)
    # Added after signing: a proxy may change them.
    headers["user-agent"], headers["accept-encoding"] = _USER_AGENT, "identity"
    if ask.body or ask.method in ("PUT", "POST"):
        headers["content-length"] = str(len(ask.body))
    return Sent(ask.method, f"{path}?{ask.query}" if ask.query else path, headers, ask.body)


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
