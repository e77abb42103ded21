"""The state machines' files: every task is bounded, retried with jitter and caught, and every expression is JSONata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonata
import pytest

import headwater.infra
from headwater.collecting.service import Order
from headwater.container.task import COLLECTS_FOR
from headwater.infra.platform.state_machine import without

FILES = {path.name.split(".")[0]: path for path in Path(headwater.infra.__file__).parent.rglob("*.asl.json")}
MACHINES = ("collecting", "ingestion", "sharded_materialisation", "training")
CONTAINER = {"ClusterArn", "TaskDefinitionArn", "SubnetIds", "SecurityGroupId"}
FEW = {"CollectFailed", "States.TaskFailed"}
"""Failures of what a run works with: some minutes later they are for good."""
PLACES = {
    "collecting": {"CollectFunctionArn", "InContainers", *CONTAINER},
    "ingestion": {"IngestFunctionArn", "MaterialiseFunctionArn", "RefuseFunctionArn", "FunctionLimitBytes", *CONTAINER},
    "sharded_materialisation": {
        "SplitFunctionArn",
        "WriteShardFunctionArn",
        "FinishFunctionArn",
        "MaterialiseFunctionArn",
        "ShardsAtOnce",
        "Label",
    },
    "training": {"PrepareFunctionArn", "RegisterFunctionArn", "StageFunctionArn", "PromoteFunctionArn", *CONTAINER},
}


def text(name: str) -> str:
    return FILES[name].read_text(encoding="utf-8")


def machine(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text(name))
    return told


def tasks(name: str) -> dict[str, dict[str, Any]]:
    return {key: state for key, state in machine(name)["States"].items() if state["Type"] == "Task"}


def maps(name: str) -> dict[str, dict[str, Any]]:
    return {key: state for key, state in machine(name)["States"].items() if state["Type"] == "Map"}


def children(name: str) -> dict[str, dict[str, Any]]:
    """The tasks inside maps."""
    return {
        f"{key}.{inner}": state
        for key, each in maps(name).items()
        for inner, state in each["ItemProcessor"]["States"].items()
        if state["Type"] == "Task"
    }


def expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)
    elif isinstance(value, str) and value.startswith("{%"):
        yield value.removeprefix("{%").removesuffix("%}").strip()


@pytest.mark.parametrize("name", MACHINES)
def test_the_placeholders_are_those_that_infra_fills_in(name: str) -> None:
    assert set(re.findall(r"\$\{(\w+)\}", text(name))) == PLACES[name]


@pytest.mark.parametrize("name", MACHINES)
def test_every_task_is_bounded_retried_with_jitter_and_caught(name: str) -> None:
    assert machine(name)["TimeoutSeconds"] > 0
    for key, task in (tasks(name) | children(name)).items():
        assert task["TimeoutSeconds"] <= machine(name)["TimeoutSeconds"], key
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL", key
            assert retry["MaxAttempts"] >= (2 if FEW & {*retry["ErrorEquals"]} else 4), key
    for key, state in (tasks(name) | maps(name)).items():
        assert [caught["ErrorEquals"] for caught in state["Catch"]][-1] == ["States.ALL"], key
        assert state["Catch"][-1]["Next"] in ("Failed", "Refuse"), key


@pytest.mark.parametrize("name", MACHINES)
def test_every_failure_ends_in_the_one_state_that_fails_with_its_cause(name: str) -> None:
    states = machine(name)["States"]
    fails = [key for key, state in states.items() if state["Type"] == "Fail"]
    assert fails == ["Failed"]
    targets = {caught["Next"] for state in (tasks(name) | maps(name)).values() for caught in state["Catch"]}
    reached = {state["Next"] for state in states.values() if "Next" in state} | targets | {machine(name)["StartAt"]}
    reached |= {choice["Next"] for state in states.values() for choice in state.get("Choices", ())}
    reached |= {state["Default"] for state in states.values() if "Default" in state}
    assert reached == set(states)


@pytest.mark.parametrize("name", MACHINES)
def test_every_expression_is_jsonata(name: str) -> None:
    found = list(expressions(json.loads(re.sub(r"\$\{\w+\}", "1", text(name)))))
    assert len(found) > 10
    for expression in found:
        jsonata.Jsonata(expression)


@pytest.mark.parametrize("name", MACHINES)
def test_every_function_is_told_whose_run_it_works_for(name: str) -> None:
    for key, task in tasks(name).items():
        if task["Resource"].endswith("lambda:invoke"):
            # An upload carries its run's name: the machine is named after it.
            assert {"run_id", "upload"} & task["Arguments"]["Payload"].keys(), key


def test_the_source_is_read_from_an_uploads_key_or_an_order() -> None:
    payload = tasks("ingestion")["Materialise"]["Arguments"]["Payload"]["source"]
    assert payload == "{% $source %}"
    choice = machine("ingestion")["States"]["ChooseWhere"]
    upload = {"states": {"input": {"upload": {"key": "landing/flights/2013/01.csv", "size": 1}}}}
    order = {"states": {"input": {"reingest": {"source": "flights"}}}}
    assigned = [choice["Assign"], *(entry["Assign"] for entry in choice["Choices"])]
    for given, assign in ((upload, assigned[0]), (order, assigned[1]), (upload, assigned[2])):
        (expression,) = expressions(assign["source"])
        assert jsonata.Jsonata(expression.replace("$states", "states")).evaluate(given) == "flights"


def test_an_order_to_reingest_is_told_from_an_upload_and_given_on_as_json() -> None:
    states = machine("ingestion")["States"]
    (expression,) = expressions(states["ChooseWhere"]["Choices"][0]["Condition"])
    compiled = jsonata.Jsonata(expression.replace("$states", "states"))
    assert compiled.evaluate({"states": {"input": {"reingest": {"source": "s"}}}}) is True
    assert compiled.evaluate({"states": {"input": {"upload": {}}}}) is False
    override = states["ReingestInContainer"]["Arguments"]["Overrides"]["ContainerOverrides"][0]
    assert override["Command"] == ["reingest", "{% $string($order) %}", "{% $states.context.Execution.Name %}"]
    (condition,) = expressions(states["IsReingested"]["Choices"][0]["Condition"])
    assert jsonata.Jsonata(condition.replace("$states", "states")).evaluate({"states": {"input": {"complete": False}}})
    assert states["IsReingested"]["Choices"][0]["Next"] == "ReingestInContainer"


def test_whoever_started_a_training_is_told_to_its_first_step_also_after_a_wait() -> None:
    states = machine("training")["States"]
    told = [states["Prepare"]["Arguments"]["Payload"]["started_by"], states["Prepare"]["Assign"]["started_by"]]
    for given in ({"started_by": {"how": "script"}}, {}, {"started_by": None}):
        for expression in expressions(told):
            compiled = jsonata.Jsonata(expression.replace("$states", "states"))
            assert compiled.evaluate({"states": {"input": given}}) == given.get("started_by")
    assert states["IsPrepared"]["Choices"][0]["Output"]["started_by"] == "{% $started_by %}"


def test_the_container_is_told_the_upload_as_json() -> None:
    override = tasks("ingestion")["IngestInContainer"]["Arguments"]["Overrides"]["ContainerOverrides"][0]
    assert override["Name"] == "training"
    (expression,) = expressions(override["Command"])
    upload = {"bucket": "b", "key": 'landing/s/a "b" 😀.csv', "version_id": "v", "size": 5, "sequencer": "0A"}
    told = jsonata.Jsonata(expression.replace("$upload", "upload")).evaluate({"upload": upload})
    assert json.loads(told) == upload


def test_a_map_over_shards_is_bounded_and_tolerates_no_failure() -> None:
    (each,) = maps("sharded_materialisation").values()
    assert each["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert (each["MaxConcurrency"], each["ToleratedFailureCount"]) == ("{% ${ShardsAtOnce} %}", 0)
    (task,) = children("sharded_materialisation").values()
    assert {"OnlineStoreBusy", "Sandbox.Timedout"} <= set(task["Retry"][0]["ErrorEquals"])
    # Children see no variables of the machine: all they know was selected.
    assert not re.search(r"\$(assignment|split)\b", json.dumps(each["ItemProcessor"]))
    (written,) = expressions(each["Output"])
    assert jsonata.Jsonata(written.replace("$states.result", "result")).evaluate({"result": [2, 0, 5]}) == 7


def test_a_collector_runs_where_it_is_declared_to() -> None:
    choice = machine("collecting")["States"]["ChooseWhere"]
    assert (choice["Choices"][0]["Next"], choice["Default"]) == ("CollectInContainer", "Collect")
    (expression,) = expressions(choice["Choices"][0]["Condition"])
    compiled = jsonata.Jsonata(expression.replace("$states", "states").replace("${InContainers}", "orders,books"))
    for name, inside in (("orders", True), ("books", True), ("order", False), ("rain", False)):
        assert compiled.evaluate({"states": {"input": {"collector": name}}}) is inside, name


def test_a_container_that_collects_is_told_run_tick_and_when_it_was_asked_for() -> None:
    override = tasks("collecting")["CollectInContainer"]["Arguments"]["Overrides"]["ContainerOverrides"][0]
    assert override["Name"] == "collecting"
    (expression,) = expressions(override["Command"])
    tick = {"tick": "2026-11-01T00:00:00+00:00", "interval": ["2026-10-31T00:00:00+00:00", "2026-11-01T00:00:00+00:00"]}
    context = {"Execution": {"Name": "run-1"}, "State": {"EnteredTime": "2026-11-01T00:00:03.123Z"}}
    states = {"input": {"collector": "orders", "tick": tick}, "context": context}
    told = jsonata.Jsonata(expression.replace("$states", "states")).evaluate({"states": states})
    order = Order.model_validate_json(told)
    assert (order.collector, order.run_id, dict(order.tick)) == ("orders", "run-1", tick)
    assert order.started_at == datetime(2026, 11, 1, 0, 0, 3, 123000, tzinfo=UTC)


def test_a_container_gives_up_by_itself_before_it_is_stopped() -> None:
    waits = timedelta(seconds=tasks("collecting")["CollectInContainer"]["TimeoutSeconds"])
    assert COLLECTS_FOR + timedelta(minutes=30) <= waits < timedelta(seconds=machine("collecting")["TimeoutSeconds"])


def test_a_machine_without_containers_is_as_if_there_were_none() -> None:
    left = json.loads(without(text("collecting"), ("ChooseWhere", "CollectInContainer")))
    assert (left["StartAt"], "ecs:" in json.dumps(left)) == ("Collect", False)
    assert left["States"]["Collect"] == machine("collecting")["States"]["Collect"]
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(left))) == {"CollectFunctionArn"}
    chosen = json.loads(without(text("collecting"), ("CollectInContainer",)))["States"]["ChooseWhere"]
    assert (chosen["Choices"], chosen["Default"]) == ([], "Collect")
