"""Training sets that are made again, and the commits that pin them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from headwater.locks import FOLDER
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.errors import (
    NotReproduced,
    NotReproducible,
)
from headwater.training.rebuilding import rebuild
from headwater.training.store import RunFiles
from headwater.training.types import TRAINING_SET_FILE
from headwater.versions.errors import RevisionNotFound
from headwater.versions.service import Versions
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY, World
from tests.unit.training.products import BUYS, PRICE, products, visits
from tests.unit.training.runs import land, package, preparation, registered, run, stream


def test_preparing_a_run_twice_keeps_the_commits_that_it_pinned_first(world: World) -> None:
    catalog = products()
    land(world, catalog)
    first = preparation(catalog).prepare("buys", "run-1")
    CLIENTS("s3").delete_object(Bucket=ARTIFACTS, Key="runs/buys/run-1/prepared.json")
    land(world, catalog, visits(seed=2))
    again = preparation(catalog).prepare("buys", "run-1")
    assert (again.data_version, again.data, again.commits) == (first.data_version, first.data, first.commits)
    assert again.training_set.sha256 == first.training_set.sha256
    assert preparation(catalog).prepare("buys", "run-2").data_version != first.data_version


def test_an_old_training_set_is_rebuilt_byte_for_byte_after_the_data_changed(world: World, tmp_path: Path) -> None:
    catalog = products()
    land(world, catalog)
    preparation(catalog).prepare("buys", "uploaded")
    stream(3)
    run(BUYS, "run-1")
    version = registered("run-1")
    was = RunFiles(ARTIFACTS, "buys", "run-1", CLIENTS).get(TRAINING_SET_FILE)
    # What was streamed is learnt from, pinned and kept from gc like what was uploaded.
    assert was != RunFiles(ARTIFACTS, "buys", "uploaded", CLIENTS).get(TRAINING_SET_FILE)
    assert version.candidate.commits.keys() == {"visits", "streamed/habits"}
    streamed = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("streamed/habits")
    assert streamed.resolve("models/buys/v1") == version.candidate.commits["streamed/habits"]
    stream(7)
    # All that came of the first upload is overwritten or gone, the history of the source as well, and nothing that
    # no ref leads to is there any more.
    land(world, catalog, visits(seed=2))
    forget_history()
    for key in [*world.keys(prefix="features/"), *world.keys(ARTIFACTS, "runs/")]:
        CLIENTS("s3").delete_object(Bucket=LAKE if key.startswith("features/") else ARTIFACTS, Key=key)
    path = tmp_path / "rebuilt.parquet"
    made = rebuild(version, CLIENTS, lake_bucket=LAKE, table=Table(REGISTRY, CLIENTS), path=path)
    assert path.read_bytes() == was
    assert made.sha256 == hashlib.sha256(was or b"").hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["rebuilt.parquet"]
    run(BUYS, "run-2")
    second = registered("run-2")
    rebuild(second, CLIENTS, lake_bucket=LAKE, table=Table(REGISTRY, CLIENTS), path=path)
    assert path.read_bytes() == RunFiles(ARTIFACTS, "buys", "run-2", CLIENTS).get(TRAINING_SET_FILE) != was


def test_a_training_set_that_comes_out_differently_is_told_and_not_written(world: World, tmp_path: Path) -> None:
    land(world, products(), source="houses")
    made = run(PRICE)
    version, path = registered("run-1", "price"), tmp_path / "rebuilt.parquet"
    assert made.training_set is not None
    other = made.training_set.model_copy(update={"sha256": "0" * 64, "written_by": "duckdb 0.1"})
    forged = version.model_copy(update={"candidate": made.model_copy(update={"training_set": other})})
    with pytest.raises(NotReproduced, match=r"recorded is 0{64}; it was written by duckdb 0.1, here is duckdb"):
        rebuild(forged, CLIENTS, lake_bucket=LAKE, table=Table(REGISTRY, CLIENTS), path=path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotReproducible, match="model 'price' version 1 was registered without a record"):
        rebuild(
            version.model_copy(update={"commit": None}), CLIENTS,
            lake_bucket=LAKE, table=Table(REGISTRY, CLIENTS), path=path,
        )  # fmt: skip


def test_a_version_s_commit_holds_what_was_learnt_from_and_with_what(world: World) -> None:
    land(world, products(), source="houses")
    candidate = run(PRICE)
    version = registered("run-1", "price")
    dataset = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("models/price")
    assert [entry.path for entry in dataset.files("v1")] == [
        "bank.json.gz", "candidate.json", "data_version.json", "definition.json", "estimate.json", "golden.json",
        "model.onnx", "package.json", "profile.json", "requirements.txt",
    ]  # fmt: skip
    assert dataset.read("requirements.txt", "v1") == (FOLDER / "training.txt").read_bytes()
    head = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/houses").resolve()
    assert candidate.commits == package(candidate)[0].commits == {"houses": head}
    assert (
        Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/houses").resolve("models/price/v1") == head
    )
    assert version.commit == dataset.resolve()


def forget_history() -> None:
    """Point the source at a commit without a past; a month later gc takes what no ref leads to."""
    visits = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/visits")
    entries = [(entry.path, entry) for entry in visits.files()]
    stray = visits.commit("A third delivery", edits=[(path, entry._replace(size=1)) for path, entry in entries]).id
    visits.delete_ref("main")
    visits.commit("Start anew", edits=entries)
    month = timedelta(days=30)
    for bucket in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
        for key in bucket.keys:
            for version in bucket.keys.getlist(key):
                version.last_modified -= month
    versions = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS, now=lambda: datetime.now(UTC) + month)
    assert versions.gc(dry_run=False).commits > 0
    with pytest.raises(RevisionNotFound):
        versions.dataset("sources/visits").commit_of(stray)
