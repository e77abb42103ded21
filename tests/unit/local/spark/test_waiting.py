"""A training whose view Spark computes asks again until it is done: the states of the real machine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.local.workflows.conftest import Machines, machines

__all__ = ["machines"]

TRAINING = Path(__file__).resolve().parents[4] / "pipelines" / "training.asl.json"


def test_a_training_asks_again_as_long_as_it_has_to_wait(machines: Machines) -> None:
    states = json.loads(TRAINING.read_text())["States"]
    # Stands for the function, which has to wait when it is asked first.
    prepare = {
        "Type": "Pass",
        "Assign": {
            "model": "{% $states.input.model %}",
            "asked": "{% $exists($states.input.first) ? 1 : $asked + 1 %}",
        },
        "Output": "{% $exists($states.input.first) ? {'waits': 'for Spark'} : {'rows': 3} %}",
        "Next": states["Prepare"]["Next"],
    }
    wait = states["WaitForSpark"] | {"Seconds": 0}
    train = {"Type": "Succeed", "Output": {"model": "{% $model %}", "asked": "{% $asked %}"}}
    shortened = {"Prepare": prepare, "IsPrepared": states["IsPrepared"], "WaitForSpark": wait, "Train": train}
    ended = machines.run(shortened, {"model": "flight_delay", "first": True})
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == {"model": "flight_delay", "asked": 2}
    assert states["Prepare"]["Type"] == "Task"
    assert wait["Next"] == "Prepare"
