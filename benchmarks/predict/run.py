"""One side, in a process of its own: ``python -m benchmarks.predict.run <side> <directory> <requests>``.

Prints JSON: seconds from the first import to the loaded model, warm times, memory.
"""

from __future__ import annotations

import time

BORN = time.perf_counter()

import contextlib  # noqa: E402
import importlib  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


class Context:
    """A Lambda's invocation."""

    aws_request_id = "request-1"
    function_name = "predict"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:predict"


def core(directory: Path) -> float:
    """Only what computes: numpy and onnxruntime, or pandas and scikit-learn, and the loaded model."""
    start = time.perf_counter()
    if sys.argv[1] == "core-ours":
        import numpy  # noqa: F401
        import onnxruntime

        onnxruntime.InferenceSession((directory / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    else:
        import joblib
        import pandas  # noqa: F401

        joblib.load(directory / "model.joblib")
    return time.perf_counter() - start


def megabytes() -> float | None:
    """The most memory this process had; ru_maxrss would count what it was forked from. Linux only."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def main() -> None:
    """Measure one side."""
    side, directory, requests = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if side.startswith("core-"):
        print(json.dumps({"init": core(directory)}))
        return
    module = importlib.import_module(f"benchmarks.predict.{side}")
    module.load(directory)
    init = time.perf_counter() - BORN
    body = (directory / "request.json").read_text()
    path = "/models/delays/predictions"
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": path}},
        "body": body,
        "isBase64Encoded": False,
    }
    document = json.loads(body)
    seconds, alone = [], []
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        started = time.perf_counter()
        answer = module.handler(event, Context())
        first = time.perf_counter() - started
        for _ in range(requests):
            started = time.perf_counter()
            module.handler(event, Context())
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
            module.probabilities(document)
            alone.append(time.perf_counter() - started)
    assert answer["statusCode"] == 200, answer
    seconds.sort()
    alone.sort()
    print(
        json.dumps(
            {
                "init": init,
                "first": first,
                "model": alone[len(alone) // 2] if alone else None,
                "p50": seconds[len(seconds) // 2] if seconds else None,
                "p99": seconds[int(len(seconds) * 0.99)] if seconds else None,
                "megabytes": megabytes(),
                "answer": json.loads(answer["body"])["predictions"][0]["probability"],
            }
        )
    )


if __name__ == "__main__":
    main()
