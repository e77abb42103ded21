"""Values that training hands over, the registry remembers and serving loads.

`Package` and `Candidate` are the two files that a training run leaves behind; both are JSON, need no user code to be
read, and refuse fields they don't know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, FiniteFloat, StringConstraints, model_validator

from headwater.declare import FeatureView, Name, RequestInput
from headwater.registry.starting import StartedBy
from headwater.values import Pointer, Stored, Value

ONNX_FILE, PACKAGE_FILE, CANDIDATE_FILE, GOLDEN_FILE = "model.onnx", "package.json", "candidate.json", "golden.json"
PROFILE_FILE, BANK_FILE, ESTIMATE_FILE = "profile.json", "bank.json.gz", "estimate.json"
DEFINITION_FILE = "definition.json"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
"""The name of the state machine's execution."""
VersionNumber = Annotated[int, Field(ge=1)]


class PackageFeature(Value):
    """A feature as serving looks it up."""

    name: str
    """``view.feature``, as requests and answers call it."""
    column: str
    """The model's column: ``view__feature``."""
    view: Name
    entity: tuple[Name, ...] = Field(min_length=1)
    """Request inputs whose values name the entity, in the view's order."""
    ttl_seconds: Annotated[float, Field(gt=0)]
    """A value whose event time is longer ago than this is missing."""
    version: str | None = None
    """The view's version when the model was trained (`FeatureView.version`); None in packages that don't say."""
    position: Annotated[int, Field(ge=0)] | None = None
    """Its place among the features that the definition declares, which is where an online value has it; None in
    packages that don't say, which can't be served."""
    kind: Literal["number", "category"] = "number"
    """``category``: text; everything else is a number."""

    @classmethod
    def of(cls, view: FeatureView, name: str) -> Self:
        """The feature ``name`` of ``view`` as it is declared."""
        return cls(
            name=f"{view.name}.{name}",
            column=f"{view.name}__{name}",
            view=view.name,
            entity=view.entity,
            ttl_seconds=view.ttl.total_seconds(),
            version=view.version,
            position=(position := [feature.name for feature in view.features].index(name)),
            kind="category" if view.features[position].is_text else "number",
        )

    @property
    def feature(self) -> str:
        """The feature's name within its view."""
        return self.name.partition(".")[2]


class Output(Value):
    """Where the prediction stands among the ONNX graph's outputs."""

    name: str
    """The output's name in the graph, such as ``"probabilities"``."""
    column: Annotated[int, Field(ge=0)] = 0
    """Its column: of a two-class classifier 1, of a regressor 0."""


class Package(Stored):
    """``package.json``: all that serving needs. It names no version, for it is written before there is one.

    The ONNX graph takes one tensor a column, shape (n, 1): text for `categories` ("" when missing), float32 for all
    others (NaN when missing).
    """

    model: Name
    run_id: RunId
    description: str = ""
    task: Literal["classification", "regression"]
    positive: str = ""
    """For a classifier, what label 1 means, in words."""
    inputs: tuple[RequestInput, ...] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    categories: tuple[str, ...] = ()
    features: tuple[PackageFeature, ...] = ()
    onnx: Pointer
    sha256: Sha256
    """Hash of the ONNX file's bytes; checked each time they are loaded."""
    output: Output
    data_version: str
    """Names the commits that the training rows came from."""
    commits: Mapping[str, Sha256] = Field(default_factory=dict)
    """Commit of each source."""
    metrics: Mapping[str, FiniteFloat]
    """On the held-out rows."""
    code_version: str
    """The code that trained it: the container image's digest, or the commit."""
    created_at: AwareDatetime

    @model_validator(mode="after")
    def _check(self) -> Self:
        expected = tuple(column for entry in self.inputs for column in entry.columns)
        expected += tuple(feature.column for feature in self.features)
        if self.columns != expected:
            raise ValueError(f"columns are {self.columns}; the inputs and features give {expected}")
        categories = tuple(entry.name for entry in self.inputs if entry.kind == "category")
        categories += tuple(feature.column for feature in self.features if feature.kind == "category")
        if self.categories != categories:
            raise ValueError(f"categories are {self.categories}; the inputs and features give {categories}")
        names = {entry.name for entry in self.inputs}
        for feature in self.features:
            if unknown := [key for key in feature.entity if key not in names]:
                raise ValueError(f"feature {feature.name!r} is looked up by {unknown}, which is no input")
        return self


