"""Whatever is tried in whatever order, the log tells exactly how the alias came to where it points."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headwater.errors import Refused
from headwater.registry.errors import AliasMoved, VersionNotReady
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, LosesAnswers, candidate, make_table, mocked_aws

ALIASES = st.sampled_from(["staging", "production"])
EXPECTED = st.one_of(st.none(), st.integers(1, 4))


class AliasLog(RuleBasedStateMachine):
    """The registry beside a plain model of it: lists of moves."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.aws = mocked_aws(self.patch)
        self.aws.__enter__()
        make_table()
        self.registry = Registry(Table(TABLE, CLIENTS), pause=lambda _: None)
        self.ready: dict[int, bool] = {}
        self.moves: dict[str, list[int | None]] = {"staging": [None], "production": [None]}

    def teardown(self) -> None:
        self.aws.__exit__(None, None, None)
        self.patch.undo()

    @rule(passed=st.booleans())
    def register(self, passed: bool) -> None:
        number = len(self.ready) + 1
        assert self.registry.register(candidate(f"run-{number}", passed=passed)).version == number
        self.ready[number] = passed

    @rule(alias=ALIASES, to=st.integers(1, 4), expected=EXPECTED, lost=st.booleans())
    @precondition(lambda self: self.ready)
    def promote(self, alias: str, to: int, expected: int | None, lost: bool) -> None:
        registry = Registry(LosesAnswers(TABLE), pause=lambda _: None) if lost else self.registry
        arguments: dict[str, Any] = {"alias": alias, "to": to, "expected": expected}
        if not self.ready.get(to):
            with pytest.raises(VersionNotReady):
                registry.promote("delays", **arguments)
        elif expected != self.moves[alias][-1]:
            with pytest.raises(AliasMoved):
                registry.promote("delays", **arguments)
        else:
            move = registry.promote("delays", **arguments)
            self.moves[alias].append(to)
            assert move.sequence == len(self.moves[alias]) - 1

    @rule(alias=ALIASES)
    def withdraw(self, alias: str) -> None:
        if (current := self.moves[alias][-1]) is not None:
            self.registry.withdraw("delays", alias=alias, expected=current)
            self.moves[alias].append(None)

    @rule(alias=ALIASES)
    def roll_back(self, alias: str) -> None:
        moves = self.moves[alias]
        if moves[-1] is None:
            return
        if moves[-2] is None:
            with pytest.raises(Refused):
                self.registry.rollback("delays", alias=alias)
        else:
            self.registry.rollback("delays", alias=alias)
            moves.append(moves[-2])

    @invariant()
    def the_log_is_what_happened(self) -> None:
        for alias, moves in self.moves.items():
            log = self.registry.log("delays", alias)
            assert [move.to for move in log] == moves[1:]
            assert [move.before for move in log] == moves[:-1]
            assert [move.sequence for move in log] == list(range(1, len(moves)))
            assert self.registry.current("delays", alias) == moves[-1]


TestAliasLog = AliasLog.TestCase
TestAliasLog.settings = settings(
    max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
