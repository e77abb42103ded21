"""The program has no resource type that Terraform's provider isn't tried with (tests/terraform)."""

from __future__ import annotations

from tests.infra.cases import Graph
from tests.terraform.types import REPLACED, TERRAFORM, configured


def test_each_type_of_the_program_is_led_through_a_life_by_terraform(graph: Graph) -> None:
    used = {resource.type for resource in graph.custom()}
    assert used == TERRAFORM.keys()
    assert sorted(TERRAFORM.values()) == configured()
    assert REPLACED.keys() <= set(configured())
