"""The container's work: from a training set to a candidate, judged and compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy

from headwater.declare import Catalog, Model
from headwater.registry.errors import AliasNotFound, ModelNotRegistered
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.starting import STARTED_FILE, StartedBy
from headwater.registry.store import ArtifactStore
from headwater.registry.types import (
    BANK_FILE,
    CANDIDATE_FILE,
    DEFINITION_FILE,
    ESTIMATE_FILE,
    GOLDEN_FILE,
    ONNX_FILE,
    PACKAGE_FILE,
    PROFILE_FILE,
    Candidate,
    GateOutcome,
    LeakWarning,
    ModelVersion,
    Output,
    Package,
    PackageFeature,
    Parity,
)
from headwater.storage.clients import Clients
from headwater.training.challenger import judge_challenger
from headwater.training.compiling import Graph, check_parity, compile_graph
from headwater.training.dataset import Rows, load, split
from headwater.training.describing import bank, golden, importance, profile, segment_columns
from headwater.training.errors import InvalidExamples
from headwater.training.estimating import estimator
from headwater.training.judging import judge, measure
from headwater.training.leaks import suspect
from headwater.training.learning import Progress, fit, predict, search
from headwater.training.store import RunFiles
from headwater.training.types import (
    DATA_VERSION_FILE,
    LOCK_FILE,
    PREPARED_FILE,
    TRAINING_SET_FILE,
    Prepared,
)
from headwater.values import Pointer


def _silent(_step: str, _facts: Mapping[str, Any]) -> None:
    """Nobody listens."""


class _Fitted(NamedTuple):
    """A fitted pipeline, its graph in ONNX, and the difference between the two."""

    parameters: dict[str, Any]
    pipeline: Any
    graph: bytes
    output: Output
    parity: Parity


class Training:
    """Trains what `Preparation` prepared.

    Parameters
    ----------
    catalog : Catalog
    registry : Registry
        Knows the champion.
    artifacts_bucket : str
        Holds the run's files.
    clients : Clients
    code_version : str
        What trains: the image's digest, or a commit.
    lock : Path, optional
        The lock file of what is installed here; kept with the run.
    progress : callable
        Told of each step and its facts.
    now : callable
        The time, UTC, that files are stamped with.
    """

    def __init__(
        self,
        catalog: Catalog,
        registry: Registry,
        artifacts_bucket: str,
        clients: Clients,
        *,
        code_version: str = "unknown",
        lock: Path | None = None,
        progress: Progress = _silent,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._registry = registry
        self._clients = clients
        self._artifacts = ArtifactStore(artifacts_bucket, clients)
        self._code_version = code_version
        self._lock = lock
        self._progress = progress
        self._now = now

    def train(self, model_name: str, run_id: str) -> Candidate:
        """Search, fit, judge, compile; leave the run's files and say what came out.

        The candidate's file is written last: while it isn't there, the run has no outcome, and a call does the same
        again, with the same figures. Once it is there, a call judges the candidate anew if another version has become
        the champion meanwhile, and fits nothing.

        Raises
        ------
        InvalidExamples, FitFailed, CompilationFailed
            The product is at fault; the message says where.
        """
        model = self._catalog.model(model_name)
        files = RunFiles(self._artifacts.bucket, model.name, run_id, self._clients)
        prepared, rows = self._load(model, files)
        train, held_out = split(model, rows)
        if (done := files.get_value(CANDIDATE_FILE, Candidate)) is not None:
            return self._judge_anew(model, files, done, held_out)
        self._progress("loaded", {"train": len(train), "holdout": len(held_out)})
        fitted = self._fit(model, train, held_out)
        # The graph is judged, because it serves.
        predictions = Graph(fitted.graph, fitted.output).predict(held_out.columns)
        metrics = measure(model.task, held_out.label, predictions)
        inputs_alone = self._inputs_alone(model, fitted.parameters, train, held_out)
        champion, answers, no_champion = self._champion(model, held_out)
        champion_metrics = None if answers is None else measure(model.task, held_out.label, answers)
        gates = judge(model, metrics, champion_metrics, no_champion)
        gates += self._beside(model, files, held_out, predictions, answers)
        leaks = suspect(model, train, held_out, metrics)
        self._progress("judged", {"metrics": metrics, "inputs_alone": inputs_alone, "champion": champion_metrics})
        self._warn(leaks)
        package = self._package(model, files, fitted.graph, fitted.output, prepared, metrics)
        weights = importance(model, Graph(fitted.graph, fitted.output), held_out)
        described = self._describe(model, files, prepared, train, held_out, predictions, weights)
        expected = predict(model, fitted.pipeline, held_out.columns)
        candidate = Candidate(
            model=model.name,
            run_id=run_id,
            package=files.put_value(PACKAGE_FILE, package),
            golden=files.put_value(GOLDEN_FILE, golden(model, run_id, held_out, expected)),
            metrics=metrics,
            champion=champion_metrics,
            champion_version=champion.version if champion else None,
            inputs_alone=inputs_alone,
            gates=gates,
            parity=fitted.parity,
            leaks=leaks,
            parameters=fitted.parameters,
            rows=_counts(prepared, train, held_out),
            data_version=prepared.data_version,
            commits=prepared.commits,
            training_set=prepared.training_set,
            files=self._pinned(files, prepared) | described,
            code_version=self._code_version,
            started_by=files.get_value(STARTED_FILE, StartedBy),
            promotion=model.promotion,
            created_at=self._now(),
        )
        files.put_value(CANDIDATE_FILE, candidate)
        return candidate

    def _warn(self, leaks: tuple[LeakWarning, ...]) -> None:
        for leak in leaks:
            self._progress("warning", {"leak": str(leak)})

    @staticmethod
    def _describe(
        model: Model,
        files: RunFiles,
        prepared: Prepared,
        train: Rows,
        held_out: Rows,
        predictions: Any,
        weights: Mapping[str, float],
    ) -> dict[str, Pointer]:
        """Store what the version's traffic will be compared with."""
        described = profile(model, files.run_id, train, predictions)
        days = bank(
            described,
            prepared.training_set.sha256,
            train,
            held_out,
            predictions,
            segments=segment_columns(model),
            importance=weights,
        )
        return {
            PROFILE_FILE: files.put_value(PROFILE_FILE, described),
            BANK_FILE: files.put(BANK_FILE, days.packed()),
            ESTIMATE_FILE: files.put_value(ESTIMATE_FILE, estimator(model, files.run_id, train, held_out, predictions)),
        }

    def _pinned(self, files: RunFiles, prepared: Prepared) -> dict[str, Pointer]:
        """The files that say how to repeat the run: its data, its definition and the lock of its packages."""
        lock = {} if self._lock is None else {LOCK_FILE: files.put_file(LOCK_FILE, self._lock)}
        return {DATA_VERSION_FILE: prepared.data, DEFINITION_FILE: prepared.definition, **lock}

    def _fit(self, model: Model, train: Rows, held_out: Rows) -> _Fitted:
        parameters = search(model, train, self._progress)
        pipeline = fit(model, parameters, train.columns, train.label)
        self._progress("fitted", {"parameters": parameters})
        body, output = compile_graph(model, pipeline)
        parity = check_parity(model, pipeline, Graph(body, output), held_out.columns)
        self._progress("compiled", {"bytes": len(body), "largest_difference": parity.largest_difference})
        return _Fitted(parameters, pipeline, body, output, parity)

    def _judge_anew(self, model: Model, files: RunFiles, done: Candidate, held_out: Rows) -> Candidate:
        """Compare a finished candidate with the version that serves now; unchanged if that is the one it was beside."""
        champion, answers, no_champion = self._champion(model, held_out)
        number = champion.version if champion else None
        if number == done.champion_version:
            return done
        champion_metrics = None if answers is None else measure(model.task, held_out.label, answers)
        package = self._artifacts.load(done.package, Package)
        predictions = Graph.of(package, self._artifacts.read(package.onnx)).predict(held_out.columns)
        gates = judge(model, done.metrics, champion_metrics, no_champion)
        candidate = done.model_copy(
            update={
                "champion": champion_metrics,
                "champion_version": number,
                "gates": gates + self._beside(model, files, held_out, predictions, answers),
                "judged_anew": done.judged_anew + 1,
                "created_at": self._now(),
            }
        )
        self._progress("judged anew", {"metrics": done.metrics, "champion": champion_metrics})
        files.put_value(CANDIDATE_FILE, candidate)
        return candidate

    def _package(
        self,
        model: Model,
        files: RunFiles,
        body: bytes,
        output: Output,
        prepared: Prepared,
        metrics: Mapping[str, float],
    ) -> Package:
        """Store the graph, and say all that serving needs of it."""
        return Package(
            model=model.name,
            run_id=files.run_id,
            description=model.description,
            task=model.task,
            positive=model.examples.positive,
            inputs=model.inputs,
            columns=model.columns,
            categories=model.categories,
            features=self._features(model),
            onnx=files.put(ONNX_FILE, body),
            sha256=hashlib.sha256(body).hexdigest(),
            output=output,
            data_version=prepared.data_version,
            commits=prepared.commits,
            metrics=metrics,
            code_version=self._code_version,
            created_at=self._now(),
        )

    def _load(self, model: Model, files: RunFiles) -> tuple[Prepared, Rows]:
        prepared = files.get_value(PREPARED_FILE, Prepared)
        if prepared is None:
            raise InvalidExamples(
                f"run {files.run_id!r} of model {model.name!r} has no training set in s3://{files.bucket}",
                next_steps=[f"headwater train {model.name}"],
            )
        with TemporaryDirectory(prefix="headwater-training-") as scratch:
            path = Path(scratch) / TRAINING_SET_FILE
            path.write_bytes(self._artifacts.read(prepared.training_set.at))
            return prepared, load(model, path)

    def _inputs_alone(
        self, model: Model, parameters: Mapping[str, Any], train: Rows, held_out: Rows
    ) -> dict[str, float] | None:
        """The metrics of the same fit without any feature; None if the model has no feature."""
        if not model.features:
            return None
        columns = [name for entry in model.inputs for name in entry.columns]
        pipeline = fit(model, parameters, train.columns[columns], train.label)
        return measure(model.task, held_out.label, predict(model, pipeline, held_out.columns[columns]))

    @staticmethod
    def _beside(
        model: Model, files: RunFiles, held_out: Rows, predictions: Any, champion: Any
    ) -> tuple[GateOutcome, ...]:
        """How a challenger that the retraining policy asked for stands beside the champion, row by row."""
        started = files.get_value(STARTED_FILE, StartedBy)
        if champion is None or started is None or not started.reason:
            return ()
        return judge_challenger(model, started.reason, held_out, numpy.asarray(predictions), numpy.asarray(champion))

    def _champion(self, model: Model, held_out: Rows) -> tuple[ModelVersion | None, Any, str]:
        """The version that serves, its answers to the same rows, and why there are none if there are none."""
        try:
            version = self._registry.resolve(model.name, PRODUCTION)
        except (ModelNotRegistered, AliasNotFound):
            return None, None, "there is no champion yet"
        package = self._artifacts.load(version.package, Package)
        graph = Graph.of(package, self._artifacts.read(package.onnx))
        lacking = sorted(set(package.columns) - set(model.columns))
        changed = sorted(set(package.columns) & (set(package.categories) ^ set(model.categories)))
        if lacking or changed or package.task != model.task:
            why = f"columns {', '.join(lacking or changed)}" if lacking or changed else f"it is a {package.task}"
            return version, None, f"not compared with version {version.version}, which answers other rows ({why})"
        return version, graph.predict(held_out.columns), ""

    def _features(self, model: Model) -> tuple[PackageFeature, ...]:
        named = [reference.split(".", 1) for reference in model.features]
        return tuple(PackageFeature.of(self._catalog.view(view), feature) for view, feature in named)


def _counts(prepared: Prepared, train: Rows, held_out: Rows) -> dict[str, int]:
    counts = {"train": len(train), "holdout": len(held_out)}
    return counts | ({"unlabelled": prepared.unlabelled} if prepared.unlabelled else {})
