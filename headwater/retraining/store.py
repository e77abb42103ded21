"""Models' states, logs, keys and answers in the registry table, and the trainings themselves: all calls to AWS here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from headwater.declare import Retraining
from headwater.lake.refusal import one_line
from headwater.lake.types import DataVersion
from headwater.registry.starting import LONGEST_PERSON, StartedBy
from headwater.registry.types import Status
from headwater.retraining.asking import Question, decision_in
from headwater.retraining.errors import NoPolicy, RetrainingBusy, RetrainingRefused
from headwater.retraining.types import Ask, CurrentRun, Decision, Outcome, RetrainState
from headwater.storage.clients import Clients, error_code
from headwater.storage.executions import Executions
from headwater.storage.table import ABSENT, Item, Table
from headwater.training.store import RunFiles
from headwater.training.types import DATA_VERSION_FILE

PREFIX = "RETRAIN#"
_STATE, LOG, _KEY, _ASK = "STATE", "LOG#", "KEY#", "ASK#"
LONGEST_REASON = 300
_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})


class Claim(NamedTuple):
    """A training's claim to a key: there is one of a key, and another one only after that one failed."""

    key: str
    run_id: str
    failed: str = ""
    """The training that had the key before, and failed."""


class Held(NamedTuple):
    """The training that has a key."""

    run_id: str
    failed: bool


@dataclass(frozen=True)
class RetrainStore:
    """Items under ``RETRAIN#<model>``: ``STATE``, ``LOG#<time>#<revision>``, ``KEY#<key>`` and ``ASK#<id>``."""

    table: Table
    """The registry table."""

    def state(self, model: str) -> RetrainState:
        """The model's state; a new one if there is none."""
        return self.table.document(PREFIX + model, _STATE, RetrainState) or RetrainState(model=model)

    def answer(self, model: str, ask_id: str) -> Decision | None:
        """The decision on an event that came before; None if it didn't."""
        return self.table.document(PREFIX + model, _ASK + ask_id, Decision)

    def holder(self, model: str, key: str) -> Held | None:
        """The training that was requested for a key; None if there was none."""
        item = self.table.get(PREFIX + model, _KEY + key)
        return Held(item["run_id"], bool(item["failed"])) if item else None

    def log(self, model: str, number: int) -> list[Decision]:
        """The last decisions, newest first."""
        return self.table.last_documents(PREFIX + model, LOG, Decision, number)

    def write(
        self,
        state: RetrainState,
        before: RetrainState,
        decision: Decision | None,
        *,
        claim: Claim | None = None,
        failed_key: CurrentRun | None = None,
    ) -> bool:
        """Write a state, the decision, its answer to an event and its claim to a key: all or nothing.

        Returns
        -------
        bool
            False if others wrote first, or nobody knows: read again.
        """
        pk = PREFIX + state.model
        item: Item = {"pk": pk, "sk": _STATE, "revision": state.revision, "document": state.model_dump_json()}
        writes = [self.table.put_over(item, "revision", before.revision or None)]
        if decision is not None:
            document = decision.model_dump_json()
            key = f"{LOG}{decision.at:%Y-%m-%dT%H:%M:%S.%f}Z#{decision.revision:08d}"
            writes.append(self.table.put({"pk": pk, "sk": key, "document": document}, only_if=ABSENT))
            if decision.ask_id:
                answer: Item = {"pk": pk, "sk": _ASK + decision.ask_id, "document": document}
                writes.append(self.table.put(answer, only_if=ABSENT))
        if claim is not None:
            writes.append(self._claim(pk, claim))
        if failed_key is not None:
            item = {"pk": pk, "sk": _KEY + failed_key.key, "run_id": failed_key.run_id, "failed": 1}
            writes.append(self.table.put(item, only_if="#run_id = :run", run=failed_key.run_id))
        return self.table.applied(writes)

    def _claim(self, pk: str, claim: Claim) -> dict[str, Any]:
        item: Item = {"pk": pk, "sk": _KEY + claim.key, "run_id": claim.run_id, "failed": 0}
        if not claim.failed:
            return self.table.put(item, only_if=ABSENT)
        return self.table.put(item, only_if="#run_id = :before AND #failed = :yes", before=claim.failed, yes=1)


