"""Registered models: listing versions, and moving the alias that serves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headwater.client.errors import BadTarget
from headwater.client.people import me
from headwater.client.stack import StackDescription
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.types import AliasMove, ModelVersion, TrainingSet
from headwater.storage.table import Table
from headwater.verification import is_reserved


class ModelSummary(BaseModel):
    """One model in a list."""

    model_config = ConfigDict(frozen=True)

    model: str
    production: int | None
    """The version that serves; None if no version serves."""
    aliases: dict[str, int]
    versions: int
    newest: int
    newest_status: str
    newest_warnings: tuple[str, ...]
    """Signs of a leak in the newest version."""
    metrics: dict[str, float]
    """Metrics on the held-out rows, of the version that serves, else of the newest."""
    registered_at: datetime


class ModelCard(BaseModel):
    """Details of one version of a model."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    status: str
    reasons: tuple[str, ...]
    aliases: tuple[str, ...]
    registered_at: datetime
    run_id: str
    metrics: dict[str, float]
    champion: dict[str, float] | None
    inputs_alone: dict[str, float] | None
    gates: tuple[dict[str, Any], ...]
    parity: dict[str, Any]
    warnings: tuple[str, ...]
    """Signs of a leak: with any, only a person promotes the version, with a reason."""
    parameters: dict[str, Any]
    rows: dict[str, int]
    data_version: str
    commits: dict[str, str]
    """The commit of each source that the version learnt from."""
    commit: str | None
    """The commit of ``models/<model>`` that holds the version's files."""
    training_set_sha256: str | None
    """sha256 of the training set's Parquet file, which `Models.training_set` makes again."""
    code_version: str
    versions: int
    log: tuple[AliasMove, ...]
    """Moves of ``production``, oldest first."""


class Models:
    """The verbs on models; ``headwater.connect().models``."""

    def __init__(self, stack: StackDescription, using: Callable[[], AbstractContextManager[None]]) -> None:
        self._stack, self._using = stack, using
        with using():
            self._registry = Registry(Table(stack.registry_table))

    def list(self) -> list[ModelSummary]:
        """Every registered model, by name, but for that of `headwater verify`."""
        with self._using():
            return [self._summary(model) for model in self._registry.models() if not is_reserved(model)]

    def show(self, model: str, version: int | None = None) -> ModelCard:
        """The card of a version: by default the one that serves, else the newest.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
            The message lists what there is.
        """
        with self._using():
            versions = self._registry.versions(model)
            aliases = self._registry.aliases(model)
            number = version or aliases.get(PRODUCTION) or versions[-1].version
            entry = self._registry.version(model, number)
            log = self._registry.log(model, PRODUCTION)
        return _card(entry, aliases, len(versions), log)

    def promote(self, model: str, version: int, *, alias: str = PRODUCTION, why: str = "") -> AliasMove:
        """Point ``alias`` at ``version``, from wherever it points now.

        Raises
        ------
        ModelNotRegistered, VersionNotReady
            There is no such version, or it was rejected.
        AliasMoved
            Another caller moved the alias at the same moment; nothing was changed.
        """
        with self._using():
            self._registry.version(model, version)
            expected = self._registry.aliases(model).get(alias)
            return self._registry.promote(model, alias=alias, to=version, expected=expected, by=me(), why=why)

    def rollback(self, model: str, *, alias: str = PRODUCTION, why: str = "rollback") -> AliasMove:
        """Point ``alias`` back at the version before its last move; a second call undoes the first."""
        with self._using():
            return self._registry.rollback(model, alias=alias, by=me(), why=why)

    def training_set(self, model: str, version: int, path: str | Path) -> TrainingSet:
        """Make a version's training set again from its pinned commits, byte for byte.

        Parameters
        ----------
        model : str
        version : int
        path : path
            The Parquet file to write; replaced if there is one.

        Raises
        ------
        NotReproducible
            The version's record lacks the commits.
        NotReproduced
            Other bytes came out; nothing is written.
        BadTarget
            The folder doesn't exist, or the packages that read the lake aren't installed.
        """
        target = Path(path).absolute()
        if not target.parent.is_dir():
            raise BadTarget(f"{target.parent} is no folder: give a file in one that exists")
        try:
            from headwater.training.rebuilding import rebuild
        except ImportError as error:
            raise BadTarget(
                f"a training set is made by DuckDB and pandas, which aren't installed: {error}",
                next_steps=["pip install 'headwater[data]'"],
            ) from error
        with self._using():
            entry = self._registry.version(model, version)
            return rebuild(
                entry,
                lake_bucket=self._stack.lake_bucket,
                registry_table=self._stack.registry_table,
                path=target,
            )

    def _summary(self, model: str) -> ModelSummary:
        versions, aliases = self._registry.versions(model), self._registry.aliases(model)
        serving = aliases.get(PRODUCTION)
        newest = versions[-1]
        shown = next((entry for entry in versions if entry.version == serving), newest)
        return ModelSummary(
            model=model,
            production=serving,
            aliases=aliases,
            versions=len(versions),
            newest=newest.version,
            newest_status=newest.status.value,
            newest_warnings=newest.candidate.warnings,
            metrics=dict(shown.metrics),
            registered_at=shown.registered_at,
        )


def _card(entry: ModelVersion, aliases: dict[str, int], versions: int, log: tuple[AliasMove, ...]) -> ModelCard:
    candidate = entry.candidate
    return ModelCard(
        model=entry.model,
        version=entry.version,
        status=entry.status.value,
        reasons=entry.reasons,
        aliases=tuple(name for name, to in sorted(aliases.items()) if to == entry.version),
        registered_at=entry.registered_at,
        run_id=entry.run_id,
        metrics=dict(candidate.metrics),
        champion=dict(candidate.champion) if candidate.champion is not None else None,
        inputs_alone=dict(candidate.inputs_alone) if candidate.inputs_alone is not None else None,
        gates=tuple(gate.model_dump() for gate in candidate.gates),
        parity=candidate.parity.model_dump(),
        warnings=candidate.warnings,
        parameters=dict(candidate.parameters),
        rows=dict(candidate.rows),
        data_version=candidate.data_version,
        commits=dict(candidate.commits),
        commit=entry.commit,
        training_set_sha256=candidate.training_set.sha256 if candidate.training_set else None,
        code_version=candidate.code_version,
        versions=versions,
        log=log,
    )
