"""GET requests to an address that a project named: bounded, tried again where that may help, never redirected.

`Requests.of` is for functions of a project's own too.
"""

from __future__ import annotations

import http.client
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urljoin

from headwater.collecting.errors import CollectFailed
from headwater.collecting.types import Request
from headwater.storage.outside import Address, AddressRefused, NoConnection, connect, retry_after
from headwater.storage.retries import jitter

STEP_SECONDS = 30.0
"""For each step of a request: to connect, and until more of an answer comes."""
TRIES = 5
"""Tries of one request."""
LONGEST_PAUSE = 60.0
MOST_BYTES = 256 * 2**20
"""The limit of all bodies of a run together, unless another one is given."""
CHUNK = 2**18
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Page(NamedTuple):
    """An answer, whose body is a file."""

    address: Address
    path: Path
    size: int
    headers: Mapping[str, str]
    """By names in lower case."""
    is_unchanged: bool
    """304: the address has what it had."""


@dataclass
class Requests:
    """Requests of one run.

    Parameters
    ----------
    folder : Path
        For the answers' bodies.
    headers : mapping of str to str
        Sent with each request, to the first address's origin alone.
    allow_private : bool
        Whether addresses may be http, or of a private network.
    max_bytes : int
        Of all bodies together.
    seconds_left : callable
    pause : callable
        Called with seconds before another try.
    """

    folder: Path
    headers: Mapping[str, str]
    allow_private: bool
    max_bytes: int
    seconds_left: Callable[[], float]
    pause: Callable[[float], None]
    size: int = 0
    """Bytes of bodies so far."""
    pages: int = 0
    _origin: tuple[str, str, int] | None = field(default=None, init=False)

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        headers: Mapping[str, str] | None = None,
        allow_private: bool = False,
        max_bytes: int = MOST_BYTES,
        pause: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Requests of a collector's run, whose bodies go into its folder and whose time is that of its call."""
        return cls(
            folder=request.folder,
            headers=headers or {},
            allow_private=allow_private,
            max_bytes=max_bytes,
            seconds_left=request.seconds_left,
            pause=pause,
        )

    def get(self, url: str, more: Mapping[str, str] | None = None) -> Page:
        """GET an address, with further headers.

        Raises
        ------
        CollectFailed
            It answers neither 200 nor 304, redirects, leads to another host than the first one or into a private
            network, or the bounds of the run are reached.
        """
        address = self._address(url)
        for number in range(TRIES):
            found = self._once(address, more or {})
            if isinstance(found, Page):
                return found
            wait = max(found.wait, jitter(number, base=1.0, longest=LONGEST_PAUSE))
            if not found.again or number == TRIES - 1 or wait > self.seconds_left() - STEP_SECONDS:
                until = f"; it asks to wait {found.wait:,.0f} seconds" if found.wait else ""
                raise CollectFailed(f"{address.host}: {found.said}{until}")
            self.pause(wait)
        raise AssertionError("the last try returns or raises")

    def _address(self, url: str) -> Address:
        try:
            address = Address(url, self.allow_private)
        except AddressRefused as error:
            raise CollectFailed(f"the {error}") from None
        if self._origin is None:
            self._origin = address.origin
        if address.origin != self._origin:
            scheme, host, port = self._origin
            raise CollectFailed(
                f"{host} leads to {address.host}, and what is sent to {scheme}://{host}:{port} is sent to no other host"
            )
        return address

    def _once(self, address: Address, more: Mapping[str, str]) -> Page | _Failure:
        sent = {
            "Accept-Encoding": "gzip",
            "User-Agent": "headwater-collector",
            "Connection": "close",
            **self.headers,
            **more,
        }
        try:
            connection = connect(address, min(STEP_SECONDS, max(1.0, self.seconds_left())))
        except AddressRefused as error:
            raise CollectFailed(str(error)) from None
        except NoConnection as error:
            return _Failure(str(error).removeprefix(f"{address.host}: "), again=True)
        try:
            connection.request("GET", address.target, headers=sent)
            with connection.getresponse() as answer:
                return self._answered(address, answer)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            return _Failure(str(error) or type(error).__name__, again=True)
        finally:
            connection.close()

    def _answered(self, address: Address, answer: http.client.HTTPResponse) -> Page | _Failure:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if links := answer.headers.get_all("Link"):
            headers["link"] = ", ".join(links)
        if answer.status == 304:
            return Page(address, self.folder, 0, headers, is_unchanged=True)
        if answer.status != 200:
            redirects = " (redirects aren't followed)" if 300 <= answer.status < 400 else ""
            said = f"HTTP {answer.status}{redirects}"
            wait = retry_after(headers.get("retry-after"))
            return _Failure(said, again=answer.status in _AGAIN, wait=wait)
        self.pages += 1
        path = self.folder / f"page-{self.pages}"
        size = self._saved(answer, path, headers)
        self.size += size
        return Page(address, path, size, headers, is_unchanged=False)

    def _saved(self, answer: http.client.HTTPResponse, path: Path, headers: Mapping[str, str]) -> int:
        """Write a whole body to ``path``; what comes short is an error, for a list that is cut off has fewer rows."""
        promised, came, size = headers.get("content-length"), 0, 0
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            raise CollectFailed(f"the answer is encoded as {encoding!r}, which nobody asked for")
        inflate = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        with path.open("wb") as file:
            while chunk := answer.read(CHUNK):
                came += len(chunk)
                data = inflate.decompress(chunk, self.max_bytes - self.size - size + 1) if inflate else chunk
                size += file.write(data)
                if self.size + size > self.max_bytes:
                    raise CollectFailed(f"the answers have more than max_bytes={self.max_bytes:,} bytes")
                if self.seconds_left() < STEP_SECONDS:
                    raise CollectFailed("the answer didn't come within the time of one call")
        if promised is not None and promised.isdigit() and came != int(promised):
            raise http.client.IncompleteRead(b"", int(promised) - came)
        if inflate is not None and not inflate.eof:
            raise zlib.error("the answer is cut off")
        return size


@dataclass(frozen=True)
class _Failure:
    """A try that gave no page."""

    said: str
    again: bool
    wait: float = 0.0
    """Seconds that the host asks for."""


def joined(base: str, reference: str) -> str:
    """An address that a page gives, which may be relative to the page's own."""
    return urljoin(base, reference)
