"""A Lambda runtime client in plain Python, for systems and interpreters that AWS builds no client for.

Specification: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. It runs inside the function's process
under the name ``localcloud_bootstrap`` and therefore imports nothing but the standard library.
"""

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

_request_id = ""


class Context:
    """The handler's second argument.

    Fields: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = json.loads(headers["Lambda-Runtime-Client-Context"] or "null")
        self.identity = None
        self.tenant_id = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is timed out."""
        return max(self._deadline_ms - int(time.time() * 1000), 0)


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)  # noqa: T201 - standard output is the function's log

    def format(self, record: logging.LogRecord) -> str:
        record.aws_request_id = _request_id
        return super().format(record)


def _failure(request_id: str, skip: int) -> dict[str, Any]:
    kind, value, trace = sys.exc_info()
    lines = traceback.format_list(traceback.extract_tb(trace)[skip:])
    name = kind.__name__ if kind else "Exception"
    print(  # noqa: T201
        f"[ERROR] {name}: {value}\rTraceback (most recent call last):\r" + "".join(lines).replace("\n", "\r"),
        flush=True,
    )
    return {"errorMessage": str(value), "errorType": name, "requestId": request_id, "stackTrace": lines}


def _load(name: str) -> tuple[Callable[[Any, Context], Any] | None, dict[str, Any]]:
    module, _, function = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module.replace("/", ".")), function), {}
    except ImportError as error:
        failure = _failure("", 0)
        message = f"Unable to import module '{module}': {error}"
        return None, failure | {"errorType": "Runtime.ImportModuleError", "errorMessage": message, "stackTrace": []}
    except AttributeError:
        failure = _failure("", 0)
        message = f"Handler '{function}' missing on module '{module}'"
        return None, failure | {"errorType": "Runtime.HandlerNotFound", "errorMessage": message, "stackTrace": []}
    except Exception:  # noqa: BLE001, RUF100 - whatever the module raises is reported
        return None, _failure("", 0)


def run(_: Sequence[str] = ()) -> None:
    """Load the handler and answer invocations until the process is ended."""
    global _request_id
    logging.Formatter.converter = time.gmtime
    handler = _LogHandler()
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(method: str, path: str, body: Any = None, kind: str = "") -> tuple[http.client.HTTPMessage, bytes]:
        headers = {"Lambda-Runtime-Function-Error-Type": kind} if kind else {}
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        connection.request(method, "/2018-06-01/runtime" + path, data, headers)
        response = connection.getresponse()
        return response.headers, response.read()

    function, failure = _load(os.environ["_HANDLER"])
    if function is None:
        call("POST", "/init/error", failure, failure["errorType"])
        sys.exit(1)
    while True:
        headers, event = call("GET", "/invocation/next")
        context = Context(headers)
        _request_id = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"] or ""
        try:
            answer = json.dumps(function(json.loads(event), context), ensure_ascii=False).encode()
        except Exception:  # noqa: BLE001, RUF100 - the caller gets it
            failure = _failure(_request_id, 1)
            call("POST", f"/invocation/{_request_id}/error", failure, failure["errorType"])
        else:
            connection.request("POST", f"/2018-06-01/runtime/invocation/{_request_id}/response", answer)
            connection.getresponse().read()