class GateOutcome(Value):
    """How a candidate stood before one rule."""

    metric: str
    rule: Literal["at_least", "at_most", "champion_margin", "challenger"]
    """``challenger``: a paired comparison with the champion, of runs that the retraining policy started."""
    value: float | None
    """Value that the candidate reached; None if it couldn't be computed (then the gate is failed)."""
    limit: float
    """Value to reach, in the metric's unit; for ``champion_margin`` the champion's figure with the margin; for
    ``challenger`` the difference to the champion's."""
    passed: bool
    reason: str = ""
    """One line for people, such as ``roc_auc 0.701 is below 0.715``."""


class Disagreement(Value):
    """A request that the ONNX graph answers otherwise than the pipeline it was made from."""

    trial: str
    """Peculiarity of the request, such as ``area is missing``."""
    columns: tuple[str, ...] = ()
    """The columns that were changed for it."""
    row: Mapping[str, float | str | None]
    """Its columns, those that were changed first, at most 20; None when missing."""
    pipeline: float | None
    graph: float | None
    """The two answers; None if one isn't a finite number."""
    remedy: str = ""

    def __str__(self) -> str:
        row = ", ".join(f"{name} = {'missing' if value is None else repr(value)}" for name, value in self.row.items())
        return f"when {self.trial}: {_answer(self.graph)} instead of {_answer(self.pipeline)} for {row}"


def _answer(value: float | None) -> str:
    return "no number" if value is None else f"{value:.6g}"


class Parity(Value):
    """How far the ONNX graph is from the scikit-learn pipeline it was made from, on held-out rows."""

    rows: Annotated[int, Field(ge=0)]
    largest_difference: float
    tolerance: float
    passed: bool
    worst: Disagreement | None = None
    """Where the two differ most; None if they agree (and in versions that were registered without it)."""


class LeakWarning(Value):
    """A score that is too good: what is asked for may be among its own clues."""

    column: str | None = None
    """The column that reaches it alone; None: the whole model does."""
    metric: str
    value: float
    rows: Annotated[int, Field(ge=0)]

    def __str__(self) -> str:
        who = f"column {self.column} alone" if self.column else "the model"
        return f"possible leak: {who} reaches {self.metric} {self.value:.4f} on {self.rows:,} rows"


class TrainingSet(Value):
    """The table that a model learnt from, and enough to see whether another one is the same."""

    at: Pointer
    sha256: Sha256
    """Hash of the Parquet file's bytes."""
    written_by: str
    """Program and version: another one may write the same rows in other bytes."""


class Candidate(Stored):
    """``candidate.json``: a trained model and the case for it."""

    model: Name
    run_id: RunId
    package: Pointer
    golden: Pointer | None = None
    """Requests with known answers (`GoldenSet`); without them nothing can be staged."""
    metrics: Mapping[str, FiniteFloat]
    champion: Mapping[str, FiniteFloat] | None = None
    """The champion's metrics on the same rows; None if there is none."""
    champion_version: VersionNumber | None = None
    """Which version that was: automatic promotion replaces this one and no other."""
    judged_anew: Annotated[int, Field(ge=0)] = 0
    """How often the run was judged again because another version had become the champion meanwhile."""
    inputs_alone: Mapping[str, FiniteFloat] | None = None
    """Metrics of the same fit without features."""
    gates: tuple[GateOutcome, ...] = Field(min_length=1)
    parity: Parity
    leaks: tuple[LeakWarning, ...] = ()
    """Signs that the label is among its own clues: with any, only a person promotes it, and says why."""
    parameters: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    rows: Mapping[str, int] = Field(default_factory=dict)
    """How many examples there were, by part: ``train``, ``holdout``, and those that were left out: ``unlabelled``."""
    data_version: str
    commits: Mapping[str, Sha256] = Field(default_factory=dict)
    """The commit of each source that the rows came from."""
    training_set: TrainingSet | None = None
    files: Mapping[str, Pointer] = Field(default_factory=dict)
    """Other files of the run that belong to the version, by name: profile, bank, lock, pinned data, definition."""
    code_version: str
    started_by: StartedBy | None = None
    """The one who started the run, and the place; None if nobody said, as of runs started in AWS's console."""
    promotion: Literal["automatic", "manual"] = "manual"
    created_at: AwareDatetime
    """When it was judged."""

    @property
    def promotes_itself(self) -> bool:
        """True for a candidate that becomes ``production`` once it is staged, without a person."""
        return self.promotion == "automatic" and not self.leaks

    @property
    def warnings(self) -> tuple[str, ...]:
        """Signs that a person should look at, one line each."""
        return tuple(map(str, self.leaks))

    @property
    def failures(self) -> tuple[str, ...]:
        """Why it can't serve, one line each; empty if it can."""
        reasons = [gate.reason or f"{gate.metric} is {gate.value}, {gate.rule.replace('_', ' ')} {gate.limit}"
                   for gate in self.gates if not gate.passed]  # fmt: skip
        if not self.parity.passed:
            worst = self.parity.worst
            reasons.append(
                f"the ONNX graph differs from the trained pipeline by up to {self.parity.largest_difference:g} on "
                f"{self.parity.rows} rows (tolerance {self.parity.tolerance:g})"
                + (f", {worst} -> {worst.remedy}" if worst else "")
            )
        return tuple(reasons)


