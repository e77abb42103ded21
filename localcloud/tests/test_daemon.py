"""The cloud in the background: found again, told apart from strangers, and gone when it should be."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from localcloud.advancing import Advanced
from localcloud.daemon import LocalCloudError, Running
from localcloud.persistence.blobs import LARGE
from localcloud.provider import Aws
from localcloud.testing import fixed_port

from localcloud import daemon


def eventually(condition: Callable[[], Any], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.01)


@dataclass(frozen=True)
class Killed:
    """A daemon that was ended by SIGKILL while a function's process waited for work."""

    running: Running
    function_pid: int
    status_afterwards: Running | None


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    directory = tmp_path_factory.mktemp("daemon")
    port = fixed_port()
    found = daemon.up(directory, port=port)
    function_pid = invoke_function(found)
    assert psutil.pid_exists(function_pid)
    psutil.Process(found.pid).kill()
    eventually(lambda: not psutil.pid_exists(found.pid) or psutil.Process(found.pid).status() == "zombie")
    return Killed(found, function_pid, daemon.status(directory))


@pytest.fixture(scope="module")
def running(killed: Killed) -> Iterator[Running]:
    """One daemon for all tests, where another was killed before: a start costs seconds."""
    directory = Path(killed.running.directory)
    found = daemon.up(directory, port=None)
    yield found
    assert daemon.stop(directory) is True
    assert daemon.status(directory) is None
    assert not (directory / "cloud.json").exists()
    assert daemon.kept(directory)
    assert daemon.down(directory) is False
    assert daemon.kept(directory) is None


