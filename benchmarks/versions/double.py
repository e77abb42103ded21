"""A bucket that answers at once, in a process of its own, over HTTP: what is left of a measurement is the client.

With moto one would measure moto. `Served` starts ``python -m benchmarks.versions.double <prefix> <scratch> [count]``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import selectors
import socket
import subprocess
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, quote_plus, unquote

from headwater.storage.table import Table, WriteRefused

LAKE = "lake"
PAGE = 1000


class Version(NamedTuple):
    """One version of an object."""

    id: str
    size: int
    sha256: str
    """Base64, as S3 gives it."""


class Contents(Protocol):
    """Objects of a place, sorted by path."""

    def __len__(self) -> int: ...

    def newest(self, place: int) -> tuple[str, Version]:
        """Path and newest version of the object at that place of the order."""

    def after(self, path: str) -> int:
        """The place of the first object after ``path``."""

    def get(self, path: str, version_id: str) -> Version | None:
        """That version; None if it is gone."""


class Files:
    """The objects that files became: a version is named by its bytes' checksum, and stays when another is written."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], Version] = {}
        self._newest: list[tuple[str, Version]] = []
        self._paths: list[str] = []

    def put(self, files: Mapping[str, Sequence[Any]]) -> None:
        """Make ``files``, path to (size, sha256), the newest; what isn't among them is deleted softly."""
        self._newest = [
            (path, Version(hashlib.md5(sha256.encode(), usedforsecurity=False).hexdigest(), size, sha256))
            for path, (size, sha256) in sorted(files.items())
        ]
        self._paths = [path for path, _ in self._newest]
        self._versions |= {(path, version.id): version for path, version in self._newest}

    def lose(self, path: str) -> None:
        """Delete the newest version for ever."""
        del self._versions[path, dict(self._newest)[path].id]

    def change(self, path: str) -> None:
        """Let the newest version hold other bytes of the same size, which S3 itself can't do."""
        version = dict(self._newest)[path]
        self._versions[path, version.id] = version._replace(sha256=checksum(b"changed" + path.encode()))

    def __len__(self) -> int:
        return len(self._newest)

    def newest(self, place: int) -> tuple[str, Version]:
        return self._newest[place]

    def after(self, path: str) -> int:
        return bisect_right(self._paths, path)

    def get(self, path: str, version_id: str) -> Version | None:
        return self._versions.get((path, version_id))


class Numbered:
    """As many objects as wanted, made up when asked for, so that they take no memory of the process measured."""

    def __init__(self, count: int) -> None:
        self.count = count

    def grow(self, count: int) -> None:
        """Let there be ``count`` more behind those that are there."""
        self.count += count

    def __len__(self) -> int:
        return self.count

    def newest(self, place: int) -> tuple[str, Version]:
        path = f"day={place // 10_000:05d}/{place:09d}.parquet"
        return path, Version(hashlib.md5(path.encode()).hexdigest(), 1024 + place % 1024, checksum(path.encode()))  # noqa: S324

    def after(self, path: str) -> int:
        return int(path[10:19]) + 1 if path else 0

    def get(self, path: str, version_id: str) -> Version | None:
        version = self.newest(int(path[10:19]))[1]
        return version if version.id == version_id else None


def checksum(body: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class Bucket:
    """Answers what `headwater.versions.store.Objects` asks of S3, as S3 writes it.

    Parameters
    ----------
    contents : Contents
        What lies under ``prefix``.
    prefix : str
    scratch : Path
        Holds ranges, roots and commits.
    """

    def __init__(self, contents: Contents, prefix: str, scratch: Path) -> None:
        self.contents, self._prefix, self._scratch = contents, prefix, scratch
        self.calls: Counter[str] = Counter()
        self._kept: dict[str, Path] = {}

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, headers and body."""
        path, _, query = target.partition("?")
        key = unquote(path).removeprefix(f"/{LAKE}").removeprefix("/")
        if not key:
            asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
            if "versioning" in asked:
                return 200, "", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            self.calls["list"] += 1
            return 200, "", self._listing(asked["prefix"], asked.get("key-marker", ""))
        self.calls[method.lower()] += 1
        if method == "HEAD":
            version = self.contents.get(key[len(self._prefix) :], query.removeprefix("versionId="))
            if version is None:
                return 404, "", b""
            return 200, _about(version), b""
        if method == "PUT":
            if not key.startswith(self._prefix):
                self._kept[key] = self._scratch / hashlib.sha256(key.encode()).hexdigest()
                self._kept[key].write_bytes(body)
            return 200, f"x-amz-version-id: {hashlib.md5(key.encode()).hexdigest()}\r\n", b""  # noqa: S324
        assert method == "GET", method
        if key not in self._kept:
            return 404, "", b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, "", self._kept[key].read_bytes()

    def _listing(self, prefix: str, marker: str) -> bytes:
        assert prefix == self._prefix, f"nobody lists {prefix!r} here"
        start = self.contents.after(marker[len(prefix) :])
        end = min(start + PAGE, len(self.contents))
        encoded = quote_plus(prefix, safe="/")
        rows, path = [], ""
        for place in range(start, end):
            path, version = self.contents.newest(place)
            rows.append(
                f"<Version><Key>{encoded}{quote_plus(path, safe='/')}</Key><VersionId>{version.id}</VersionId>"
                "<IsLatest>true</IsLatest><LastModified>2026-11-01T00:00:00.000Z</LastModified>"
                "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>"
                f"<ChecksumType>FULL_OBJECT</ChecksumType><Size>{version.size}</Size><Owner><ID>{'0' * 64}</ID></Owner>"
                "<StorageClass>STANDARD</StorageClass></Version>"
            )
        more = ""
        if end < len(self.contents):
            more = f"<NextKeyMarker>{encoded}{quote_plus(path, safe='/')}</NextKeyMarker>"
            more += f"<NextVersionIdMarker>{self.contents.newest(end - 1)[1].id}</NextVersionIdMarker>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{LAKE}</Name><Prefix>{encoded}</Prefix><EncodingType>url</EncodingType><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{''.join(rows)}</ListVersionsResult>"
        ).encode()


def _about(version: Version) -> str:
    """The headers with which S3 answers HEAD."""
    return (
        f"x-amz-id-2: {'a' * 76}\r\nx-amz-request-id: 0123456789ABCDEF\r\n"
        'Last-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\nETag: "d41d8cd98f00b204e9800998ecf8427e"\r\n'
        f"x-amz-server-side-encryption: AES256\r\nx-amz-version-id: {version.id}\r\n"
        f"x-amz-checksum-sha256: {version.sha256}\r\nx-amz-checksum-type: FULL_OBJECT\r\nAccept-Ranges: bytes\r\n"
        f"Content-Type: binary/octet-stream\r\nServer: AmazonS3\r\nContent-Length: {version.size}\r\n"
    )


def serve(bucket: Bucket, listening: socket.socket) -> None:
    """Answer every connection, all in one thread: many would spend their time on Python's lock."""
    waiting = selectors.DefaultSelector()
    waiting.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listening:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(connection, selectors.EVENT_READ)
            elif not _answer(bucket, key.fileobj):  # type: ignore[arg-type]
                waiting.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]