class GoldenRequest(Value):
    """A request as the API takes it, and the answers it must get."""

    instances: tuple[Mapping[str, Any], ...] = Field(min_length=1, max_length=100)
    features: tuple[Mapping[str, float | str | None], ...] | None = None
    """``view.feature`` -> value for each instance, instead of the online look-up; None: looked up online, and if
    the model has features, the answers aren't compared."""
    as_of: AwareDatetime | None = None
    expected: tuple[float, ...]
    """Answers of the trained pipeline, an entry for each instance."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, given in (("features", self.features), ("expected", self.expected)):
            if given is not None and len(given) != len(self.instances):
                raise ValueError(f"{len(self.instances)} instances but {len(given)} {name}")
        return self


class GoldenSet(Stored):
    """``golden.json``: what a candidate must answer through the deployed function before it may serve."""

    model: Name
    run_id: RunId
    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    requests: tuple[GoldenRequest, ...] = Field(min_length=1)


class NumberProfile(Value):
    """A column of numbers."""

    missing: float
    """Share of rows."""
    quantiles: tuple[float, ...]
    """Minimum, 255 cuts into parts of equal weight, maximum; empty if every row lacks it."""
    mean: float | None


class CategoryProfile(Value):
    """A column of text."""

    missing: float
    counts: Mapping[str, int]
    """Rows of the most frequent values."""
    others: int
    """Rows of all other values."""


class Profile(Stored):
    """``profile.json``: the training rows, column by column, and the predictions on held-out rows."""

    model: str
    run_id: str
    rows: int
    numbers: Mapping[str, NumberProfile]
    categories: Mapping[str, CategoryProfile]
    label: NumberProfile
    predictions: NumberProfile


class Status(StrEnum):
    """Whether a version may serve."""

    READY = "READY"
    REJECTED = "REJECTED"


class ModelVersion(Stored):
    """A registered candidate under its number."""

    model: Name
    version: VersionNumber
    status: Status
    reasons: tuple[str, ...] = ()
    """Why it was rejected."""
    registered_at: datetime
    candidate: Candidate
    commit: Sha256 | None = None
    """The commit of the dataset ``models/<model>`` that holds its files."""

    @property
    def run_id(self) -> str:
        """The training run that it came from."""
        return self.candidate.run_id

    @property
    def package(self) -> Pointer:
        """Its ``package.json``."""
        return self.candidate.package

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its metrics on the held-out rows."""
        return self.candidate.metrics


class AliasMove(Stored):
    """One entry of an alias's log. The log is append-only; the alias itself is its last entry."""

    model: Name
    alias: Alias
    sequence: Annotated[int, Field(ge=1)]
    before: VersionNumber | None
    """Version that the alias pointed at; None if it didn't exist."""
    to: VersionNumber | None
    """Version that it points at since; None if it was taken away."""
    at: datetime
    by: str = ""
    why: str = ""
    write_id: str
    """Names this very write, so that a writer whose answer was lost recognises its own."""


def run_key(model: str, run_id: str, file: str) -> str:
    """The key in the artifacts bucket of a file that a training run left behind."""
    return f"runs/{model}/{run_id}/{file}"
