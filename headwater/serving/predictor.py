"""A model ready to run: its package and an ONNX session on exactly the bytes that were registered."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from headwater.registry.errors import ArtifactInvalid
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package
from headwater.serving.errors import ArtifactCorrupted, PredictionFailed

_TEXT, _NUMBER = "tensor(string)", "tensor(float)"


class Predictor:
    """Runs one version of one model.

    Parameters
    ----------
    package : Package
        What the version needs and gives.
    graph : bytes
        The ONNX file.
    version : int
        Its number in the registry.

    Raises
    ------
    ArtifactCorrupted
        ``graph`` hasn't the package's sha256.
    ArtifactInvalid
        It has, but isn't a graph that takes the package's columns and gives its output.
    """

    def __init__(self, package: Package, graph: bytes, version: int) -> None:
        self.package, self.version = package, version
        self.label = "probability" if package.task == "classification" else "value"
        self.features = tuple(feature.name for feature in package.features)
        digest = hashlib.sha256(graph).hexdigest()
        if digest != package.sha256:
            raise ArtifactCorrupted(
                f"{package.model} version {version}: s3://{package.onnx.bucket}/{package.onnx.key} has sha256 "
                f"{digest}, but {package.sha256} was registered"
            )
        self._session = _session(package, graph)
        self._column = package.output.column
        self._outputs = [package.output.name]
        feature_of = {feature.column: feature.name for feature in package.features}
        taken = {entry.name: entry.type for entry in self._session.get_inputs()}
        inputs = [name for name in taken if name not in feature_of]
        self._texts = [name for name in inputs if taken[name] == _TEXT]
        self._numbers = [name for name in inputs if taken[name] == _NUMBER]
        self._looked_up = {name: feature_of[name] for name in taken if name in feature_of}

    @classmethod
    def load(cls, artifacts: ArtifactStore, version: ModelVersion) -> Predictor:
        """Fetch a version's package and graph, each at its pinned S3 version."""
        package = artifacts.load(version.package, Package)
        return cls(package, artifacts.read(package.onnx), version.version)

    def predict(
        self, rows: Sequence[Mapping[str, float | str]], features: Sequence[Mapping[str, float | None]]
    ) -> list[float]:
        """A number for each row: the positive class's probability, or the value.

        Parameters
        ----------
        rows : sequence of mapping
            The encoded input columns (`headwater.features.inputs.encode`).
        features : sequence of mapping
            ``view.feature`` to value, None when missing; an entry for each row (empty if the model has none).

        Raises
        ------
        PredictionFailed
            The graph failed, or gave NaN or infinity.
        """
        feed = _tensors(self._texts, [[row[name] for row in rows] for name in self._texts], np.object_)
        given: list[list[Any]] = [[row[name] for row in rows] for name in self._numbers]
        given += [[row[feature] for row in features] for feature in self._looked_up.values()]
        feed |= _tensors([*self._numbers, *self._looked_up], given, np.float32)
        try:
            output = self._session.run(self._outputs, feed)[0]
            numbers: list[float] = (output[:, self._column] if output.ndim > 1 else output).tolist()
        # onnxruntime's errors share no class but Exception.
        except Exception as error:
            raise PredictionFailed(f"{self.package.model} version {self.version} failed: {error}") from error
        if len(numbers) != len(rows) or not all(map(math.isfinite, numbers)):
            raise PredictionFailed(f"{self.package.model} version {self.version} gave {numbers} for {len(rows)} rows")
        return numbers


def _tensors(names: Sequence[str], columns: Sequence[Sequence[Any]], kind: type) -> dict[str, Any]:
    """A tensor of shape (rows, 1) for each column, all cut from one array; None becomes NaN among numbers."""
    if not names:
        return {}
    return dict(zip(names, np.array(columns, kind)[:, :, np.newaxis], strict=True))


def _session(package: Package, graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    # A Lambda has about one core (1,769 MB), and threads that spin for work would take it from the answer.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    where = f"the ONNX graph of {package.model}, run {package.run_id},"
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactInvalid(f"{where} can't be loaded: {error}") from error
    given = {entry.name: entry.type for entry in session.get_inputs()}
    expected = {name: _TEXT if name in package.categories else _NUMBER for name in package.columns}
    # The converter drops a column that the pipeline doesn't read, so fewer is right and more is not.
    if wrong := sorted(name for name, kind in given.items() if expected.get(name) != kind):
        raise ArtifactInvalid(f"{where} takes {', '.join(wrong)}, which the package doesn't give in that type")
    outputs = {entry.name: entry.type for entry in session.get_outputs()}
    if outputs.get(package.output.name) != _NUMBER:
        raise ArtifactInvalid(f"{where} has the outputs {outputs}; {package.output.name!r} as {_NUMBER} is missing")
    return session
