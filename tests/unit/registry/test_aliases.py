"""An alias moves in one write with its log entry; two who race never both win."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from headwater.errors import HeadwaterError
from headwater.registry.errors import AliasMoved, AliasNotFound, NothingToRollBackTo, VersionNotReady
from headwater.registry.service import Registry
from headwater.registry.types import AliasMove
from tests.unit.registry.cases import TABLE, LosesAnswers, MeetsOthers, OneAtATime, candidate


@pytest.fixture
def versions(registry: Registry) -> Registry:
    """Versions 1 to 3 are ready, 4 was rejected."""
    for number in (1, 2, 3):
        registry.register(candidate(f"run-{number}"))
    registry.register(candidate("run-4", passed=False))
    return registry


def promote(registry: Registry, to: int, expected: int | None) -> AliasMove:
    return registry.promote("delays", alias="production", to=to, expected=expected, by="test")


def test_a_first_promotion_makes_the_alias_and_its_log(versions: Registry) -> None:
    move = promote(versions, 1, None)
    assert (move.sequence, move.before, move.to, move.by) == (1, None, 1, "test")
    assert versions.resolve("delays", "production").version == 1
    assert versions.log("delays", "production") == (move,)


def test_a_second_promotion_with_a_stale_expectation_is_refused(versions: Registry) -> None:
    promote(versions, 1, None)
    promote(versions, 2, 1)
    with pytest.raises(AliasMoved, match="points at version 2, not at version 1 as expected"):
        promote(versions, 3, 1)
    with pytest.raises(AliasMoved, match="points at version 2, not at no version as expected"):
        promote(versions, 3, None)
    assert versions.current("delays", "production") == 2


def test_a_rejected_version_never_serves(versions: Registry) -> None:
    with pytest.raises(VersionNotReady, match=r"version 4 of model 'delays' was rejected: roc_auc is 0\.6"):
        promote(versions, 4, None)
    with pytest.raises(VersionNotReady, match="no version 9"):
        promote(versions, 9, None)
    assert versions.log("delays", "production") == ()


def test_an_alias_that_moves_between_reading_and_writing_is_not_overwritten(versions: Registry) -> None:
    promote(versions, 1, None)
    racing = Registry(MeetsOthers(TABLE, lambda: promote(versions, 3, 1)), pause=lambda _: None)
    with pytest.raises(AliasMoved, match="points at version 3"):
        promote(racing, 2, 1)
    assert [move.to for move in versions.log("delays", "production")] == [1, 3]


def test_an_alias_that_moved_away_and_back_meanwhile_still_moves_with_a_dense_log(versions: Registry) -> None:
    promote(versions, 1, None)

    def there_and_back() -> None:
        promote(versions, 3, 1)
        promote(versions, 1, 3)

    promote(Registry(MeetsOthers(TABLE, there_and_back), pause=lambda _: None), 2, 1)
    assert [(move.sequence, move.to) for move in versions.log("delays", "production")] == [
        (1, 1), (2, 3), (3, 1), (4, 2)]  # fmt: skip


def test_a_move_whose_answer_was_lost_is_recognised(versions: Registry) -> None:
    move = promote(Registry(LosesAnswers(TABLE), pause=lambda _: None), 1, None)
    assert versions.log("delays", "production") == (move,)


def test_a_move_that_is_asked_for_again_under_its_id_is_made_once(versions: Registry) -> None:
    first = versions.promote("delays", alias="production", to=1, expected=None, write_id="decision-1")
    assert versions.promote("delays", alias="production", to=1, expected=None, write_id="decision-1") == first
    assert len(versions.log("delays", "production")) == 1


def test_of_racing_movers_one_wins_and_the_others_are_told(versions: Registry) -> None:
    store = OneAtATime(TABLE)

    def race(number: int) -> int | str:
        try:
            move = Registry(store, pause=lambda _: None).promote(
                "delays", alias="production", to=1 + number % 3, expected=None
            )
        except HeadwaterError as error:
            return error.reason
        return move.sequence

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(race, range(16)))
    assert sorted(map(str, outcomes)) == ["1"] + ["AliasMoved"] * 15
    assert len(versions.log("delays", "production")) == 1


def test_every_acknowledged_move_of_racing_movers_is_in_the_log(versions: Registry) -> None:
    store = OneAtATime(TABLE)
    promote(versions, 1, None)

    def move_five_times(_: int) -> list[str]:
        registry, acknowledged = Registry(store, pause=lambda _: None), []
        while len(acknowledged) < 5:
            now = registry.current("delays", "production")
            assert now is not None
            try:
                acknowledged.append(promote(registry, now % 3 + 1, now).write_id)
            except AliasMoved:
                continue
        return acknowledged

    with ThreadPoolExecutor(4) as pool:
        acknowledged = [write for writes in pool.map(move_five_times, range(4)) for write in writes]
    log = versions.log("delays", "production")
    assert sorted(move.write_id for move in log[1:]) == sorted(acknowledged)
    assert all(later.before == earlier.to for earlier, later in pairwise(log))


def test_a_rollback_goes_to_the_version_before_the_last_move(versions: Registry) -> None:
    promote(versions, 1, None)
    promote(versions, 3, 1)
    assert versions.rollback("delays").to == 1
    assert versions.rollback("delays").to == 3
    assert len(versions.log("delays", "production")) == 4


def test_a_promotion_that_changed_nothing_is_no_version_to_roll_back_to(versions: Registry) -> None:
    promote(versions, 1, None)
    promote(versions, 3, 1)
    promote(versions, 3, 3)
    assert versions.rollback("delays").to == 1
    assert versions.rollback("delays").to == 3


def test_a_first_version_has_nothing_to_roll_back_to(versions: Registry) -> None:
    promote(versions, 1, None)
    promote(versions, 1, 1)
    with pytest.raises(NothingToRollBackTo, match="version 1, the first"):
        versions.rollback("delays")


def test_an_unknown_alias_is_told_which_there_are(versions: Registry) -> None:
    versions.promote("delays", alias="staging", to=2, expected=None)
    with pytest.raises(AliasNotFound, match=r"no alias 'production'\. Aliases: staging -> 2; versions: 1 to 4"):
        versions.resolve("delays", "production")


def test_a_withdrawn_alias_is_gone_and_its_log_stays(versions: Registry) -> None:
    promote(versions, 1, None)
    with pytest.raises(AliasMoved):
        versions.withdraw("delays", alias="production", expected=2)
    versions.withdraw("delays", alias="production", expected=1)
    assert versions.current("delays", "production") is None
    promote(versions, 2, None)
    assert [(move.before, move.to) for move in versions.log("delays", "production")] == [
        (None, 1), (1, None), (None, 2)]  # fmt: skip


def test_aliases_whose_names_begin_alike_keep_logs_apart(versions: Registry) -> None:
    versions.promote("delays", alias="prod", to=1, expected=None)
    versions.promote("delays", alias="production", to=2, expected=None)
    assert [move.to for move in versions.log("delays", "prod")] == [1]
    assert versions.aliases("delays") == {"prod": 1, "production": 2}
