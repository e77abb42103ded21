"""The commits that hold a file are those whose trees do: branches, merges, reverts and deleted branches alike."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from headwater.lineage.forgetting.holdings import DatasetHistory, place_of
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset
from headwater.versions.errors import NothingToCommit
from headwater.versions.service import Versions
from tests.unit.lake.world import LAKE, REGISTRY, World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as made:
        yield made


def change(dataset: Dataset, branch: str, chosen: random.Random) -> None:
    """Commit a changed, new or deleted file or two."""
    for _ in range(chosen.randint(1, 2)):
        key = f"data/pictures@{branch}/{chosen.choice('abcd')}"
        if chosen.random() < 0.25:
            CLIENTS("s3").delete_object(Bucket=LAKE, Key=key)
        else:
            CLIENTS("s3").put_object(Bucket=LAKE, Key=key, Body=str(chosen.random()).encode())
    dataset.commit("changed", branch=branch, allow_empty=True)


@pytest.mark.parametrize("seed", range(6))
def test_commits_hold_what_their_trees_say(world: World, seed: int) -> None:
    chosen, dataset = random.Random(seed), Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("pictures")
    change(dataset, "main", chosen)
    for number in range(3):
        dataset.create_branch(f"side{number}")
        for _ in range(2):
            change(dataset, chosen.choice(["main", f"side{number}"]), chosen)
        with suppress(NothingToCommit):
            # The first branch is deleted with commits that nothing else leads to.
            if number:
                dataset.merge(f"side{number}", strategy="theirs")
        dataset.delete_ref(f"side{number}")
        with suppress(NothingToCommit):
            dataset.revert(dataset.resolve(), message="back")
    history = DatasetHistory(dataset, Table(REGISTRY, CLIENTS))
    files = history.files()
    trees = {name: {place_of(entry) for entry in dataset.files(name)} for name in history.times}
    assert set(files) == set().union(*trees.values())
    for place in files:
        assert set(history.holding([place])) == {name for name, tree in trees.items() if place in tree}
    assert history.holding(files) == {name: tree for name, tree in trees.items() if tree}
