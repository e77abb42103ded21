"""The HTTP API's routes, each written once: the API, its handlers, the client and openapi.json read them here.

IAM authorises every route that doesn't say why it is open. What a route takes and gives stands in
`tools.reference.openapi`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """A method and a path with parameters in braces."""

    method: str
    path: str
    open_because: str = ""
    """Why anybody may call the route without a signature, and what its function asks for instead; empty: IAM
    authorises it."""

    @property
    def key(self) -> str:
        """As API Gateway and OpenAPI write it, such as ``GET /models/{model}``."""
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return _PARAMETER.findall(self.path)

    @property
    def any_path(self) -> str:
        """The path with an asterisk for each parameter, as in an ARN."""
        return _PARAMETER.sub("*", self.path)

    def url(self, **values: str) -> str:
        """The path with the parameters' values, quoted."""
        return _PARAMETER.sub(lambda found: quote(values[found[1]], safe=""), self.path)

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """The parameters' values if the request is for this route."""
        found = self._pattern.fullmatch(path) if method == self.method else None
        return found.groupdict() if found else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


PREDICT = Route("POST", "/models/{model}/predictions")
CARD = Route("GET", "/models/{model}")
STREAM_ROWS = Route("POST", "/features/{view}/rows")
OPENAPI = Route("GET", "/openapi.json")
FEEDBACK = Route(
    "POST",
    "/predictions/{id}/feedback",
    open_because="end users have no AWS identity: the function asks for the token that came with the prediction",
)
FEEDBACK_PREFLIGHT = Route(
    "OPTIONS",
    FEEDBACK.path,
    open_because="a browser asks without credentials whether a page may send feedback; the answer is always the same",
)
"""Not the API's CORS configuration: that would answer for all routes, which no browser has a signature for."""
WRITE_LABELS = Route("POST", "/models/{model}/labels")
MODEL_STATUS = Route("GET", "/models/{model}/monitor/status")
MODEL_DRIFT = Route("GET", "/models/{model}/monitor/drift")
MODEL_QUALITY = Route("GET", "/models/{model}/monitor/quality")
MODEL_PERFORMANCE = Route("GET", "/models/{model}/monitor/performance")
LINEAGE = Route("GET", "/lineage")
TAKE_EVENT = Route("POST", "/lineage")
METRICS = Route("GET", "/metrics")
SCRAPE = Route(
    "GET",
    "/metrics/scrape",
    open_because="Prometheus can't sign as AWS wants it: the function takes a token instead, and tells numbers alone",
)
ALARMS = Route("GET", "/alarms")
ALARM = Route("GET", "/alarms/{group}")
ACK = Route("POST", "/alarms/{group}/ack")
UNACK = Route("POST", "/alarms/{group}/unack")
SNOOZE = Route("POST", "/alarms/{group}/snooze")
CLOSE = Route("POST", "/alarms/{group}/close")
MUTES = Route("GET", "/mutes")
NEW_MUTE = Route("POST", "/mutes")
MUTE = Route("GET", "/mutes/{mute}")
END_MUTE = Route("DELETE", "/mutes/{mute}")
BEAT = Route("POST", "/heartbeats/{name}")
ALARM_PAGE = Route(
    "GET",
    "/alarms/{group}/page",
    open_because="who is woken at night has a phone and no AWS identity: the function asks for the link's token, and "
    "opening the page changes nothing",
)
ALARM_PAGE_SENT = Route(
    "POST",
    ALARM_PAGE.path,
    open_because="the page's form can't be signed as AWS wants it: it sends the link's token, and can only acknowledge",
)
