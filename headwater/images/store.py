"""CodeBuild and ECR; the only place of this package that calls AWS."""

from __future__ import annotations

from typing import Any

from headwater.images.errors import NoBuilds
from headwater.images.types import Build, BuildRequest
from headwater.storage.clients import Clients, error_code

TAG_VARIABLE = "IMAGE_TAG"


class Builder:
    """One CodeBuild project."""

    def __init__(self, project: str, clients: Clients) -> None:
        self.project = project
        self._codebuild = clients("codebuild")

    def start(self, request: BuildRequest) -> Build:
        """Start a build; the same request within five minutes answers with the build that it started before.

        Raises
        ------
        NoBuilds
            The account's quota of concurrent builds is used up; a new account's may be 0.
        """
        try:
            answer = self._codebuild.start_build(
                projectName=self.project,
                sourceTypeOverride="S3",
                sourceLocationOverride=f"{request.bucket}/{request.key}",
                environmentVariablesOverride=[{"name": TAG_VARIABLE, "value": request.tag, "type": "PLAINTEXT"}],
                idempotencyToken=request.tag[:64],
            )
        except self._codebuild.exceptions.ClientError as error:
            if error_code(error) != "AccountLimitExceededException":
                raise
            raise NoBuilds(
                f"CodeBuild started no build of the training image: {error.response['Error'].get('Message', '')}. "
                "A new account's quota of concurrent builds may be 0: ask for one in Service Quotas (AWS CodeBuild, "
                "Concurrently running builds for ARM/Small environment, or Linux/Small) and deploy again, or name an "
                "image by digest: pulumi config set headwater:trainingImage URI@sha256:..."
            ) from error
        return _build(answer["build"])

    def find_running(self, tag: str) -> Build | None:
        """The newest build of ``tag`` that hasn't ended, among the project's last ones."""
        ids = self._codebuild.list_builds_for_project(projectName=self.project, sortOrder="DESCENDING")["ids"][:20]
        if not ids:
            return None
        for raw in self._codebuild.batch_get_builds(ids=ids)["builds"]:
            variables = {entry["name"]: entry["value"] for entry in raw["environment"].get("environmentVariables", [])}
            if variables.get(TAG_VARIABLE) == tag and (build := _build(raw)).is_running:
                return build
        return None

    def read(self, build_id: str) -> Build:
        """The build as it is now."""
        return _build(self._codebuild.batch_get_builds(ids=[build_id])["builds"][0])


class Repository:
    """One ECR repository."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self._ecr = clients("ecr")

    def find(self, tag: str) -> str | None:
        """The digest of the image with that tag, such as ``sha256:…``; None if there is none."""
        try:
            answer = self._ecr.describe_images(repositoryName=self.name, imageIds=[{"imageTag": tag}])
        except self._ecr.exceptions.ClientError as error:
            if error_code(error) == "ImageNotFoundException":
                return None
            raise
        return str(answer["imageDetails"][0]["imageDigest"])


def _build(raw: dict[str, Any]) -> Build:
    reasons = [
        f"{phase['phaseType']}: {context['message']}"
        for phase in raw.get("phases", [])
        for context in phase.get("contexts", [])
        if context.get("message")
    ]
    logs = raw.get("logs", {})
    return Build(
        id=raw["id"],
        status=raw["buildStatus"],
        phase=raw.get("currentPhase", ""),
        reason="; ".join(reasons),
        logs=f"{logs.get('groupName', '')} {logs.get('streamName', '')}".strip(),
    )
