"""One winter for all: the demo, once, and the state of its cloud when it was over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from localcloud import daemon, snapshots
from tests.projects import ROOT, Project, Result
from tests.pulumi_cli import pulumi_cli

SLICE = ("--months", "4", "--every", "3")
"""Every third flight of the demo's own months, judged on April as the demo's is; fewer months fail the model's gate."""
WINTER = "winter"


@dataclass(frozen=True)
class Winter:
    """This very tree, deployed, with a model that learnt from January to April and from a correction of February."""

    project: Project
    told: Result
    """By the demo."""
    engine: str
    """The engine that deployed it, in the demo's words."""

    def again(self, project: Project) -> None:
        """Bring the cloud back to the end of the demo and start it, for a project that has the same home."""
        assert project.home == self.project.home
        snapshots.restore(project.home / "local", WINTER)
        daemon.up(project.home / "local", port=None)


@pytest.fixture(scope="package")
def winter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Winter]:
    """The demo without its July, in a home elsewhere: the cloud of whoever runs the tests is never touched."""
    project = Project(ROOT, tmp_path_factory.mktemp("winter") / "home")
    # Where there is a Pulumi CLI it deploys the first time, and Headwater's own engine goes on from there.
    engine, by = ("pulumi", "the Pulumi CLI 3.") if pulumi_cli() else ("embedded", "the embedded engine")
    try:
        with pytest.MonkeyPatch.context() as patch:
            # The CLI would upload the whole state before and after each of 400 resources: three times the work.
            patch.setenv("PULUMI_EXPERIMENTAL", "true")
            patch.setenv("PULUMI_SKIP_CHECKPOINTS", "true")
            told = project.run("demo", "--json", "--engine", engine, "--no-summer", *SLICE)
        assert told.code == 0, told.err
        snapshots.save(project.home / "local", WINTER)
        yield Winter(project, told, by)
    finally:
        project.run("local", "down", "--yes")
