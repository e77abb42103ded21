"""Invoke: what callers see of functions that answer, fail, hang, die, and are refused."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.functions import Functions

from .conftest import Deploy, total, zipped

ECHO = """
def handler(event, context):
    print("saw", event)
    return {"event": event, "arn": context.invoked_function_arn, "id": context.aws_request_id}
"""


def test_a_function_runs_from_its_zip_and_answers(deploy: Deploy) -> None:
    function = deploy(ECHO)
    answer = function({"a": "ä"})
    assert (answer.status, answer.error) == (200, "")
    assert answer.payload["event"] == {"a": "ä"}
    assert answer.payload["arn"] == function.arn
    start, said, end, report = answer.log.strip().split("\n")
    assert start == f"START RequestId: {answer.payload['id']} Version: $LATEST"
    assert said == "saw {'a': 'ä'}"
    assert end == f"END RequestId: {answer.payload['id']}"
    assert report.startswith(f"REPORT RequestId: {answer.payload['id']}\tDuration: ")
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in report
    assert "\tInit Duration: " in report


def test_a_warm_process_is_used_again(deploy: Deploy) -> None:
    function = deploy("import os\ndef handler(event, context): return os.getpid()")
    first, second = function(), function()
    assert first.payload == second.payload
    assert "Init Duration" not in second.log


def test_a_name_an_arn_and_a_qualifier_lead_to_the_same_function(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy("def handler(event, context): return [context.function_version, context.invoked_function_arn]")
    client = cloud.client("lambda")
    version = client.publish_version(FunctionName=function.name)["Version"]
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)

    def answered(name: str, **arguments: str) -> list[str]:
        answer = client.invoke(FunctionName=name, **arguments)
        assert answer["ExecutedVersion"] in ("$LATEST", version)
        result: list[str] = json.load(answer["Payload"])
        return result

    assert answered(function.arn) == ["$LATEST", function.arn]
    assert answered(function.name, Qualifier="live") == [version, f"{function.arn}:live"]
    assert answered(f"{function.arn}:live") == [version, f"{function.arn}:live"]
    assert answered(f"{function.name}:{version}") == [version, f"{function.arn}:{version}"]


def test_the_environment_is_what_aws_documents_and_nothing_of_ours(
    cloud: Cloud, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_DEVELOPER", "1")
    function = deploy(
        """
import os, sys
def handler(event, context):
    return {"env": dict(os.environ), "path": sys.path, "cwd": os.getcwd()}
""",
        Environment={"Variables": {"MINE": "yes"}},
    )
    seen = function().payload
    env = seen["env"]
    assert "OF_THE_DEVELOPER" not in env
    assert env["MINE"] == "yes"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == function.name
    assert env["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert env["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{function.name}"
    assert "[$LATEST]" in env["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert env["_HANDLER"] == "app.handler"
    assert env["TZ"] == ":UTC"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == cloud.region
    assert env["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert cloud.principals[env["AWS_ACCESS_KEY_ID"]] == function.role
    assert env["LAMBDA_TASK_ROOT"] == seen["cwd"] == seen["path"][0]
    assert env["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert Path(env["TMPDIR"]).is_relative_to(cloud.directory)
    assert not any("site-packages" in folder for folder in seen["path"])


def test_a_dependency_that_the_bundle_lacks_is_missing_here_too(deploy: Deploy) -> None:
    answer = deploy("import boto3\ndef handler(event, context): return 1")()
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'boto3'" in answer.payload["errorMessage"]


def test_a_handler_that_raises_is_reported_and_stays_warm(deploy: Deploy) -> None:
    function = deploy(
        "import os\ndef handler(event, context):\n    if event: raise ValueError('no ' + event)\n    return os.getpid()"
    )
    before = function()
    answer = function("luck")
    assert answer.error == "Unhandled"
    assert answer.payload["errorMessage"] == "no luck"
    assert answer.payload["errorType"] == "ValueError"
    assert "raise ValueError" in answer.payload["stackTrace"][0]
    assert "[ERROR] ValueError: no luck" in answer.log
    assert function().payload == before.payload


def test_a_function_that_takes_too_long_is_ended(deploy: Deploy) -> None:
    function = deploy(
        "import os, time\ndef handler(event, context):\n    if event: time.sleep(600)\n    return os.getpid()",
        Timeout=1,
    )
    before = function()
    answer = function(1)
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in answer.log
    assert "Status: timeout" in answer.log
    assert function().payload != before.payload


def test_a_function_that_needs_too_much_memory_is_ended(deploy: Deploy) -> None:
    answer = deploy(
        "import time\ndef handler(event, context):\n    x = b'x' * 300_000_000\n    time.sleep(600)", Timeout=60
    )()
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Max Memory Used: 128 MB" in answer.log


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "Runtime exited without providing a reason"), (3, "Runtime exited with error: exit status 3")],
)
def test_a_process_that_ends_by_itself_is_reported(deploy: Deploy, code: int, words: str) -> None:
    function = deploy("import os\ndef handler(event, context):\n    os._exit(event)")
    answer = function(code)
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith(f"Error: {words}")


def test_code_that_fails_to_load_is_reported_every_time(deploy: Deploy) -> None:
    function = deploy("raise RuntimeError('at start-up')")
    for _ in range(2):
        answer = function()
        assert answer.error == "Unhandled"
        assert (answer.payload["errorType"], answer.payload["errorMessage"]) == ("RuntimeError", "at start-up")


def test_new_code_and_new_configuration_take_effect_at_once(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy("import os\ndef handler(event, context): return ['old', os.environ.get('MODE')]")
    assert function().payload == ["old", None]
    function.change(Environment={"Variables": {"MODE": "1"}})
    assert function().payload == ["old", "1"]
    code = zipped(app="import os\ndef handler(event, context): return ['new', os.environ.get('MODE')]")
    cloud.client("lambda").update_function_code(FunctionName=function.name, ZipFile=code)
    assert function().payload == ["new", "1"]


def test_concurrent_invocations_get_a_process_each(deploy: Deploy, functions: Functions) -> None:
    function = deploy(
        "import os, time\ndef handler(event, context):\n    time.sleep(0.5)\n    return os.getpid()", Timeout=30
    )
    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(lambda _: functions.invoke(function.name, b"{}"), range(3)))
    assert len({outcome.json() for outcome in outcomes}) == 3


def test_reserved_concurrency_is_honoured(cloud: Cloud, deploy: Deploy, functions: Functions, tmp_path: Path) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    function = deploy(
        f"""
