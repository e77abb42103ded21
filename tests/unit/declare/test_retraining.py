from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headwater.declare import Model, Retraining, Schedule
from headwater.declare.alarms import Alarms, Email, Route, with_retraining
from tests.unit.training.products import BUYS


def test_by_default_only_the_schedule_trains() -> None:
    policy = Retraining()
    assert policy.reasons == ("schedule",)
    assert not policy.by_alarm
    assert policy.cool_down == timedelta(days=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reasons": ("weather",)}, "Input should be 'schedule', 'upload', 'drift', 'performance' or 'labels'"),
        ({"reasons": ("drift", "drift")}, "retraining: reasons: 'drift' declared more than once"),
        ({"worse": 4}, "retraining: worse=4 of windows=3 can't be: give windows at least"),
        ({"cool_down": "100d"}, "retraining: cool_down is 100 days, 0:00:00, the longest is 90 days"),
        ({"cool_down": "soon"}, "'soon' is no duration"),
        ({"runs": 0}, "greater than or equal to 1"),
        ({"dollars": -1}, "greater than 0"),
        ({"matured": 80}, "less than or equal to 1"),
    ],
)
def test_a_policy_that_can_not_be_is_refused_in_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words.replace("(", r"\(")):
        Retraining(**given)


def test_a_schedule_that_is_no_reason_is_refused() -> None:
    fields = {**dict(BUYS), "retrain": Schedule(every="7d"), "retraining": Retraining(reasons=("drift",))}
    with pytest.raises(ValueError, match=r"retraining.reasons leaves the schedule out \(drift\): add 'schedule'"):
        Model(**fields)


def test_a_route_may_name_a_models_policy_without_a_declaration() -> None:
    alarms = Alarms(receivers=(Email(name="us"),), route=Route(receivers=("us", "retrain:buys")))
    assert [one.name for one in alarms.receivers] == ["us", "retrain:buys"]
    assert Alarms.model_validate_json(alarms.model_dump_json()) == alarms
    # Who routes to it already isn't helped.
    assert with_retraining(alarms, ["buys"]) == alarms


def test_models_whose_alarms_are_reasons_get_a_route_beside_all_others() -> None:
    from headwater.alarms.routing import Router

    routes = Route(receivers=("us",), routes=(Route(match=('severity="critical"',), receivers=("them",)),))  # type: ignore[arg-type]
    alarms = with_retraining(Alarms(receivers=(Email(name="us"), Email(name="them")), route=routes), ["buys"])
    router = Router(Alarms.model_validate_json(alarms.model_dump_json()))

    def receivers(**labels: str) -> list[str]:
        return [name for leg in router.route(labels) for name in leg.receivers]

    assert receivers(alarmname="model-buys") == ["retrain:buys", "us"]
    assert receivers(alarmname="model-buys", severity="critical") == ["retrain:buys", "them"]
    assert receivers(alarmname="model-other") == ["us"]
