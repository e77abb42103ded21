"""The image repository, and who builds what is in it: CodeBuild, called during the deployment."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

import headwater.handlers.images.build
from headwater.infra.bundles.build import VERIFICATION
from headwater.infra.bundles.packages import PRUNED
from headwater.infra.platform.component import Component
from headwater.infra.platform.config import Config
from headwater.infra.platform.grants import Grant, Role, Text, allow, merge, write_logs
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.policies import EXEMPTIONS, exempt
from headwater.locks import lock
from headwater.project import LIBRARY, project

CAPABILITY = "images"
REQUIREMENTS = "requirements.txt"
"""The container's lock, in the context."""
# The container trains and ingests; what runs on laptops stays out of it.
NOT_IN_CONTEXT = tuple(
    f"headwater/{name}/" for name in ("cli", "client", "code", "demo", "handlers", "infra", "locks", "templates")
)
CACHE = Path(".headwater/images")
BUILD_IMAGES: Mapping[str, tuple[str, str]] = {
    "arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
    "x86_64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
}
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
PUSH = (*PULL, "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")
KEPT_IMAGES = 50


@dataclass(frozen=True, kw_only=True)
class Context:
    """The context that an image is built from, as a zip."""

    path: Path
    sha256: str
    """Hash of the files' names and contents."""


class ImageRepository(Component):
    """The training image, by digest: built from `headwater/container/Dockerfile` once for each content of its context.

    The machine that deploys needs no Docker (docs/decisions/0010). With the setting ``trainingImage`` nothing is built.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        config = platform.config
        self.repository = aws.ecr.Repository(
            name,
            name=physical_name(name, "other"),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            force_delete=config.force_destroy,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        # An image that is gone is built again from its git commit; the last ones are kept for running tasks.
        aws.ecr.LifecyclePolicy(
            name,
            repository=self.repository.name,
            policy=json.dumps(_keep_last(KEPT_IMAGES)),
            opts=self._child,
        )
        exemptions = []
        if config.training_image:
            self.image = pulumi.Output.from_input(config.training_image)
        else:
            self.image = self._build(name, platform)
            exemptions = [
                exempt("CB3", "it builds a Docker image, and Docker within the build's container needs it"),
                exempt("CB4", "the build leaves no artifacts; its image is encrypted in the repository"),
            ]
        self.register_outputs({"image": self.image, EXEMPTIONS: exemptions})

    def pull(self) -> Grant:
        """To pull images."""
        return merge(allow(PULL, self.repository.arn), allow(["ecr:GetAuthorizationToken"], "*"))

    def _build(self, name: str, platform: Platform) -> pulumi.Output[str]:
        left_out = () if platform.config.verify else (f"{VERIFICATION}/",)
        context = pack_context(project(), without=left_out)
        uploaded = aws.s3.BucketObjectv2(
            "image-context",
            bucket=platform.artifacts.ready,
            key=f"images/{context.sha256}.zip",
            source=pulumi.FileAsset(str(context.path)),
            content_type="application/zip",
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        builds = self._project(platform, uploaded)
        builder = ["codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"]
        uses = [
            allow(
                ["ecr:DescribeImages"],
                self.repository.arn,
                settings={"repository_uri": self.repository.repository_url},
            ),
            allow(builder, builds.arn, settings={"build_project": builds.name}),
        ]
        # As long as Lambda lets it: the first build takes some five minutes.
        build = self._function("images-build", headwater.handlers.images.build, "control", memory_mib=256, uses=uses)
        tag = _tag(context, platform.config)
        answer = aws.lambda_.Invocation(
            name,
            function_name=build.name,
            input=pulumi.Output.json_dumps({"bucket": uploaded.bucket, "key": uploaded.key, "tag": tag}),
            triggers={"tag": tag},
            opts=self._child,
        )
        return answer.result.apply(_image)

    def _project(self, platform: Platform, context: aws.s3.BucketObjectv2) -> aws.codebuild.Project:
        name, config = "images", platform.config
        logs = aws.cloudwatch.LogGroup(
            "images-build-project",
            name=f"/aws/codebuild/{physical_name(name, 'other')}",
            retention_in_days=config.log_retention_days,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        role = Role(
            "images-build-project",
            service="codebuild.amazonaws.com",
            grants=[
                write_logs(logs),
                platform.artifacts.read("images/"),
                allow(PUSH, self.repository.arn),
                allow(["ecr:GetAuthorizationToken"], "*"),
            ],
            capability=CAPABILITY,
            opts=self._child,
        )
        kind, image = BUILD_IMAGES[config.architecture]
        uri = self.repository.repository_url
        variables: dict[str, Text] = {
            "REPOSITORY_URI": uri,
            "REGISTRY": uri.apply(lambda known: known.partition("/")[0]),
        }
        if config.training_base_image:
            variables["BASE_IMAGE"] = config.training_base_image
        return aws.codebuild.Project(
            name,
            name=physical_name(name, "other"),
            description="Builds the training container from its context in the artifacts bucket.",
            service_role=role.ready,
            source={
                "type": "S3",
                "location": pulumi.Output.concat(context.bucket, "/", context.key),
                "buildspec": BUILDSPEC,
            },
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": kind,
                "image": image,
                "compute_type": "BUILD_GENERAL1_SMALL",
                "privileged_mode": True,  # Docker within the build's container needs it.
                "environment_variables": [{"name": key, "value": value} for key, value in variables.items()],
            },
            logs_config={"cloudwatch_logs": {"status": "ENABLED", "group_name": logs.name}},
            build_timeout=30,
            queued_timeout=30,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )


# No bashisms: the local cloud follows it with stand-ins for `docker` and `aws`.
BUILDSPEC = """\
version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS --password-stdin "$REGISTRY"
  build:
    commands:
      - >-
        docker build --file headwater/container/Dockerfile --tag "$REPOSITORY_URI:$IMAGE_TAG"
        ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} .
      - docker push "$REPOSITORY_URI:$IMAGE_TAG"
