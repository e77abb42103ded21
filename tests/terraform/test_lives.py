"""Each resource type of the program, led through a life by HashiCorp's provider: what AWS's users meet it with."""

from __future__ import annotations

import pytest

from tests.terraform.conftest import Life
from tests.terraform.types import REPLACED, configured


@pytest.mark.parametrize("kind", configured())
def test_a_resource_is_made_kept_changed_and_unmade(life: Life, kind: str) -> None:
    for stage in (life.made, life.changed, life.unmade):
        assert not [error for error in stage.errors if error.startswith(f"{kind}.")]
    assert life.made.actions[kind] == {"create"}
    assert kind not in life.made_again.actions, "planned again, it is a change"
    assert life.changed.actions[kind] == {"replace" if kind in REPLACED else "update"}
    assert kind not in life.changed_again.actions, "planned again after its change, it is a change"
    assert life.unmade.actions[kind] == {"delete"}


def test_every_command_succeeds_and_the_second_plans_are_empty(life: Life) -> None:
    stages = (life.made, life.made_again, life.changed, life.changed_again, life.unmade)
    assert [(stage.code, stage.errors) for stage in stages] == [(0, [])] * len(stages)


def test_nothing_is_left(life: Life) -> None:
    assert life.after == life.before
