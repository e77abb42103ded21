"""A model ready to run: its package and an ONNX session on exactly the bytes that were registered."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from headwater.features.online.encoding import Known
from headwater.registry.errors import ArtifactInvalid
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package
from headwater.serving.errors import ArtifactCorrupted, PredictionFailed

_TEXT, _NUMBER = "tensor(string)", "tensor(float)"
# As dtypes: made from a class for each array they cost a third of it.
_FLOAT32 = np.dtype(np.float32)
_OBJECT = np.dtype(np.object_)
_ELEMENT = {_TEXT: _OBJECT, _NUMBER: _FLOAT32}


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
    commit : str, optional
        The commit that holds its files.

    Raises
    ------
    ArtifactCorrupted
        ``graph`` hasn't the package's sha256.
    ArtifactInvalid
        It has, but isn't a graph that takes the package's columns and gives its output.
    """

    def __init__(self, package: Package, graph: bytes, version: int, commit: str | None = None) -> None:
        self.package, self.version, self.commit = package, version, commit
        self.label = "probability" if package.task == "classification" else "value"
        self.features = {feature.name: feature.kind for feature in package.features}
        """The features' kinds by name, in the package's order."""
        digest = hashlib.sha256(graph).hexdigest()
        if digest != package.sha256:
            raise ArtifactCorrupted(
                f"{package.model} version {version}: s3://{package.onnx.bucket}/{package.onnx.key} has sha256 "
                f"{digest}, but {package.sha256} was registered"
            )
        if unversioned := [entry.name for entry in package.features if entry.version is None or entry.position is None]:
            raise ArtifactInvalid(
                f"{package.model} version {version}: its package doesn't say which version of their views "
                f"{', '.join(unversioned)} are of, so they can't be looked up; train the model anew"
            )
        self._session = _session(package, graph)
        self._column = package.output.column
        self._outputs = [package.output.name]
        feature_of = {feature.column: feature.name for feature in package.features}
        taken = {entry.name: entry.type for entry in self._session.get_inputs()}
        self._inputs = [(name, _ELEMENT[kind]) for name, kind in taken.items() if name not in feature_of]
        found = [(name, feature_of[name], kind) for name, kind in taken.items() if name in feature_of]
        self._looked_up = [(name, feature) for name, feature, kind in found if kind == _NUMBER]
        self._looked_up_texts = [(name, feature) for name, feature, kind in found if kind == _TEXT]

    @classmethod
    def load(cls, artifacts: ArtifactStore, version: ModelVersion) -> Predictor:
        """Fetch a version's package and graph, each at its pinned S3 version."""
        package = artifacts.load(version.package, Package)
        return cls(package, artifacts.read(package.onnx), version.version, version.commit)

    def predict(
        self, rows: Sequence[Mapping[str, float | str]], features: Sequence[Mapping[str, Known]]
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
        # Each column is a tensor of its own, of shape (rows, 1); None becomes NaN, or empty text.
        feed = {name: np.array([[row[name]] for row in rows], kind) for name, kind in self._inputs}
        for name, feature in self._looked_up:
            feed[name] = np.array([[row[feature]] for row in features], _FLOAT32)
        for name, feature in self._looked_up_texts:
            feed[name] = np.array([[row[feature] or ""] for row in features], _OBJECT)
        try:
            output = self._session.run(self._outputs, feed)[0]
            numbers: list[float] = (output[:, self._column] if output.ndim > 1 else output).tolist()
        # onnxruntime's errors share no class but Exception.
        except Exception as error:
            raise PredictionFailed(f"{self.package.model} version {self.version} failed: {error}") from error
        if len(numbers) != len(rows) or not all(map(math.isfinite, numbers)):
            raise PredictionFailed(f"{self.package.model} version {self.version} gave {numbers} for {len(rows)} rows")
        return numbers


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
