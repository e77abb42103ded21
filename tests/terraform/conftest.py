"""Terraform and its AWS provider, where they are on this machine, and one life of the configuration with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from localcloud.testing import cloud_beside

from tests.infra.inventory import inventory
from tests.terraform.types import CONFIGURATION

PROVIDER = "registry.terraform.io/hashicorp/aws"
MIRRORS = (
    os.environ.get("HEADWATER_TERRAFORM_PLUGINS", ""),
    "/opt/tf-plugins",
    "~/.terraform.d/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
)


@dataclass
class Stage:
    """What Terraform said of one command."""

    code: int
    actions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By type: what was done, or is planned to be done."""
    errors: list[str] = field(default_factory=list)


@dataclass
class Life:
    """The configuration, made, planned again, changed, planned again and unmade."""

    made: Stage
    made_again: Stage
    changed: Stage
    changed_again: Stage
    unmade: Stage
    before: Mapping[str, list[str]]
    after: Mapping[str, list[str]]
    """What the cloud had, by its own lists."""


class Terraform:
    """The command, in a folder of its own."""

    def __init__(self, folder: Path, mirror: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        shutil.copytree(CONFIGURATION, folder, dirs_exist_ok=True)
        with zipfile.ZipFile(folder / "code.zip", "w") as archive:
            archive.writestr("handler.py", "def handler(event, context):\n    return event\n")
        settings = folder / "cli.tfrc"
        settings.write_text(
            f"disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n"
            f"    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
        )
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            **environment,
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_work": str(folder),
        }

    def run(self, command: str, *arguments: str, phase: str = "one") -> Stage:
        """Run a command that speaks JSON."""
        done = subprocess.run(
            ["terraform", command, "-json", "-input=false", "-parallelism=30", f"-var=phase={phase}", *arguments],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        stage = Stage(done.returncode)
        for line in done.stdout.splitlines():
            said = json.loads(line)
            match said["type"]:
                case "planned_change":
                    stage.actions[said["change"]["resource"]["resource_type"]].add(said["change"]["action"])
                case "diagnostic" if said["diagnostic"]["severity"] == "error":
                    told = said["diagnostic"]
                    stage.errors.append(f"{told.get('address', '')}: {told['summary']} {told.get('detail', '')}")
        return stage

    def initialise(self) -> None:
        """Find the provider; nothing is downloaded."""
        subprocess.run(
            ["terraform", "init", "-input=false"], cwd=self._folder, env=self._environment, check=True,
            capture_output=True,
        )  # fmt: skip


def provider_mirror() -> Path:
    """The folder that holds the provider; skips if the machine has none."""
    if shutil.which("terraform") is None:
        pytest.skip("needs the terraform command, which this machine doesn't have")
    for mirror in filter(None, MIRRORS):
        if (Path(mirror).expanduser() / PROVIDER).is_dir():
            return Path(mirror).expanduser()
    pytest.skip(f"needs Terraform's AWS provider in one of {', '.join(filter(None, MIRRORS))}")


@pytest.fixture(scope="package")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """One life, in which every test looks for its type: the provider waits in it for minutes, side by side."""
    mirror = provider_mirror()
    folder = tmp_path_factory.mktemp("terraform")
    with cloud_beside(folder / "cloud") as cloud:
        before = inventory(cloud.environment())
        terraform = Terraform(folder / "configuration", mirror, cloud.environment())
        terraform.initialise()
        return Life(
            made=terraform.run("apply", "-auto-approve"),
            made_again=terraform.run("plan", "-detailed-exitcode"),
            changed=terraform.run("apply", "-auto-approve", "-refresh=false", phase="two"),
            changed_again=terraform.run("plan", "-detailed-exitcode", phase="two"),
            unmade=terraform.run("destroy", "-auto-approve", "-refresh=false", phase="two"),
            before=before,
            after=inventory(cloud.environment()),
        )
