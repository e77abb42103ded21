"""A run's candidate becomes a numbered version, and its files a commit of the dataset ``models/<model>``."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from headwater.lake import types as lake
from headwater.lake.committing import insist
from headwater.registry.errors import ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import (
    CANDIDATE_FILE,
    GOLDEN_FILE,
    ONNX_FILE,
    PACKAGE_FILE,
    Candidate,
    ModelVersion,
    Package,
    run_key,
)
from headwater.training.stopping import STOP_FILE, RunStopped, Stop
from headwater.training.types import dataset_of
from headwater.values import Pointer
from headwater.versions.dataset import Dataset
from headwater.versions.errors import DatasetNotFound, RefExists
from headwater.versions.service import Versions
from headwater.versions.types import Entry
from headwater.versions.writing import Committed

AUTHOR = "training"


class Registration:
    """Registers candidates.

    Parameters
    ----------
    registry : Registry
    artifacts : ArtifactStore
        The files of training runs.
    versions : Versions
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        versions: Versions,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry, self._artifacts, self._versions, self._pause = registry, artifacts, versions, pause

    def register(self, model: str, run_id: str) -> ModelVersion:
        """Commit a run's files, give its candidate a number, and tag the commit and those of its data with it.

        A run's judgement is committed, registered and tagged once, however often this is called and wherever it was cut
        short. It is registered only while the champion that it was judged against serves.

        Raises
        ------
        ChampionMoved
            Another version serves by now. Nothing was registered: train the run again, which judges it anew.
        ArtifactNotFound, ArtifactInvalid
            The run left no candidate, or one that can't be read.
        RunStopped
            A person stopped the run.
        RegistryBusy, RefsBusy
            Other writers kept coming first.
        """
        described = self._artifacts.newest(run_key(model, run_id, CANDIDATE_FILE))
        candidate = self._artifacts.load(described, Candidate)
        if known := self._registry.registered(candidate):
            version = known
        else:
            self._refuse_stopped(model, run_id)
            self._registry.check_champion(candidate)
            version = self._registry.register(candidate, commit=self._commit(candidate, described), still_champion=True)
        assert version.commit is not None  # noqa: S101 - it was given
        self._tag(version, version.commit)
        return version

    def _refuse_stopped(self, model: str, run_id: str) -> None:
        with suppress(ArtifactNotFound):
            stop = self._artifacts.load(self._artifacts.newest(run_key(model, run_id, STOP_FILE)), Stop)
            raise RunStopped(f"run {run_id} of {model} was {stop}; nothing of it is registered")

    def _commit(self, candidate: Candidate, described: Pointer) -> str:
        files = {
            **candidate.files,
            CANDIDATE_FILE: described,
            PACKAGE_FILE: candidate.package,
            ONNX_FILE: self._artifacts.load(candidate.package, Package).onnx,
            **({GOLDEN_FILE: candidate.golden} if candidate.golden else {}),
        }
        dataset = self._versions.dataset(dataset_of(candidate.model))
        pinned = {
            file: dataset.pin(f"s3://{at.bucket}/{at.key.removesuffix(file)}", file, at.version_id)
            for file, at in files.items()
        }
        facts = {
            "run_id": candidate.run_id,
            "data_version": candidate.data_version,
            **{f"commit:{source}": commit for source, commit in candidate.commits.items()},
            **{name: f"{value:.6g}" for name, value in sorted(candidate.metrics.items())},
            "code_version": candidate.code_version,
        }

        def commit() -> Committed:
            # The tree is this run's files and no others, whatever the run before it left.
            gone = {entry.path: None for entry in self._held(dataset)}
            return dataset.commit(
                f"Run {candidate.run_id}",
                edits=[*gone.items(), *pinned.items()],
                meta=facts,
                author=AUTHOR,
                # A run that is judged anew has another candidate.json, and so another commit.
                write_id=_write_id(candidate),
            )

        return insist(commit, self._pause).id

    def _held(self, dataset: Dataset) -> tuple[Entry, ...]:
        try:
            return tuple(dataset.files())
        except DatasetNotFound:
            return ()

    def _tag(self, version: ModelVersion, commit: str) -> None:
        """Name the version's files by its number, and the data that it learnt from: tags keep both from gc."""
        number = f"v{version.version}"
        tags = [(dataset_of(version.model), number, commit)]
        for name, pinned in version.candidate.commits.items():
            tags.append((lake.dataset_of(name), f"models/{version.model}/{number}", pinned))
        for dataset, name, at in tags:
            # By a call before this one; of a name that somebody else took the version's record stays the truth.
            with suppress(RefExists):
                self._versions.dataset(dataset).tag(name, at, by=AUTHOR, why=f"run {version.run_id}")


def _write_id(candidate: Candidate) -> str:
    judged = candidate.judged_anew
    return candidate.run_id if not judged else f"{candidate.run_id}.{judged}"
