"""CodeBuild: a build runs its buildspec's commands for real, with a `docker` that needs no Docker."""

from __future__ import annotations

import io
import json
import secrets
import tempfile
import threading
import time
import uuid
import zipfile
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from moto.codebuild.models import codebuild_backends
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.containers.build import host_environment
from localcloud.containers.buildspec import Buildspec, BuildspecError, parse, script
from localcloud.containers.credentials import role_client, role_environment
from localcloud.containers.docker import STATE_VARIABLE, STORE_VARIABLE, install_shims
from localcloud.containers.logs import LogStream
from localcloud.containers.store import ImageStore
from localcloud.context import CloudContext
from localcloud.processes import Process
from localcloud.rest import Going

_TOKEN_SECONDS = 300  # how long CodeBuild remembers an idempotency token


class _Failed(Exception):
    """A phase failed; carries CodeBuild's status code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class _Build:
    """One build as BatchGetBuilds shows it, and what runs it."""

    description: dict[str, Any]
    source: dict[str, Any]
    variables: dict[str, str]
    token: str | None
    request: dict[str, Any]
    started: float = field(default_factory=time.monotonic)
    process: Process | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def id(self) -> str:
        return str(self.description["id"])

    def begin(self, phase: str) -> None:
        """Start a phase; the one before it, if it is open, has succeeded."""
        self.end("SUCCEEDED")
        self.description["currentPhase"] = phase
        self.description["phases"].append({"phaseType": phase, "startTime": time.time()})

    def end(self, status: str, code: str = "", message: str = "") -> None:
        """End the open phase, if there is one."""
        phases: list[dict[str, Any]] = self.description["phases"]
        if phases and "phaseStatus" not in (phase := phases[-1]):
            now = time.time()
            phase |= {"phaseStatus": status, "endTime": now, "durationInSeconds": int(now - phase["startTime"])}
            phase["contexts"] = [{"statusCode": code, "message": message}]


class CodeBuild:
    """The emulator that runs builds."""

    def __init__(self, cloud: CloudContext, store: ImageStore) -> None:
        self._cloud = cloud
        self._store = store
        self._builds: dict[str, _Build] = {}
        self._lock = threading.Lock()
        cloud.dispatcher.add(self._answer)

    def open(self) -> None:
        """Nothing waits."""

    def remember(self) -> Any:
        """For the state on disk: what is told of each build, and what it was started with."""
        kept = ("description", "source", "variables", "token", "request")
        return [{name: deepcopy(getattr(build, name)) for name in kept} for build in list(self._builds.values())]

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned; what was building then has failed."""
        for held in remembered:
            build = _Build(**held)
            if not build.description["buildComplete"]:
                build.end("FAULT", "INTERNAL_SERVICE_ERROR", "the local cloud ended while this was building")
                build.begin("COMPLETED")
                build.description |= {"endTime": time.time(), "buildStatus": "FAULT", "buildComplete": True}
            self._builds[build.id] = build

    def close(self) -> None:
        """Kill what still builds."""
        for build in list(self._builds.values()):
            self._stop(build)

    def _answer(self, call: ApiCall) -> Response | None:
        if call.service != "codebuild":
            return None
        given = call.json()
        match call.operation:
            case "StartBuild":
                return self._start(given)
            case "BatchGetBuilds":
                builds = [self._builds[name].description for name in given["ids"] if name in self._builds]
                missing = [name for name in given["ids"] if name not in self._builds]
                return _json({"builds": builds, "buildsNotFound": missing})
            case "ListBuildsForProject":
                name = given["projectName"]
                return _json(
                    {"ids": [b.id for b in reversed(self._builds.values()) if b.description["projectName"] == name]}
                )
            case "ListBuilds":
                return _json({"ids": [build.id for build in reversed(self._builds.values())]})
            case "StopBuild":
                if (build := self._builds.get(given["id"])) is None:
                    return _error("ResourceNotFoundException", f"Build {given['id']} does not exist")
                self._stop(build)
                return _json({"build": build.description})
            case "UpdateProject":
                return self._update_project(given)
        return None

    def going_on(self) -> list[Going]:
        """Builds that aren't complete."""
        return [
            Going(f"build of {build.description['projectName']}", build.id)
            for build in list(self._builds.values())
            if not build.description["buildComplete"]
        ]

    def _projects(self) -> dict[str, Any]:
        return dict(codebuild_backends[self._cloud.account_id][self._cloud.region].codebuild_projects)

    def _update_project(self, given: dict[str, Any]) -> Response:
        """Moto has no UpdateProject: what is given replaces what was there."""
        with self._cloud.dispatcher.lock:
            if (project := self._projects().get(given["name"])) is None:
                return _error("ResourceNotFoundException", f"Project cannot be found: {given['name']}")
            project.project_metadata.update(given | {"lastModified": time.time()})
            project.service_role = project.project_metadata["serviceRole"]
            return _json({"project": project.project_metadata})

    def _start(self, given: dict[str, Any]) -> Response:
        name, token = given["projectName"], given.get("idempotencyToken")
        with self._cloud.dispatcher.lock:
            project = self._projects().get(name)
        if project is None:
            return _error("ResourceNotFoundException", f"Project cannot be found: {name}")
        with self._lock:
            for build in self._builds.values():
                if token and build.token == token and time.monotonic() - build.started < _TOKEN_SECONDS:
                    if build.request != given:
                        return _error("InvalidInputException", "Idempotency token was used with other parameters")
                    return _json({"build": build.description})
            build = self._new_build(project.project_metadata, given)
            self._builds[build.id] = build
        answer = _json({"build": build.description})
        threading.Thread(target=self._run, args=(build,), name=f"build {build.id}", daemon=True).start()
        return answer

    def _new_build(self, project: dict[str, Any], given: dict[str, Any]) -> _Build:
        number = str(uuid.uuid4())
        source = dict(project["source"])
        for key in ("type", "location"):
            source[key] = given.get(f"source{key.capitalize()}Override", source.get(key))
        if "buildspecOverride" in given:
            source["buildspec"] = given["buildspecOverride"]
        environment = project["environment"] | {
            "environmentVariables": list(
                {
                    variable["name"]: variable
                    for variable in [
                        *project["environment"].get("environmentVariables", []),
                        *given.get("environmentVariablesOverride", []),
                    ]
                }.values()
            )
        }
        logs = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
        prefix = f"{logs['streamName']}/" if logs.get("streamName") else ""
        group = logs.get("groupName") or f"/aws/codebuild/{project['name']}"
        build_id = f"{project['name']}:{number}"
        arn = f"arn:aws:codebuild:{self._cloud.region}:{self._cloud.account_id}:build/{build_id}"
        description: dict[str, Any] = {
            "id": build_id,
            "arn": arn,
            "buildNumber": 1 + sum(b.description["projectName"] == project["name"] for b in self._builds.values()),
            "startTime": time.time(),
            "currentPhase": "QUEUED",
            "buildStatus": "IN_PROGRESS",
            "sourceVersion": given.get("sourceVersion", project.get("sourceVersion")),
            "projectName": project["name"],
            "phases": [],
            "source": source,
            "environment": environment,
            "serviceRole": given.get("serviceRoleOverride", project["serviceRole"]),
            "logs": {"groupName": group, "streamName": prefix + number, "cloudWatchLogs": {"status": "ENABLED"}},
            "timeoutInMinutes": given.get("timeoutInMinutesOverride") or project.get("timeoutInMinutes") or 60,
            "buildComplete": False,
            "initiator": "local",
        }
        variables = {variable["name"]: variable["value"] for variable in environment["environmentVariables"]}
        build = _Build(description, source, variables, given.get("idempotencyToken"), given)
        build.begin("SUBMITTED")
        build.begin("QUEUED")
        return build

    def _stop(self, build: _Build) -> None:
        build.stopped.set()
        if build.process is not None:
            build.process.kill()

    def _run(self, build: _Build) -> None:
        log = LogStream(self._cloud, build.description["logs"]["groupName"], build.description["logs"]["streamName"])
        status = "FAILED"
        try:
            with tempfile.TemporaryDirectory(
                prefix="build-", dir=self._cloud.directory, ignore_cleanup_errors=True
            ) as scratch:
                status = self._run_phases(build, Path(scratch), log)
        except _Failed as failure:
            log.line(f"[Container] {failure.code}: {failure}")
            build.end("FAILED", failure.code, str(failure))
        except Exception as error:  # a build that dies must say so, not stay IN_PROGRESS
            build.end("FAULT", "INTERNAL_SERVICE_ERROR", repr(error))
        finally:
            log.close()
        build.begin("COMPLETED")
        build.description |= {"endTime": time.time(), "buildStatus": "STOPPED" if build.stopped.is_set() else status}
        build.description["buildComplete"] = True

    def _run_phases(self, build: _Build, scratch: Path, log: LogStream) -> str:
        build.begin("PROVISIONING")
        build.begin("DOWNLOAD_SOURCE")
        folder = scratch / "src"
        folder.mkdir()
        self._download(build, folder)
        buildspec = self._buildspec(build, folder)
        mark = f"@@{secrets.token_hex(8)}"
        (scratch / "build.sh").write_text(script(buildspec, mark))
        install_shims(scratch / "bin")
        (scratch / "state").mkdir()
        finished = failed = False

        def on_line(line: str) -> None:
            nonlocal finished, failed
            if not line.startswith(mark):
                log.line(line)
                return
            word, _, rest = line.removeprefix(mark).strip().partition(" ")
            match word:
                case "start":
                    log.line(f"[Container] Entering phase {rest}")
                    build.begin(rest)
                case "run":
                    log.line(f"[Container] Running command {rest}")
                case "end":
                    build.end("SUCCEEDED")
                case "fail":
                    failed = True
                    _, code, command = rest.split(" ", 2)
                    message = f"Error while executing command: {command}. Reason: exit status {code}"
                    log.line(f"[Container] {message}")
                    build.end("FAILED", "COMMAND_EXECUTION_ERROR", message)
                case "done":
                    finished = True

        environment = self._environment(build, buildspec, scratch)
        build.process = Process.start(
            ["/bin/sh", str(scratch / "build.sh")], cwd=folder, env=environment, on_line=on_line
        )
        if build.stopped.is_set():
            build.process.kill()
        try:
            code = build.process.wait(build.description["timeoutInMinutes"] * 60)
        except TimeoutError:
            build.process.kill()
            build.end("TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out.")
            return "TIMED_OUT"
        if not finished and not build.stopped.is_set():
            raise _Failed("COMMAND_EXECUTION_ERROR", f"the shell ended early with exit status {code}")
        if build.stopped.is_set():
            build.end("STOPPED")
        build.begin("FINALIZING")
        return "FAILED" if failed else "SUCCEEDED"

    def _download(self, build: _Build, folder: Path) -> None:
        """Fetch the source with the project's own role, so that a missing grant is missed here too."""
        if build.source["type"] == "NO_SOURCE":
            return
        if build.source["type"] != "S3":
            raise _Failed("CLIENT_ERROR", f"source type {build.source['type']} isn't known to the local cloud, only S3")
        bucket, _, key = str(build.source["location"]).removeprefix("arn:aws:s3:::").partition("/")
        version = build.description["sourceVersion"]
        s3 = role_client(self._cloud, build.description["serviceRole"], "s3")
        try:
            body = s3.get_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))["Body"].read()
        except ClientError as error:
            raise _Failed(
                "CLIENT_ERROR", f"{error} for primary source and source version {version or 'latest'}"
            ) from None
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile:
            raise _Failed("CLIENT_ERROR", f"s3://{bucket}/{key} isn't a zip file") from None

    def _buildspec(self, build: _Build, folder: Path) -> Buildspec:
        text = build.source.get("buildspec") or "buildspec.yml"
        if "\n" not in text:
            path = folder / text
            if not path.is_file():
                raise _Failed("YAML_FILE_ERROR", f"stat {text}: no such file or directory")
            text = path.read_text()
        try:
            return parse(text)
        except BuildspecError as error:
            raise _Failed("YAML_FILE_ERROR", str(error)) from None

    def _environment(self, build: _Build, buildspec: Buildspec, scratch: Path) -> dict[str, str]:
        python = self._store.python()
        variables = {**buildspec.variables, **build.variables}
        return (
            host_environment()
            | variables
            | role_environment(self._cloud, build.description["serviceRole"])
            | {
                "PATH": f"{scratch / 'bin'}:{python}:/usr/local/bin:/usr/bin:/bin",
                "CODEBUILD_BUILD_ID": build.id,
                "CODEBUILD_BUILD_ARN": build.description["arn"],
                "CODEBUILD_BUILD_NUMBER": str(build.description["buildNumber"]),
                "CODEBUILD_SRC_DIR": str(scratch / "src"),
                "CODEBUILD_SOURCE_VERSION": build.description["sourceVersion"] or "",
                STORE_VARIABLE: str(self._store.directory),
                STATE_VARIABLE: str(scratch / "state"),
            }
        )


def _json(value: Any) -> Response:
    return Response(json.dumps(value, default=str), content_type="application/x-amz-json-1.1")


def _error(kind: str, message: str) -> Response:
    return Response(json.dumps({"__type": kind, "message": message}), 400, content_type="application/x-amz-json-1.1")
