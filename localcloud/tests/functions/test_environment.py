"""The two APIs that a function's process speaks: AWS's runtime client, ours, and internal extensions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from localcloud.cloud import Cloud
from localcloud.functions import Functions
from localcloud.functions.code import runtime_folder

from .conftest import Deploy, eventually, total

EXTENSION = """
import http.client, json, os, pathlib, threading

api = os.environ["AWS_LAMBDA_RUNTIME_API"]
seen = []

def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(api)
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    response = connection.getresponse()
    return response, response.read()

response, body = call("POST", "register", {"Lambda-Extension-Name": "log"}, '{"events": ["INVOKE"]}')
registered = json.loads(body)
identity = {"Lambda-Extension-Identifier": response.headers["Lambda-Extension-Identifier"]}
handled = threading.Semaphore(0)

def work():
    while True:
        _, event = call("GET", "event/next", identity)
        handled.acquire()
        event = json.loads(event)
        gate = pathlib.Path(os.environ["GATE"])
        while not gate.exists():
            threading.Event().wait(0.01)
        seen.append(event["eventType"] + " " + event["requestId"])
        print("logged after the answer")

threading.Thread(target=work, daemon=True).start()

def handler(event, context):
    handled.release()
    return {"seen": list(seen), "registered": registered, "id": context.aws_request_id, "pid": os.getpid()}
"""


def test_the_answer_does_not_wait_for_an_extension_but_the_next_invocation_does(deploy: Deploy, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    function = deploy(EXTENSION, Environment={"Variables": {"GATE": str(gate)}}, Timeout=60)
    first = function().payload
    assert first["seen"] == []
    assert first["registered"]["functionName"] == function.name
    # The extension still holds the first process: this one gets another.
    second = function().payload
    assert second["pid"] != first["pid"]
    gate.touch()
    later = [function().payload for _ in range(3)][-1]
    assert later["seen"]
    assert "logged after the answer" in function.lines()


def test_an_extension_that_never_ends_is_ended_at_the_timeout(deploy: Deploy, tmp_path: Path) -> None:
    function = deploy(EXTENSION, Environment={"Variables": {"GATE": str(tmp_path / "never")}}, Timeout=1)
    answer = function()
    assert answer.error == ""
    eventually(lambda: any("Task timed out after 1.00 seconds" in line for line in function.lines()))


OURS = """
import json, logging, os, sys
logging.getLogger().setLevel("INFO")
def handler(event, context):
    logging.info("logged")
    if event == "fail":
        raise KeyError("x")
    assert context.get_remaining_time_in_millis() > 0
    return {"event": event, "arn": context.invoked_function_arn, "aws": "awslambdaric" in sys.modules}
"""


@pytest.fixture
def without_awslambdaric(functions: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_runtime", runtime_folder(tmp_path, awslambdaric=False))


@pytest.mark.usefixtures("without_awslambdaric")
def test_our_own_runtime_client_answers_as_awss_does(deploy: Deploy) -> None:
    function = deploy(OURS)
    answer = function({"ä": 1})
    assert answer.payload == {"event": {"ä": 1}, "arn": function.arn, "aws": False}
    assert "[INFO]\t" in answer.log
    assert "\tlogged" in answer.log
    failed = function("fail")
    assert failed.error == "Unhandled"
    assert failed.payload["errorType"] == "KeyError"
    assert failed.payload["stackTrace"][0].rstrip().endswith('raise KeyError("x")')
    assert function(1).payload["event"] == 1


@pytest.mark.usefixtures("without_awslambdaric")
@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("import nothing_like_it", "app.handler", "Runtime.ImportModuleError", "No module named 'nothing_like_it'"),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("1 / 0", "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_our_own_runtime_client_reports_code_that_fails_to_load(
    deploy: Deploy, source: str, handler: str, kind: str, message: str
) -> None:
    answer = deploy(source, handler=handler)()
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == kind
    assert message in answer.payload["errorMessage"]


def test_what_a_function_logs_and_counts_reaches_cloudwatch(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy(
        """
import json
def handler(event, context):
    print("one")
    print(json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [{"Namespace": "Test", "Dimensions": [["service"]],
        "Metrics": [{"Name": "Rows", "Unit": "Count"}, {"Name": "Times"}]}]},
        "service": context.function_name, "Rows": 7, "Times": [1, 2]}))
    if event: raise ValueError
"""
    )
    function()
    function("fail")
    eventually(lambda: sum(line.startswith("REPORT") for line in function.lines()) == 2)
    lines = function.lines()
    assert lines[0] == "INIT_START Runtime Version: python3.11.local"
    assert lines.count("one") == 2
    assert (function.counted("Invocations"), function.counted("Errors")) == (2, 1)
    assert function.counted("Duration", "Maximum") > 0
    dimensions = {"service": function.name}
    assert total(cloud, "Test", "Rows", dimensions) == 14
    assert total(cloud, "Test", "Times", dimensions, "Maximum") == 2


def test_the_log_group_can_be_chosen(cloud: Cloud, deploy: Deploy, functions: Functions) -> None:
    function = deploy("def handler(event, context): print('here')", LoggingConfig={"LogGroup": "/chosen/group"})
    described = cloud.client("lambda").get_function_configuration(FunctionName=function.name)
    assert described["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/chosen/group"}
    function()
    functions.flush_logs()
    logs = cloud.client("logs")
    [stream] = logs.describe_log_streams(logGroupName="/chosen/group")["logStreams"]
    events = logs.get_log_events(logGroupName="/chosen/group", logStreamName=stream["logStreamName"])["events"]
    assert "here" in [event["message"] for event in events]


def test_a_log_group_that_was_deleted_is_made_again(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy("def handler(event, context): print(event)")
    function("before")
    assert "before" in function.lines()
    cloud.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{function.name}")
    function("after")
    assert "after" in function.lines()


def test_a_deleted_function_leaves_no_process(deploy: Deploy, functions: Functions, cloud: Cloud) -> None:
    function = deploy("import os\ndef handler(event, context): return os.getpid()")
    pid = function().payload
    cloud.client("lambda").delete_function(FunctionName=function.name)
    eventually(lambda: not psutil.pid_exists(pid))


def test_an_environment_that_is_no_longer_needed_ends_without_a_word(deploy: Deploy) -> None:
    function = deploy("import os\ndef handler(event, context): return os.getpid()")
    first = function().payload
    function.change(Environment={"Variables": {"ANOTHER": "configuration gives the waiting environment up"}})
    assert function().payload != first
    eventually(lambda: not psutil.pid_exists(first))
    # A runtime whose connection is cut while it waits for an invocation logs that as an error, with a traceback.
    assert not [line for line in function.lines() if "Traceback" in line or "ERROR" in line]


def test_each_caller_gets_its_own_answer_however_many_share_an_environment(
    deploy: Deploy, functions: Functions
) -> None:
    function = deploy("def handler(event, context): return event")

    def ask(number: int) -> bytes:
        return functions.invoke(function.name, str(number).encode()).payload

    # More callers than the machine has cores: some wake up only when their environment works for someone else.
    with ThreadPoolExecutor(32) as callers:
        answers = list(callers.map(ask, range(1000)))
    assert answers == [str(number).encode() for number in range(1000)]
