"""Registered models: listing versions, and moving the alias that serves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from headwater.client.connection import Connection, Verbs
from headwater.client.errors import BadTarget, needed
from headwater.client.people import me
from headwater.client.predictions import ServingCard, serving_card
from headwater.registry.service import PRODUCTION
from headwater.registry.starting import StartedBy
from headwater.registry.types import AliasMove, GateOutcome, ModelVersion, Parity, TrainingSet
from headwater.values import Value
from headwater.verification import is_reserved


class ModelSummary(Value):
    """One model in a list."""

    model: str
    production: int | None
    """The version that serves; None if no version serves."""
    aliases: dict[str, int]
    """The version that each alias points at."""
    versions: int
    """Number of versions."""
    newest: int
    newest_status: str
    newest_warnings: tuple[str, ...]
    """Signs of a leak in the newest version."""
    metrics: dict[str, float]
    """Metrics on the held-out rows, of the version that serves, else of the newest."""
    registered_at: datetime


class ModelCard(Value):
    """Details of one version of a model."""

    model: str
    version: int
    status: str
    reasons: tuple[str, ...]
    aliases: tuple[str, ...]
    registered_at: datetime
    run_id: str
    metrics: dict[str, float]
    """On the held-out rows."""
    champion: dict[str, float] | None
    """The champion's metrics on the same rows; None if nothing served."""
    inputs_alone: dict[str, float] | None
    """Metrics of a model that learnt from the request's inputs alone; None if there are no features."""
    gates: tuple[GateOutcome, ...]
    parity: Parity
    """The difference between the ONNX graph and the scikit-learn pipeline on held-out rows."""
    warnings: tuple[str, ...]
    """Signs of a leak: with any, only a person promotes the version, with a reason."""
    parameters: dict[str, str | int | float | bool]
    """The chosen hyperparameters."""
    rows: dict[str, int]
    """Number of examples by part, such as ``train`` and ``holdout``."""
    data_version: str
    commits: dict[str, str]
    """The commit of each source that the version learnt from."""
    commit: str | None
    """The commit of ``models/<model>`` that holds the version's files."""
    training_set_sha256: str | None
    """sha256 of the training set's Parquet file, which `Models.training_set` makes again."""
    code_version: str
    started_by: StartedBy | None
    """The one who started the run, and the place: a command, a script, a notebook, a schedule; None if nobody said."""
    versions: int
    log: tuple[AliasMove, ...]
    """Moves of ``production``, oldest first."""


class Models(Verbs):
    """The verbs on models; ``headwater.connect().models``."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._registry = connection.registry

    def list(self) -> tuple[ModelSummary, ...]:
        """Every registered model, by name, except the one of `headwater verify`."""
        return tuple(self._summary(model) for model in self._registry.models() if not is_reserved(model))

    def show(self, model: str, version: int | None = None) -> ModelCard:
        """The card of a version: by default the one that serves, else the newest.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
            The message lists what there is.
        """
        versions = self._registry.versions(model)
        aliases = self._registry.aliases(model)
        number = version or aliases.get(PRODUCTION) or versions[-1].version
        entry = self._registry.version(model, number)
        log = self._registry.log(model, PRODUCTION)
        return _card(entry, aliases, len(versions), log)

    def serving(self, model: str) -> ServingCard:
        """The serving version's card as the API answers it: needs no access to the registry.

        Raises
        ------
        PredictionRefused
            No version of the model serves.
        """
        return serving_card(self._connection.api, model)

    def promote(self, model: str, version: int, *, alias: str = PRODUCTION, why: str = "") -> AliasMove:
        """Point ``alias`` at ``version``, from wherever it points now.

        Raises
        ------
        ModelNotRegistered, VersionNotReady
            There is no such version, or it was rejected.
        AliasMoved
            Another caller moved the alias at the same moment; nothing was changed.
        """
        self._registry.version(model, version)
        expected = self._registry.aliases(model).get(alias)
        return self._registry.promote(model, alias=alias, to=version, expected=expected, by=me(), why=why)

    def rollback(self, model: str, *, alias: str = PRODUCTION, why: str = "rollback") -> AliasMove:
        """Point ``alias`` back at the version before its last move; a second call undoes the first."""
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
        with needed("a training set is made by DuckDB and pandas"):
            from headwater.training.rebuilding import rebuild
        entry = self._registry.version(model, version)
        return rebuild(
            entry,
            self._connection.clients,
            lake_bucket=self._description.lake_bucket,
            table=self._connection.table,
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
        gates=candidate.gates,
        parity=candidate.parity,
        warnings=candidate.warnings,
        parameters=dict(candidate.parameters),
        rows=dict(candidate.rows),
        data_version=candidate.data_version,
        commits=dict(candidate.commits),
        commit=entry.commit,
        training_set_sha256=candidate.training_set.sha256 if candidate.training_set else None,
        code_version=candidate.code_version,
        started_by=candidate.started_by,
        versions=versions,
        log=log,
    )
