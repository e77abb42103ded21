"""The emulator of EMR Serverless: applications as records, job runs as processes (moto has records of both)."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext
from localcloud.identity import calls
from localcloud.processes import Process
from localcloud.rest import Going
from localcloud.spark.job import CannotRun, run

_OVER = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
_KEPT = (
    "name", "releaseLabel", "architecture", "maximumCapacity", "initialCapacity", "autoStartConfiguration",
    "autoStopConfiguration", "networkConfiguration", "imageConfiguration", "monitoringConfiguration",
    "runtimeConfiguration", "interactiveConfiguration", "schedulerConfiguration",
)  # fmt: skip
_DEFAULTS = {
    "architecture": "X86_64",
    "autoStartConfiguration": {"enabled": True},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
}


class _Refused(Exception):
    """What the API answers with: a code and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class _Run:
    """A job run: what is told of it, and the process that it is."""

    told: dict[str, Any]
    token: str
    process: Process | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class EmrServerless:
    """The emulator that runs Spark jobs."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._applications: dict[str, dict[str, Any]] = {}
        self._runs: dict[tuple[str, str], _Run] = {}
        self._at_work: dict[str, Going] = {}
        self._lock = threading.RLock()
        self._verbs: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateApplication": self._create,
            "GetApplication": lambda given: {"application": self._application(given)},
            "UpdateApplication": self._update,
            "DeleteApplication": self._delete,
            "ListApplications": lambda _: {"applications": [_summary(one) for one in self._applications.values()]},
            "StartApplication": lambda given: self._set_state(given, "STARTED"),
            "StopApplication": lambda given: self._set_state(given, "STOPPED"),
            "ListTagsForResource": lambda given: {"tags": self._tags(given)},
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "StartJobRun": self._start,
            "GetJobRun": lambda given: {"jobRun": self._run(given).told},
            "ListJobRuns": self._list_runs,
            "CancelJobRun": self._cancel,
        }
        cloud.dispatcher.add(self._answer)

    def open(self) -> None:
        """Nothing waits."""

    def remember(self) -> Any:
        """For the state on disk: applications, and what is told of each run."""
        with self._lock:
            runs = {key: (dict(one.told), one.token) for key, one in self._runs.items()}
            return {"applications": {key: dict(one) for key, one in self._applications.items()}, "runs": runs}

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned; what ran then has failed."""
        self._applications.update(remembered["applications"])
        for key, (told, token) in remembered["runs"].items():
            if told["state"] not in _OVER:
                now = time.time()
                told |= {"state": "FAILED", "stateDetails": "The local cloud ended while this job ran"}
                told |= {"updatedAt": now, "endedAt": now}
            self._runs[key] = _Run(told, token)

    def close(self) -> None:
        """Kill every job."""
        with self._lock:
            for one in self._runs.values():
                self._kill(one)

    def _answer(self, call: ApiCall) -> Response | None:
        if call.service != "emr-serverless":
            return None
        operation = calls.operation(call)
        if (verb := self._verbs.get(operation)) is None:
            return _json({"message": f"{operation or call.request.path} isn't known to the local cloud"}, 501)
        try:
            given = calls.parameters(call)
            if operation == "UntagResource":
                given["tagKeys"] = call.request.args.getlist("tagKeys")
            with self._lock:
                return _json(verb(given))
        except _Refused as refused:
            return _json({"message": str(refused)}, refused.status, refused.code)

    # -- applications -----------------------------------------------------------------------------------------------

    def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        if str(given.get("type", "")).upper() != "SPARK":
            raise _Refused("ValidationException", f"Type {given.get('type')!r}: the local cloud knows SPARK alone")
        for known in self._applications.values():
            if known["token"] == given.get("clientToken"):
                return _made(known)
        name, now = f"00{secrets.token_hex(7)}", time.time()
        made = _DEFAULTS | {key: given[key] for key in _KEPT if given.get(key) is not None}
        made |= {
            "applicationId": name,
            "arn": f"arn:aws:emr-serverless:{self._cloud.region}:{self._cloud.account_id}:/applications/{name}",
            "type": "Spark",
            "state": "CREATED",
            "tags": dict(given.get("tags") or {}),
            "createdAt": now,
            "updatedAt": now,
            "token": given.get("clientToken"),
        }
        self._applications[name] = made
        return _made(made)

    def _application(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._applications[given["applicationId"]]
        except KeyError:
            raise _Refused(
                "ResourceNotFoundException", f"Application {given['applicationId']} does not exist", 404
            ) from None

    def _stopped(self, given: dict[str, Any]) -> dict[str, Any]:
        """The application, unless it is running."""
        found = self._application(given)
        if found["state"] not in ("CREATED", "STOPPED"):
            raise _Refused(
                "ValidationException",
                f"Application {found['applicationId']} must be in one of the following statuses [CREATED, STOPPED]. "
                f"Current status: {found['state']}",
            )
        return found

    def _update(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self._stopped(given)
        found |= {key: given[key] for key in _KEPT if given.get(key) is not None} | {"updatedAt": time.time()}
        return {"application": found}

    def _delete(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self._stopped(given)
        del self._applications[found["applicationId"]]
        return {}

    def _set_state(self, given: dict[str, Any], state: str) -> dict[str, Any]:
        found = self._application(given)
        if state == "STOPPED" and self._busy(found["applicationId"]):
            raise _Refused("ConflictException", f"Application {found['applicationId']} has job runs", 409)
        found |= {"state": state, "updatedAt": time.time()}
        return {}

    def _busy(self, application: str) -> bool:
        return any(key[0] == application and one.told["state"] not in _OVER for key, one in self._runs.items())

    def _tags(self, given: dict[str, Any]) -> dict[str, str]:
        tags: dict[str, str] = self._application({"applicationId": given["resourceArn"].rpartition("/")[2]})["tags"]
        return tags

    def _tag(self, given: dict[str, Any]) -> dict[str, Any]:
        self._tags(given).update(given["tags"])
        return {}

    def _untag(self, given: dict[str, Any]) -> dict[str, Any]:
        for key in given["tagKeys"]:
            self._tags(given).pop(key, None)
        return {}

    # -- job runs ---------------------------------------------------------------------------------------------------

    def _start(self, given: dict[str, Any]) -> dict[str, Any]:
        application = self._application(given)
        for (owner, _), one in self._runs.items():
            if owner == given["applicationId"] and one.token == given.get("clientToken"):
                return _started(one.told)
        if "sparkSubmit" not in (given.get("jobDriver") or {}):
            raise _Refused("ValidationException", "jobDriver: the local cloud knows sparkSubmit alone")
        if application["state"] != "STARTED" and not application["autoStartConfiguration"].get("enabled"):
            raise _Refused("ValidationException", f"Application {given['applicationId']} is not started")
        application["state"] = "STARTED"
        number, now = f"00{secrets.token_hex(7)}", time.time()
        told = {key: given[key] for key in ("name", "configurationOverrides", "tags") if given.get(key)} | {
            "applicationId": given["applicationId"],
            "jobRunId": number,
            "arn": f"{application['arn']}/jobruns/{number}",
            "createdBy": f"arn:aws:iam::{self._cloud.account_id}:root",
            "executionRole": given["executionRoleArn"],
            "executionTimeoutMinutes": given.get("executionTimeoutMinutes") or 720,
            "jobDriver": given["jobDriver"],
            "releaseLabel": application["releaseLabel"],
            "mode": "BATCH",
            "attempt": 1,
            "state": "SUBMITTED",
            "stateDetails": "",
            "createdAt": now,
            "updatedAt": now,
        }
        one = self._runs[given["applicationId"], number] = _Run(told, given.get("clientToken") or number)
        self._at_work[number] = Going(f"job of {application.get('name') or given['applicationId']}", number)
        threading.Thread(
            target=self._work, args=(one, application.get("monitoringConfiguration") or {}), name=f"job {number}",
            daemon=True,
        ).start()  # fmt: skip
        return _started(told)

    def _run(self, given: Mapping[str, Any]) -> _Run:
        self._application(given)
        try:
            return self._runs[given["applicationId"], given["jobRunId"]]
        except KeyError:
            raise _Refused("ResourceNotFoundException", f"JobRun {given['jobRunId']} does not exist", 404) from None

    def _list_runs(self, given: dict[str, Any]) -> dict[str, Any]:
        self._application(given)
        states = given.get("states") or []
        found = [one.told for (owner, _), one in self._runs.items() if owner == given["applicationId"]]
        wanted = [told for told in found if not states or told["state"] in states]
        return {"jobRuns": [_run_summary(told) for told in reversed(wanted)]}

    def _cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._run(given)
        if one.told["state"] not in _OVER:
            self._move(one, "CANCELLING")
            self._kill(one)
        return {"applicationId": one.told["applicationId"], "jobRunId": one.told["jobRunId"]}

    @staticmethod
    def _kill(one: _Run) -> None:
        one.cancelled.set()
        if one.process is not None:
            one.process.kill()

    def _work(self, one: _Run, monitoring: Mapping[str, Any]) -> None:
        """One job run from SUBMITTED to its end."""
        try:
            self._see_through(one, monitoring)
        finally:
            self._at_work.pop(one.told["jobRunId"], None)

    def going_on(self) -> list[Going]:
        """Job runs that aren't over."""
        return list(self._at_work.copy().values())

    def _see_through(self, one: _Run, monitoring: Mapping[str, Any]) -> None:
        self._move(one, "RUNNING", startedAt=time.time())
        state, details = "FAILED", ""
        try:
            code, details = run(self._cloud, one.told, monitoring, lambda process: self._adopt(one, process))
            state = "SUCCESS" if code == 0 else "FAILED"
        except CannotRun as error:
            details = str(error)
        except Exception as error:  # a run that dies must say so, not stay RUNNING
            details = f"Internal error: {error!r}"
        if one.cancelled.is_set():
            state, details = "CANCELLED", "Job was cancelled"
        self._move(one, state, details, endedAt=time.time())

    def _adopt(self, one: _Run, process: Process) -> None:
        with self._lock:
            one.process = process
            if one.cancelled.is_set():
                process.kill()

    def _move(self, one: _Run, state: str, details: str = "", **more: Any) -> None:
        with self._lock:
            before, now = one.told["state"], time.time()
            one.told |= {"state": state, "stateDetails": details, "updatedAt": now, **more}
            if state in _OVER:
                one.told["totalExecutionDurationSeconds"] = int(now - one.told["createdAt"])
        if self._cloud.stopped.is_set():
            return
        detail = {
            "jobRunId": one.told["jobRunId"],
            "applicationId": one.told["applicationId"],
            "releaseLabel": one.told["releaseLabel"],
            "state": state,
            "previousState": before,
        }
        self._cloud.tell("aws.emr-serverless", "EMR Serverless Job Run State Change", one.told["arn"], detail)


def _made(application: Mapping[str, Any]) -> dict[str, Any]:
    return {key: application.get(key) for key in ("applicationId", "name", "arn")}


def _started(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("applicationId", "jobRunId", "arn")}


def _summary(application: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("name", "arn", "releaseLabel", "type", "state", "createdAt", "updatedAt", "architecture")
    return {"id": application["applicationId"]} | {key: application[key] for key in keys if key in application}


def _run_summary(told: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("applicationId", "name", "arn", "createdBy", "createdAt", "updatedAt", "executionRole", "state",
            "stateDetails", "releaseLabel")  # fmt: skip
    return {"id": told["jobRunId"], "type": "Spark"} | {key: told[key] for key in keys if key in told}


def _json(value: Mapping[str, Any], status: int = 200, code: str = "") -> Response:
    headers = {"x-amzn-ErrorType": code} if code else {}
    return Response(json.dumps(value), status, headers=headers, content_type="application/json")