def _answer(bucket: Bucket, connection: socket.socket) -> bool:
    """Read one request, of which all is on its way, and answer it; False if the client has gone."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        if not (more := connection.recv(65536)):
            return False
        data += more
    head, body = data[:end].decode("latin-1"), data[end + 4 :]
    method, target, _ = head.partition("\r\n")[0].split(" ")
    if method == "PUT":
        if "100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        while len(body) < length:
            body += connection.recv(1 << 20)
    status, headers, answer = bucket.answer(method, target, body)
    if "Content-Length" not in headers:
        headers += f"Content-Length: {len(answer)}\r\n"
    date = "Date: Sun, 01 Nov 2026 00:00:00 GMT\r\n"
    connection.sendall(f"HTTP/1.1 {status} Answer\r\n{date}{headers}\r\n".encode() + answer)
    return True


class Served:
    """A `Bucket` in a process of its own, and what can be done to its contents.

    Parameters
    ----------
    prefix : str
    scratch : Path
    count : int, optional
        Of `Numbered` contents; `Files` without it.
    """

    def __init__(self, prefix: str, scratch: Path, count: int | None = None) -> None:
        command = [sys.executable, "-m", "benchmarks.versions.double", prefix, str(scratch)]
        command += [] if count is None else [str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self._read()}"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def do(self, what: str, *arguments: Any) -> Any:
        """Call a method of the contents, or ask for the number of ``calls`` so far."""
        assert self._process.stdin is not None
        print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Registry(Table):
    """The registry's table in memory, for one writer: refs take a few calls, whatever the size of the tree."""

    def __init__(self) -> None:
        self.table = "registry"
        self._items: dict[tuple[str, str], dict[str, Any]] = {}

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        return self._items.get((pk, sk))

    def _query(
        self,
        condition: str,  # noqa: ARG002
        values: Mapping[str, str],
        *,
        newest_first: bool = False,
        page_size: int,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        pk, prefix = values[":pk"], values.get(":prefix", "")
        first, last = values.get(":first", ""), values.get(":last", "\U0010ffff")
        keys = (key for key in self._items if key[0] == pk and key[1].startswith(prefix) and first <= key[1] <= last)
        return (self._items[key] for key in sorted(keys, reverse=newest_first))

    def put(self, item: Mapping[str, Any], *, only_if: str = "", **_: Any) -> dict[str, Any]:
        return {"item": dict(item), "absent": only_if == "attribute_not_exists(pk)"}

    def check(self, pk: str, sk: str, *, only_if: str, **_: Any) -> dict[str, Any]:
        assert only_if == "attribute_not_exists(pk)"
        return {"item": {"pk": pk, "sk": sk}, "absent": True, "only": "check"}

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        for write in writes:
            if write["absent"] and (write["item"]["pk"], write["item"]["sk"]) in self._items:
                raise WriteRefused(str(write))
        for write in writes:
            if "only" not in write:
                self._items[write["item"]["pk"], write["item"]["sk"]] = write["item"]


def main() -> None:
    """Serve, and do what standard input says."""
    prefix, scratch, *count = sys.argv[1:]
    contents: Files | Numbered = Numbered(int(count[0])) if count else Files()
    bucket = Bucket(contents, prefix, Path(scratch))
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=serve, args=(bucket, listening), daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        done = dict(bucket.calls) if what == "calls" else getattr(contents, what)(*arguments)
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
