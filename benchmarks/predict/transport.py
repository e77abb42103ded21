"""The predict handler with its online look-up, by each HTTP transport: ``python -m benchmarks.predict.transport``.

The look-up is one BatchGetItem to a stub of DynamoDB on this machine. CPU time is this process's; the stub's isn't in
it. Time on the clock is measured with a stub that answers after some milliseconds, as DynamoDB does.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.predict.__main__ import ENVIRONMENT, ROOT
from headwater.storage.environment import CLIENTS

TRANSPORTS = ("sockets", "urllib3", "botocore's session", "botocore's client")


def transport_of(name: str) -> Any:
    """What carries a signed request, given its endpoint's URL, in place of `headwater.storage.http.sockets`."""
    import urllib3
    from botocore.httpsession import URLLib3Session

    from headwater.storage.http.endpoints import AT_ONCE, _Proxied
    from headwater.storage.http.sockets import Received

    class Urllib3:
        def __init__(self, url: str) -> None:
            parts = urlsplit(url)
            self._pool = urllib3.HTTPConnectionPool(str(parts.hostname), parts.port, maxsize=10)

        def send(self, sent: Any) -> Received:
            answer = self._pool.urlopen(sent.method, sent.target, sent.body, headers=sent.headers, retries=False)
            return Received(answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.data)

    return (
        (lambda url: Urllib3(url))
        if name == "urllib3"
        else (lambda url: _Proxied(url, URLLib3Session(socket_options=AT_ONCE)))
    )


def measure(name: str, directory: Path, requests: int) -> dict[str, float]:
    """CPU and clock time of a warm request, in microseconds, in this process."""
    from benchmarks.predict import cases, ours
    from benchmarks.predict.run import Context
    from headwater.features.online.encoding import Row, pack
    from headwater.features.online.reading import online_key
    from headwater.features.online.store import OnlineStore, OnlineWrite
    from headwater.storage.http.endpoints import Endpoints

    if name in ("urllib3", "botocore's session"):
        made = transport_of(name)
        Endpoints._transport = lambda _self, url: made(url)  # type: ignore[method-assign, assignment]
    ours.load(directory)
    document = json.loads((directory / "request.json").read_text())
    features = document.pop("features")[0]
    package = ours.loaded.predictor.package
    now = datetime.now(UTC)
    moment = round((now - timedelta(hours=1)).timestamp() * 1e6)
    row = Row(moment, moment, 1, tuple(features[f"delays.{feature}"] for feature in cases.FEATURES))
    key = online_key(("carrier",), (document["instances"][0]["carrier"],))
    store = OnlineStore("features", CLIENTS)
    write = OnlineWrite(str(key), pack(row), int(now.timestamp()) + 86_400)
    store.write(str(package.features[0].version), [write])
    if name == "botocore's client":
        dynamodb = CLIENTS("dynamodb")

        def read(keys: Sequence[str], attributes: Sequence[str]) -> dict[str, dict[str, bytes]]:
            asked = {
                "Keys": [{"pk": {"S": key}} for key in keys],
                "ProjectionExpression": ",".join(("pk", *attributes)),
            }
            found = dynamodb.batch_get_item(RequestItems={"features": asked})["Responses"]["features"]
            return {item["pk"]["S"]: {at: item[at]["B"] for at in attributes if at in item} for item in found}

        ours.predict.services().serving._online.read = read  # type: ignore[method-assign]
    path = "/models/delays/predictions"
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": path}},
        "body": json.dumps(document),
        "isBase64Encoded": False,
    }
    clock = []
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(50):
            answer = ours.handler(event, Context())
        began = time.process_time()
        for _ in range(requests):
            started = time.perf_counter()
            ours.handler(event, Context())
            clock.append(time.perf_counter() - started)
        spent = time.process_time() - began
    prediction = json.loads(answer["body"])["predictions"][0]
    assert prediction["feature_age_seconds"] is not None, answer
    return {
        "cpu": spent / requests * 1e6,
        "clock": statistics.median(clock) * 1e6,
        "answer": prediction["probability"],
    }


def main() -> None:
    """Measure all transports, in turn, and print the best of each."""
    from rich.console import Console
    from rich.table import Table

    from benchmarks.endpoints import endpoint
    from benchmarks.features.online import STUB
    from benchmarks.predict import cases

    parser = argparse.ArgumentParser(prog="python -m benchmarks.predict.transport", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=3.0, help="after which the slower stub answers")
    given = parser.parse_args()
    table = Table("transport", "CPU", "of sockets", f"clock, {given.milliseconds:g} ms stub", "of sockets")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch, "model")
        cases.save(cases.cases()[0], directory)
        found: dict[tuple[str, float], list[dict[str, float]]] = {}
        for milliseconds in (0.0, given.milliseconds):
            with endpoint(STUB, milliseconds) as reached:
                for _ in range(given.rounds):
                    for name in TRANSPORTS:
                        command = [sys.executable, "-m", "benchmarks.predict.transport", "one", name]
                        command += [str(directory), str(given.requests if not milliseconds else given.requests // 10)]
                        environment = {**ENVIRONMENT, **reached}
                        done = subprocess.run(
                            command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=300
                        )
                        found.setdefault((name, milliseconds), []).append(json.loads(done.stdout))
        assert len({entry["answer"] for entries in found.values() for entry in entries}) == 1, "answers differ"
        best = {
            name: (
                min(entry["cpu"] for entry in found[name, 0.0]),
                min(entry["clock"] for entry in found[name, given.milliseconds]),
            )
            for name in TRANSPORTS
        }
    for name, (cpu, clock) in best.items():
        first = best[TRANSPORTS[0]]
        table.add_row(name, f"{cpu:.0f} µs", f"{cpu / first[0]:.2f}", f"{clock:.0f} µs", f"{clock / first[1]:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