class Seen(NamedTuple):
    """How a training stands."""

    outcome: Outcome | None
    """None while it runs."""
    seconds: float | None = None
    reason: str = ""


class Trainings:
    """Starts trainings by name, on data that is pinned already, and says what became of them.

    Parameters
    ----------
    training_arn : str
        The training machine's.
    artifacts_bucket : str
        Holds the files of runs.
    clients : Clients
    """

    def __init__(self, training_arn: str, artifacts_bucket: str, clients: Clients) -> None:
        self._machine, self._bucket = Executions(training_arn, clients), artifacts_bucket
        self._clients = clients

    def start(self, model: str, run: CurrentRun) -> None:
        """Start a training; one of that name is started once, whatever is called how often."""
        data = DataVersion.model_validate_json(run.pinned)
        RunFiles(self._bucket, model, run.run_id, self._clients).put_first(DATA_VERSION_FILE, data)
        started_by = StartedBy(
            how="schedule" if run.kind == "schedule" else "policy", person=run.by[:LONGEST_PERSON], reason=run.kind
        )
        given = {
            "model": model,
            "reason": run.kind,
            "started_by": started_by.model_dump(mode="json", exclude_defaults=True),
            **({"tick": json.loads(run.tick)} if run.tick else {}),
        }
        self._machine.start(run.run_id, given)

    def look(self, run_id: str) -> Seen | None:
        """How a training stands; None if there is none of that name."""
        if (found := self._machine.describe(run_id)) is None:
            return None
        if found["status"] in _RUNNING:
            return Seen(None)
        # A run that is over has an end; one that Step Functions is just ending may not tell it yet.
        seconds = (found["stopDate"] - found["startDate"]).total_seconds() if found.get("stopDate") else None
        if found["status"] != "SUCCEEDED":
            said = ": ".join(filter(None, (str(found.get("error") or found["status"]), one_line(found.get("cause")))))
            return Seen(Outcome.FAILED, seconds, said[:LONGEST_REASON])
        registered = json.loads(found.get("output") or "{}").get("registered") or {}
        if registered.get("status") == Status.REJECTED.value:
            return Seen(Outcome.REJECTED, seconds, "; ".join(registered.get("reasons") or ())[:LONGEST_REASON])
        is_automatic = registered.get("promotion") == "automatic"
        version = f"version {registered.get('version')}"
        if is_automatic:
            return Seen(Outcome.PROMOTED, seconds, f"{version} serves")
        return Seen(Outcome.STAGED, seconds, f"{version} waits for: headwater models promote")


@dataclass(frozen=True)
class PolicyFunction:
    """The function that keeps the policy."""

    name: str
    """Its name on AWS."""
    clients: Clients

    def ask(self, model: str, ask: Ask) -> Decision:
        """Give a reason to train, and wait for the decision.

        Raises
        ------
        RetrainingRefused
            The function knows no such model.
        NoPolicy
            There is no such function.
        RetrainingBusy
            It failed, or is throttled: asking again with the same id is safe.
        """
        return decision_in(self._call(Question(model=model, ask=ask)))

    def policy(self, model: str) -> Retraining:
        """The policy of a model as it is deployed; raises as `ask`."""
        answer = self._call(Question(model=model))
        if (refused := answer.get("refused")) is not None:
            raise RetrainingRefused(str(refused))
        return Retraining.model_validate(answer["policy"])

    def _call(self, question: Question) -> Mapping[str, Any]:
        try:
            answer = self.clients("lambda").invoke(
                FunctionName=self.name, Payload=json.dumps(question.message()).encode()
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise NoPolicy(f"there is no function {self.name}: the project's infra leaves Schedules out") from error
            if error_code(error) in {"TooManyRequestsException", "ServiceException"}:
                raise RetrainingBusy(f"function {self.name}: {error_code(error)}; ask again") from error
            raise
        said: Mapping[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise RetrainingBusy(
                f"function {self.name} failed: {str(said.get('errorMessage'))[:300]}; its log says why"
            )
        return said
