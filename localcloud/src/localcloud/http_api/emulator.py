"""The HTTP API emulator: a port for each API that is created, closed when the API is deleted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.apigatewayv2.models import Api, ApiGatewayV2Backend, apigatewayv2_backends
from werkzeug.wrappers import Request, Response

from localcloud.context import CloudContext
from localcloud.functions import Functions
from localcloud.http_api.gateway import Gateway
from localcloud.http_api.payload import HttpRequest, HttpResponse
from localcloud.http_api.stages import Stages
from localcloud.identity import Identity
from localcloud.moto_patches.patches import Patches
from localcloud.serving import Server, read_body
from localcloud.telemetry import Telemetry

_logger = logging.getLogger(__name__)

# Of one connection, not of the resource behind it; HTTP/1.1 says that a gateway keeps them to itself.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "date", "server"}


class HttpApis:
    """Serves HTTP APIs; an emulator of the cloud.

    Parameters
    ----------
    cloud : CloudContext
        Where the APIs are defined.
    functions : Functions
        What their integrations call.
    """

    def __init__(self, cloud: CloudContext, functions: Functions) -> None:
        self._cloud = cloud
        self._functions = functions
        self._telemetry = Telemetry(cloud, "AWS/ApiGateway")
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        cloud.dispatcher.add(Stages(cloud))
        self._patches = Patches()
        _mend(self._patches, self._opened, self._closed)

    def open(self) -> None:
        """Start to write logs and metrics; ports open with their APIs."""
        self._telemetry.start()

    def reopen(self) -> None:
        """Serve the APIs of the last cloud, on the ports that they had as far as these are free."""
        for api in apigatewayv2_backends[self._cloud.account_id][self._cloud.region].apis.values():
            self._opened(api, port=int(str(api.api_endpoint).rpartition(":")[2] or 0))

    def close(self) -> None:
        """Close every port."""
        for api_id in tuple(self._servers):
            self._closed(api_id)
        self._telemetry.close()
        self._patches.close()

    def flush_logs(self) -> None:
        """Write out access logs and metrics that were collected so far."""
        self._telemetry.flush()

    def _opened(self, api: Any, port: int = 0) -> None:
        if api.protocol_type != "HTTP":
            return
        gateway = Gateway(self._cloud, api, self._functions, self._telemetry, self._allows)
        name = f"http-api-{api.api_id}"
        try:
            server = Server(_Application(gateway), port, name=name)
        except OSError:
            server = Server(_Application(gateway), name=name)
            _logger.warning("port %d is taken: API %s is served on port %d now", port, api.api_id, server.port)
        with self._lock:
            self._servers[api.api_id] = server
        api.api_endpoint = f"http://127.0.0.1:{server.port}"

    def _allows(self, key: str, arn: str) -> bool:
        """Whether a key may execute-api:Invoke there: the developer's own may, a role's if its policies say so."""
        role = self._cloud.principals.get(key)
        return role is None or self._cloud.emulator(Identity).judge(role, "execute-api:Invoke", arn).allowed

    def _closed(self, api_id: str) -> None:
        with self._lock:
            server = self._servers.pop(api_id, None)
        if server is not None:
            server.close()


class _Application:
    """The WSGI side of one API."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = read_body(environ)
        return _wsgi(self._gateway.handle(_wire(Request(environ), body)))(environ, start_response)


def _wire(request: Request, body: bytes) -> HttpRequest:
    target = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path)
    path, _, query = target.partition("?")
    headers = list(request.headers.items())
    port = request.host.rpartition(":")[2]
    names = {name.lower() for name, _ in headers}
    forwarded = {
        "x-forwarded-for": request.remote_addr or "127.0.0.1",
        "x-forwarded-port": port,
        "x-forwarded-proto": "http",
    }
    headers += [(name, value) for name, value in forwarded.items() if name not in names]
    return HttpRequest(
        method=request.method,
        path=path or "/",
        query=query,
        headers=headers,
        body=body,
        source_ip=request.remote_addr or "127.0.0.1",
        protocol=str(request.environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
    )


def _wsgi(answer: HttpResponse) -> Response:
    response = Response(answer.body, answer.status)
    response.headers.remove("content-type")
    for name, value in answer.headers:
        if name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    return response


def _mend(patches: Patches, opened: Callable[[Any], None], closed: Callable[[str], None]) -> None:
    """Let moto tell of its APIs: their address is part of the answer to CreateApi."""

    def initialise(self: Any, *args: Any, **more: Any) -> None:
        original_init(self, *args, **more)
        opened(self)

    def delete(self: Any, api_id: str) -> None:
        original_delete(self, api_id)
        closed(api_id)

    original_init = patches.set(Api, "__init__", initialise)
    original_delete = patches.set(ApiGatewayV2Backend, "delete_api", delete)
