"""A Pulumi CLI, a cloud of its own, and small projects that are deployed on it."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from localcloud.engine.backend import BucketBackend
from localcloud.engine.bucket import BUCKET
from localcloud.provider import Aws
from localcloud.testing import cloud_beside

from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from localcloud import automation, engine
from tests.pulumi import language_host
from tests.pulumi_cli import needed_cli
from tests.unit.registry.cases import make_table

STACK = "local"


@pytest.fixture(scope="session")
def cli() -> automation.Cli:
    """The CLI; without one these tests are skipped."""
    return needed_cli()


@pytest.fixture(scope="module")
def cloud(cli: automation.Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables that lead to a cloud for these tests alone."""
    with cloud_beside(tmp_path_factory.mktemp("pulumi")) as cloud:
        yield cloud.environment()


@dataclass
class Small:
    """A small project, both engines, and what was seen of its last deployment."""

    root: Path
    name: str
    cli: automation.Cli
    environment: Mapping[str, str]
    events: list[engine.ResourceEvent] = field(default_factory=list)

    @property
    def aws(self) -> Aws:
        """The cloud, to look and to meddle."""
        return Aws(self.environment)

    def write(self, text: str) -> Small:
        """Replace the program."""
        (self.root / "infra" / "__main__.py").write_text(
            "import json, pulumi, pulumi_aws as aws\n" + textwrap.dedent(text)
        )
        return self

    def deploy(self, by: str = "pulumi", **more: Any) -> engine.Deployment:
        """Deploy with the CLI, or with the embedded engine."""
        self.events.clear()
        wanted = {"environment": self.environment, "on_event": self.events.append, **more}
        if by == "embedded":
            return engine.deploy(self.root, STACK, **wanted)
        return automation.deploy(self.root, STACK, cli=self.cli, folder=self.folder, **wanted)

    def destroy(self) -> engine.Deployment:
        """Destroy with the CLI."""
        return automation.destroy(self.root, STACK, cli=self.cli, folder=self.folder, environment=self.environment)

    @property
    def folder(self) -> Path:
        """Where the CLI's home and the plugin are."""
        return self.root / "cloud"

    def resources(self) -> tuple[engine.ResourceState, ...]:
        """What the state holds."""
        return engine.resources(self.root, STACK, environment=self.environment)

    def did(self) -> list[str]:
        """The steps that were done, in their order, such as ``create Queue jobs``."""
        return [
            f"{event.operation} {event.type.rpartition(':')[2]} {event.name}"
            for event in self.events
            if event.status == "done" and event.operation != "same" and event.type.startswith("aws:")
        ]

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a plain `pulumi` command as somebody does who has a full installation and `headwater local env`."""
        variables = {**self.environment, **automation.pulumi_variables(self.environment, self.folder)}
        host = language_host.install(self.root / "host")
        path = os.pathsep.join([variables["PATH"], str(host), str(self.cli.program.parent)])
        home = {"PULUMI_HOME": str(self.folder / "pulumi"), "PULUMI_SKIP_UPDATE_CHECK": "true", "PATH": path}
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--stack", STACK],
            cwd=self.root, env={**os.environ, **variables, **home}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def done(self, *arguments: str) -> str:
        """Run a plain command that must succeed; what it printed."""
        result = self.pulumi(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


@pytest.fixture
def small(
    cli: automation.Cli, cloud: Mapping[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Small]:
    """An empty project named after the test, and a bucket for its state; what is left is destroyed afterwards."""
    name = request.node.name[5:30].strip("_").replace("_", "-").replace("[", "-").replace("]", "")
    (tmp_path / "infra").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\nmain: infra\n")
    made = Small(tmp_path, name, cli, cloud)
    BucketBackend(made.aws, name, STACK).prepare()
    yield made
    if made.resources():
        engine.destroy(tmp_path, STACK, environment=cloud)


@contextmanager
def history_beside(small: Small) -> Iterator[UpdateHistory]:
    """A history of that cloud's state bucket, as a stack would have it."""
    registry, artifacts = f"{small.name}-registry", f"{small.name}-artifacts"
    s3 = small.aws.client("s3")
    s3.create_bucket(Bucket=artifacts)
    s3.put_bucket_versioning(Bucket=artifacts, VersioningConfiguration={"Status": "Enabled"})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.environment.items():
            patch.setenv(name, value)
        CLIENTS.forget()
        make_table(registry)
        yield UpdateHistory(
            StateBucket(BUCKET, CLIENTS), HistoryTable(Table(registry, CLIENTS)), GraphStore(artifacts, CLIENTS)
        )
    CLIENTS.forget()
