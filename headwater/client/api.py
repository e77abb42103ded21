"""Requests to the API: signed with SigV4, as its IAM authorisation asks."""

from __future__ import annotations

import json
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from headwater.client.errors import ApiRefused, Unreachable
from headwater.errors import NotAllowed
from headwater.json_values import dumps, json_value
from headwater.storage.clients import Clients


class Api:
    """The stack's HTTP API.

    Parameters
    ----------
    url : str
        The API's address.
    clients : Clients
        Clients whose session signs the requests.
    region : str
        Region of the signature.
    """

    def __init__(self, url: str, clients: Clients, region: str) -> None:
        self._url = url.rstrip("/")
        self._clients = clients
        self._region = region
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(connect=3, read=0, other=0, backoff_factor=0.2),
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.clear()

    def send(self, method: str, path: str, body: Any = None, refusal: type[ApiRefused] = ApiRefused) -> dict[str, Any]:
        """Send one signed request; the answer's body.

        Raises
        ------
        NotJson
            A value of the body has no exact form in JSON.
        ApiRefused
            The API answered with an error: as ``refusal``.
        Unreachable
            The API didn't answer.
        """
        content = b"" if body is None else dumps(json_value(body)).encode()
        request = AWSRequest(method, self._url + path, data=content, headers={"Content-Type": "application/json"})
        credentials = self._clients.session.get_credentials()
        if credentials is None:
            raise NotAllowed("no AWS credentials to sign the request with", next_steps=["aws configure"])
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        try:
            answer = self._pool.request(method, self._url + path, body=content, headers=dict(request.headers.items()))
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(
                f"the API at {self._url} doesn't answer: {error}", next_steps=["headwater local status"]
            ) from error
        if answer.status >= 400:
            raise _refusal(refusal, answer.status, answer.data)
        result: dict[str, Any] = json.loads(answer.data)
        return result


def _refusal(refusal: type[ApiRefused], status: int, data: bytes) -> ApiRefused:
    try:
        words = json.loads(data)
    except ValueError:
        words = {"message": data.decode("utf-8", "replace").strip()}
    if not isinstance(words, dict):
        words = {"message": str(words)}
    return refusal(
        words.get("message") or f"the API answered {status} without a word",
        status=status,
        reason=words.get("reason")
        or {403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}.get(status, f"Http{status}"),
        request_id=words.get("request_id") or "",
        problems=words.get("problems") or (),
    )