"""


def pack_context(root: Path, *, without: tuple[str, ...] = ()) -> Context:
    """Zip what the Dockerfile copies, named by the hash of its contents; a context that was packed is left alone.

    Parameters
    ----------
    root : Path
        The project; its cache keeps the zip.
    without : tuple of str
        Beginnings of names to leave out.

    Raises
    ------
    LockConflict
        The project's lock for the training container contradicts the library's.
    """
    files = {**dict(_context_files(root, without)), REQUIREMENTS: lock("training", root).encode()}
    digest, cache_directory = hashlib.sha256(), root / CACHE
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    cache_directory.mkdir(parents=True, exist_ok=True)
    path = cache_directory / f"{digest.hexdigest()}.zip"
    if not path.is_file():
        # By a name of its own, for another process may be packing the same.
        written = path.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in sorted(files.items()):
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
        written.replace(path)
    return Context(path=path, sha256=digest.hexdigest())


def _context_files(root: Path, without: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for folder, source in ((LIBRARY.parent, "headwater"), (root, "pipelines")):
        for path in sorted((folder / source).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not PRUNED.search(name) and not name.startswith((*NOT_IN_CONTEXT, *without)):
                yield name, path.read_bytes()


def _tag(context: Context, config: Config) -> str:
    how = f"{BUILDSPEC}\0{config.architecture}\0{config.training_base_image}"
    return hashlib.sha256(f"{context.sha256}\0{how}".encode()).hexdigest()


def _image(answer: str) -> str:
    image = json.loads(answer).get("image", "")
    if "@sha256:" not in image:
        raise ValueError(f"the image build answered {answer}, without a digest")
    return str(image)


def _keep_last(count: int) -> dict[str, object]:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    rule = {"rulePriority": 1, "description": f"Keep {count}", "selection": selection, "action": {"type": "expire"}}
    return {"rules": [rule]}