def test_a_folder_that_was_moved_while_its_cloud_runs_is_told(running: Running, tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text((Path(running.directory) / "cloud.json").read_text())
    for ask in (daemon.status, daemon.up):
        with pytest.raises(LocalCloudError, match=f"was in {running.directory}, which is {tmp_path} now") as moved:
            ask(tmp_path)
        assert "stop, then" in moved.value.next_step
    assert daemon.status(Path(running.directory)) == running


def invoke_function(found: Running) -> int:
    """The pid of a function's process in that cloud."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "import os\ndef handler(event, context): return os.getpid()")
        archive.writestr("large.bin", os.urandom(LARGE))  # the zip is kept in a file of its own
    session = boto3.Session("AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret", region_name="us-east-1")
    iam = session.client("iam", endpoint_url=found.endpoint)
    functions = session.client("lambda", endpoint_url=found.endpoint)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions.create_function(
        FunctionName="f", Runtime="python3.11", Role=role, Handler="app.handler", Code={"ZipFile": buffer.getvalue()}
    )
    pid: int = json.load(functions.invoke(FunctionName="f")["Payload"])
    iam.close()
    functions.close()
    return pid


def write(directory: Path, record: Running) -> None:
    (directory / "cloud.json").write_text(json.dumps(asdict(record)))


def test_an_ordinary_client_is_led_there_by_the_environment(running: Running) -> None:
    environment = running.environment()
    client = boto3.client(
        "sts",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    assert client.get_caller_identity()["Account"] == "123456789012"
    client.close()


def test_a_second_up_finds_the_first(running: Running) -> None:
    again = daemon.up(Path(running.directory), port=1)
    assert again == replace(running, already=True)
    assert daemon.status(Path(running.directory)) == running


def test_the_clock_can_be_read_and_moved(running: Running) -> None:
    before = datetime.fromisoformat(running.now())
    after = datetime.fromisoformat(running.advance(timedelta(days=7)).now)
    assert after - before >= timedelta(days=7)
    assert datetime.fromisoformat(running.now()) >= after


def test_an_interrupted_move_leaves_a_clock_that_can_be_moved(running: Running) -> None:
    queue = client_of(running, "sqs").create_queue(QueueName="asked")["QueueUrl"]
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"},
        "End": True,
    }
    role = client_of(running, "iam").create_role(RoleName="asks", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    client_of(running, "iam").put_role_policy(RoleName="asks", PolicyName="it", PolicyDocument=json.dumps(everything))
    states = client_of(running, "stepfunctions")
    machine = states.create_state_machine(
        name="asks", definition=json.dumps({"StartAt": "Ask", "States": {"Ask": wait}}), roleArn=role
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    seen: list[Advanced] = []

    def interrupt(move: Advanced) -> None:
        seen.append(move)
        raise KeyboardInterrupt

    before = datetime.fromisoformat(running.now())
    with pytest.raises(KeyboardInterrupt):
        running.advance(timedelta(days=7), on_wait=interrupt)
    assert seen[0].waits_for == [{"what": "execution of asks", "count": 1}]
    assert datetime.fromisoformat(running.now()) - before < timedelta(days=7)
    after = running.advance(timedelta(days=7), settle_within=0)
    assert datetime.fromisoformat(after.now) - before >= timedelta(days=7)
    assert [one["what"] for one in after.passed] == ["execution of asks"]
    states.stop_execution(executionArn=execution)


def client_of(running: Running, service: str) -> Any:
    return Aws(running.environment()).client(service)


def test_the_clock_can_not_go_back(running: Running) -> None:
    with pytest.raises(OSError, match="400"):
        running.advance(timedelta(seconds=-1))


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"port {port} is used") as refused:
            daemon.up(tmp_path, port=port)
    assert refused.value.reason == "port_in_use"
    assert "choose another port" in refused.value.next_step


def test_a_pid_that_belongs_to_someone_else_by_now_is_not_taken_for_the_cloud(running: Running, tmp_path: Path) -> None:
    # This very process has the recorded pid, but was started at another time.
    write(tmp_path, replace(running, pid=os.getpid(), started=1.0))
    assert daemon.status(tmp_path) is None
    assert daemon.down(tmp_path) is False


def test_a_silent_process_with_the_right_start_time_is_not_taken_for_the_cloud(
    running: Running, tmp_path: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        started = psutil.Process(stranger.pid).create_time()
        write(tmp_path, replace(running, pid=stranger.pid, started=started))
        assert daemon.status(tmp_path) is None


def test_a_starter_that_lives_on_and_never_asks_does_not_hold_up_the_end(running: Running, tmp_path: Path) -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        write(tmp_path, replace(running, pid=child.pid, started=child.create_time()))
        assert daemon.stop(tmp_path) is True
        assert child.status() == psutil.STATUS_ZOMBIE
        starter.communicate("\n")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_record_is_no_record(tmp_path: Path, record: str) -> None:
    (tmp_path / "cloud.json").write_text(record)
    assert daemon.status(tmp_path) is None
    assert daemon.down(tmp_path) is False


def test_nothing_outlives_a_daemon_that_is_killed(killed: Killed) -> None:
    eventually(lambda: not psutil.pid_exists(killed.function_pid))
    assert killed.status_afterwards is None


def test_a_function_answers_again_after_a_crash(running: Running, killed: Killed) -> None:
    session = boto3.Session("AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret", region_name="us-east-1")
    functions = session.client("lambda", endpoint_url=running.endpoint)
    pid = json.load(functions.invoke(FunctionName="f")["Payload"])
    functions.close()
    assert psutil.pid_exists(pid)
    assert running.port == killed.running.port


def test_the_next_up_starts_anew_where_one_was_killed(killed: Killed, running: Running) -> None:
    assert running.pid != killed.running.pid
    assert running.already is False


def test_an_interrupted_start_leaves_no_server(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from localcloud import daemon; daemon.up(Path(sys.argv[1]), port=0)"
    starter = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.DEVNULL)
    servers: list[psutil.Process] = []

    def started() -> bool:
        servers[:] = psutil.Process(starter.pid).children()
        return any("localcloud.server" in each.cmdline() for each in servers)

    eventually(started)
    # Its server has no record yet: nobody but the one that started it knows of it.
    starter.send_signal(signal.SIGINT)
    assert starter.wait(30) != 0
    assert not any(each.is_running() for each in servers)
