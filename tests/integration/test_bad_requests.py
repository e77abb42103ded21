"""Bad requests and bad models through the deployed system: a documented answer for each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headwater.client import Stack
from headwater.client.api import Api
from headwater.client.description import clients_of, local_environment
from headwater.client.errors import NotDeclared, PredictionRefused, RunFailed
from headwater.client.predictions import predict
from headwater.code.types import CodeState
from tests.contract import DOCUMENT
from tests.projects import Project

pytestmark = pytest.mark.cloud

HOUSE = {"rooms": 4, "area": 120, "district": "harbour"}


@pytest.fixture
def house(served: Project, deployed: Stack) -> Stack:
    return deployed


@pytest.mark.parametrize(
    ("instances", "words"),
    [
        ([], "instances"),
        ([{"rooms": 4}], "area"),
        ([{**HOUSE, "rooms": "four"}], "rooms"),
        ([{**HOUSE, "rooms": 1000}], "rooms"),
        ([HOUSE, {**HOUSE, "garden": True}], "garden"),
        ([HOUSE] * 101, "100"),
    ],
)
def test_a_malformed_request_is_answered_with_400_and_the_field(
    house: Stack, instances: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(PredictionRefused, match=words) as caught:
        house.predict("house_price", instances)
    assert (caught.value.status, caught.value.exit_code) == (400, 2)
    assert caught.value.request_id


def test_an_unknown_model_is_answered_with_404(deployed: Stack) -> None:
    with pytest.raises(PredictionRefused, match="castle_price") as caught:
        deployed.predict("castle_price", [HOUSE])
    assert (caught.value.status, caught.value.exit_code) == (404, 3)


def test_an_alias_that_does_not_exist_is_answered_with_404(house: Stack) -> None:
    with pytest.raises(PredictionRefused, match="canary") as caught:
        house.predict("house_price", [HOUSE], alias="canary")
    assert caught.value.status == 404


def test_a_category_never_seen_and_none_at_all_are_answered(house: Stack) -> None:
    answer = house.predict("house_price", [HOUSE, {**HOUSE, "district": "moon"}, {"rooms": 4, "area": 120}])
    values = [entry.number for entry in answer.predictions]
    assert all(50_000 < value < 1_000_000 for value in values)


def test_an_unsigned_request_is_forbidden(deployed: Stack) -> None:
    import urllib3

    pool = urllib3.PoolManager()
    answer = pool.request(
        "POST", f"{deployed.description.api_url}/models/house_price/predictions", json={"instances": [HOUSE]}
    )
    pool.clear()
    assert answer.status == 403


def test_a_request_signed_with_an_unknown_key_is_forbidden(deployed: Stack) -> None:
    environment = {**(local_environment() or {}), "AWS_ACCESS_KEY_ID": "AKIANOBODY0000000000"}
    api = Api(deployed.description.api_url, clients_of(environment), deployed.description.region)
    with pytest.raises(PredictionRefused) as caught:
        predict(api, "house_price", [HOUSE])
    api.close()
    assert (caught.value.status, caught.value.exit_code) == (403, 4)


def test_the_api_hands_out_its_own_description_to_those_who_may_call_it(deployed: Stack) -> None:
    import urllib3

    environment = local_environment() or {}
    api = Api(deployed.description.api_url, clients_of(environment), deployed.description.region)
    assert api.send("GET", "/openapi.json") == DOCUMENT
    api.close()
    pool = urllib3.PoolManager()
    assert pool.request("GET", f"{deployed.description.api_url}/openapi.json").status == 403
    pool.clear()


def test_the_answer_is_logged_as_it_was_given(house: Stack) -> None:
    import json

    from headwater.client.waiting import wait_for

    said = house.predict("house_price", [HOUSE])
    s3, bucket = house.clients("s3"), house.description.predictions_bucket

    def look() -> dict[str, Any] | None:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="house_price/date=").get("Contents", ())
        keys = [entry["Key"] for entry in listed if said.request_id in entry["Key"]]
        return json.loads(s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()) if keys else None

    logged = wait_for(look, what="the logged prediction", timeout=30)
    assert logged["predictions"][0]["value"] == said.predictions[0].number
    assert logged["predictions"][0]["inputs"] == HOUSE
    assert logged["version"] == said.version


def test_answers_are_compacted_within_the_hour_and_read_once(house: Stack) -> None:
    from headwater.client.waiting import wait_for

    since, said = datetime.now(UTC), house.predict("house_price", [HOUSE] * 3)
    until = since + timedelta(minutes=5)
    logged = house.predictions("house_price", since, until)
    wait_for(lambda: logged.count() or None, what="the logged predictions", timeout=30)
    name = f"headwater-{house.description.name}-monitoring-compact"
    event = json.dumps({"time": (since + timedelta(hours=1)).isoformat()})
    answer = house.clients("lambda").invoke(FunctionName=name, Payload=event.encode())
    found = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    assert (found["torn"], found["complete"]) == (0, True)
    assert found["rows"] >= 3
    frame = logged.frame()
    mine = frame[frame.request_id == said.request_id]
    assert list(mine.prediction_id) == [f"{said.request_id}.{number}" for number in range(3)]
    assert list(mine.output) == [one.number for one in said.predictions]
    assert json.loads(mine.inputs.iloc[0]) == HOUSE


def test_a_train_function_that_raises_fails_its_run_with_its_own_words(deployed: Stack, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("rooms\n" + "".join(f"{number % 9 + 1}\n" for number in range(80)))
    deployed.ingestions.wait(deployed.upload("steady_rows", file), timeout=120)
    run = deployed.train("broken")
    with pytest.raises(RunFailed, match="this train function is broken on purpose"):
        deployed.runs.watch(run.id, timeout=240)
    assert deployed.runs.get(run.id).status == "FAILED"


def test_training_an_unknown_model_or_without_data_says_so(deployed: Stack) -> None:
    with pytest.raises(
        NotDeclared, match="has no model 'castle_price': its models are broken, flight_delay, house_price"
    ):
        deployed.train("castle_price")
    # A schedule of a model that is gone by now doesn't ask a client.
    deployed.clients("stepfunctions").start_execution(
        stateMachineArn=deployed.description.training_arn,
        name="castle_price-by-schedule",
        input=json.dumps({"model": "castle_price", "reason": "schedule"}),
    )
    with pytest.raises(RunFailed, match="unknown model 'castle_price'"):
        deployed.runs.watch("castle_price-by-schedule", timeout=120)
    with pytest.raises(RunFailed, match="no data for source 'flights'"):
        deployed.runs.watch(deployed.train("flight_delay").id, timeout=120)


def test_the_model_that_serves_can_be_moved_and_moved_back(house: Stack) -> None:
    before = house.models.show("house_price").version
    card = house.models.serving("house_price")
    assert card.version == before
    # The card names what it learnt from and its own files; both are there by name as well.
    source, files = house.data.dataset("sources/house_price_rows"), house.data.dataset("models/house_price")
    assert card.commits == {"house_price_rows": source.resolve(f"models/house_price/v{before}")}
    assert card.artifacts == files.resolve(f"v{before}")
    assert "requirements.txt" in {entry.path for entry in files.files(f"v{before}")}
    assert house.predict("house_price", [HOUSE], as_of=datetime.now(UTC)).version == before
    run = house.runs.list("house_price")[0]
    assert run.outcome == "READY"
    # Who started the run is known from its input to the version's card.
    start = house.models.show("house_price").started_by
    assert start is not None
    assert (start, start.how, start.program) == (run.started_by, "command", "headwater train")
    # Also outside of a repository what was deployed is known by its hash.
    key = f"code/state/{house.description.code_state}.json"
    body = house.clients("s3").get_object(Bucket=house.description.artifacts_bucket, Key=key)["Body"].read()
    state = CodeState.model_validate_json(body)
    assert len(state.content) == 64