import pathlib, time
def handler(event, context):
    pathlib.Path({str(started)!r}).touch()
    while not pathlib.Path({str(gate)!r}).exists():
        time.sleep(0.01)
""",
        Timeout=60,
    )
    cloud.client("lambda").put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    running = threading.Thread(target=functions.invoke, args=(function.name, b"{}"))
    running.start()
    while not started.exists():
        threading.Event().wait(0.01)
    with pytest.raises(ClientError) as refused:
        function()
    gate.touch()
    running.join()
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert refused.value.response["Error"]["Message"] == "Rate Exceeded."
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert function().error == ""
    assert function.counted("Throttles") == 1
    # Without a dimension: of all functions.
    assert total(cloud, "AWS/Lambda", "Throttles", {}) >= 1
    assert total(cloud, "AWS/Lambda", "Invocations", {}) >= function.counted("Invocations")


def test_a_dry_run_says_that_the_function_is_there_and_runs_nothing(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy(ECHO)
    assert function({}, InvocationType="DryRun").status == 204
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.client("lambda").invoke(FunctionName="nobody", InvocationType="DryRun")


def test_an_unknown_function_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client("lambda").invoke(FunctionName="nobody")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    arn = f"arn:aws:lambda:{cloud.region}:{cloud.account_id}:function:nobody:$LATEST"
    assert refused.value.response["Error"]["Message"] == f"Function not found: {arn}"


def test_a_payload_that_is_not_json_is_refused(cloud: Cloud, deploy: Deploy) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client("lambda").invoke(FunctionName=deploy(ECHO).name, Payload=b"{nope")
    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_payloads_over_the_quotas_are_refused(cloud: Cloud, deploy: Deploy) -> None:
    function = deploy(ECHO)
    for kind, size in (("RequestResponse", 6_291_457), ("Event", 1_048_577)):
        with pytest.raises(ClientError) as refused:
            cloud.client("lambda").invoke(
                FunctionName=function.name, InvocationType=kind, Payload=b'"' + b"x" * (size - 2) + b'"'
            )
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert refused.value.response["Error"]["Code"] == "RequestEntityTooLargeException"


def test_an_answer_over_six_megabytes_is_an_error(deploy: Deploy) -> None:
    function = deploy("def handler(event, context): return 'x' * event", MemorySize=512)
    answer = function(6_400_000)
    assert answer.error == "Unhandled"
    assert answer.payload == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert len(function(6_000_000).payload) == 6_000_000


def test_a_runtime_that_this_machine_lacks_is_named(deploy: Deploy) -> None:
    function = deploy(ECHO)
    function.change(Runtime="nodejs22.x")
    with pytest.raises(ClientError, match="Python functions only"):
        function()


def test_layers_are_on_the_path_behind_the_bundle(cloud: Cloud, deploy: Deploy) -> None:
    layer = cloud.client("lambda").publish_layer_version(
        LayerName="shared", Content={"ZipFile": zipped(**{"python/shared": "VALUE = 42"})}
    )
    function = deploy(
        "import shared\ndef handler(event, context): return shared.VALUE", Layers=[layer["LayerVersionArn"]]
    )
    assert function().payload == 42
