"""A failure of each kind on the deployed stack makes an alarm, also while the alarm manager itself is broken."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from localcloud.testing import CloudBeside

from headwater.client.waiting import wait_for
from tests.infra.cases import Graph

pytestmark = pytest.mark.cloud

PREFIX = "headwater-local-"
SCRAPED, ASYNCHRONOUS, THROTTLED, MANAGER = "monitoring-metrics", "lake-intake", "lake-refuse", "alarms-manage"


class Breaking:
    """Ways to break the stack, all of them mended afterwards."""

    def __init__(self, cloud: CloudBeside, graph: Graph) -> None:
        self._cloud, self._graph = cloud, graph
        self._handlers: dict[str, str] = {}
        self.functions = cloud.client("lambda")

    def break_code(self, name: str) -> None:
        """Every call of the function fails."""
        full = f"{PREFIX}{name}"
        self._handlers[full] = self.functions.get_function_configuration(FunctionName=full)["Handler"]
        self.functions.update_function_configuration(FunctionName=full, Handler="nothing.handler")

    def mend(self) -> None:
        """As it was deployed."""
        for name, handler in self._handlers.items():
            self.functions.update_function_configuration(FunctionName=name, Handler=handler)
        self.functions.delete_function_concurrency(FunctionName=f"{PREFIX}{THROTTLED}")
        self._cloud.client("sqs").purge_queue(QueueUrl=self.dead_letters)

    @property
    def dead_letters(self) -> str:
        return str(self._graph.outputs("aws:sqs/queue:Queue")["dead-letters"]["url"])

    def fail_a_machine(self) -> None:
        arn = self._graph.outputs("aws:sfn/stateMachine:StateMachine")["ingestion"]["arn"]
        machines = self._cloud.client("stepfunctions")
        run = machines.start_execution(stateMachineArn=arn, input="{}")["executionArn"]

        def is_over() -> bool | None:
            return machines.describe_execution(executionArn=run)["status"] == "FAILED" or None

        wait_for(is_over, what="the end of the run", timeout=60)

    def fail_the_api(self) -> None:
        url = self._graph.deployment.outputs["api_url"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/metrics/scrape")  # noqa: S310 -- the local cloud's
        assert refused.value.code == 500
        refused.value.close()

    def throttle(self) -> None:
        full = f"{PREFIX}{THROTTLED}"
        self.functions.put_function_concurrency(FunctionName=full, ReservedConcurrentExecutions=0)
        with pytest.raises(self.functions.exceptions.TooManyRequestsException):
            self.functions.invoke(FunctionName=full, Payload=b"{}")

    def fail_asynchronously(self) -> None:
        self.functions.invoke(FunctionName=f"{PREFIX}{ASYNCHRONOUS}", InvocationType="Event", Payload=b"{}")

        def lies_there() -> bool | None:
            told = self._cloud.client("sqs").get_queue_attributes(
                QueueUrl=self.dead_letters, AttributeNames=["ApproximateNumberOfMessages"]
            )
            return int(told["Attributes"]["ApproximateNumberOfMessages"]) > 0 or None

        wait_for(lies_there, what="the dead letter", timeout=60)


def mailbox(cloud: CloudBeside, graph: Graph) -> str:
    """A queue that gets what the addresses of ``alarmEmails`` get."""
    sqs = cloud.client("sqs")
    url = str(sqs.create_queue(QueueName="on-call")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = graph.outputs("aws:sns/topic:Topic")["notifications"]["arn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


@pytest.fixture(scope="module")
def mail(cloud: CloudBeside, graph: Graph) -> Iterator[list[dict[str, Any]]]:
    """What came by e-mail after all of it, the alarm manager broken from the beginning."""
    breaking, url = Breaking(cloud, graph), mailbox(cloud, graph)
    for name in (MANAGER, SCRAPED, ASYNCHRONOUS):
        breaking.break_code(name)
    breaking.fail_a_machine()
    breaking.fail_the_api()
    breaking.throttle()
    breaking.fail_asynchronously()
    cloud.advance(timedelta(minutes=5))
    came: list[dict[str, Any]] = []

    def receive() -> bool | None:
        found = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        came.extend(json.loads(json.loads(message["Body"])["Message"]) for message in found)
        return bool(came) or None

    wait_for(receive, what="an e-mail", timeout=60)
    yield came
    breaking.mend()
    cloud.client("sqs").delete_queue(QueueUrl=url)


@pytest.mark.parametrize("alarm", ["ingestion-failed", "serving-api-5xx", "functions-throttled", "dead-letters"])
def test_a_failure_of_each_kind_raises_its_alarm(alarm: str, cloud: CloudBeside, mail: list[dict[str, Any]]) -> None:
    assert mail
    history = cloud.client("cloudwatch").describe_alarm_history(AlarmName=f"{PREFIX}{alarm}")["AlarmHistoryItems"]
    assert any(item["HistorySummary"].endswith("to ALARM") for item in history)


def test_a_broken_alarm_manager_is_heard_of_by_e_mail(mail: list[dict[str, Any]]) -> None:
    assert {(one["AlarmName"], one["NewStateValue"]) for one in mail} == {(f"{PREFIX}dead-letters", "ALARM")}
