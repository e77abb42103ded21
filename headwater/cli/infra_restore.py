"""Carrying out a restore: the commit in a worktree of its own, the settings of the time, a preview, then the update.

The user's checkout is never touched. What the preview would delete or replace is judged before anything is done.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from headwater.cli.output import is_terminal, note
from headwater.cli.progress import Stages
from headwater.errors import HeadwaterError, NotFound
from headwater.history.types import Resource

if TYPE_CHECKING:
    from headwater.client.stack import Stack
    from headwater.history.restore import RestorePlan

_CACHES = ("bundles", "images", "packages")
_LOSING = {"delete": "deleted", "replace": "replaced", "delete-replaced": "replaced", "create-replacement": "replaced"}
Judge = Callable[[list[Resource], str], list[str]]


class NoPulumi(NotFound):
    """There is no Pulumi CLI on PATH to deploy to AWS with."""


class PulumiFailed(HeadwaterError):
    """The Pulumi CLI ended with an error."""


def check_commit(plan: RestorePlan, project: Path) -> RestorePlan:
    """The plan with a reason against it if the update's commit isn't in the project's repository."""
    commit = plan.update.commit
    if not commit or _git(project, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0:
        return plan
    reason = f"commit {commit[:12]} isn't in the repository at {project}: git fetch"
    return plan.model_copy(update={"refusals": (*plan.refusals, reason)})


def commands(plan: RestorePlan, stack: str) -> list[str]:
    """The commands that restore by hand."""
    folder = f"../headwater-{plan.update.commit[:12]}"
    settings = [
        f"pulumi config set --stack {stack} {shlex.quote(key)} {shlex.quote(value)}"
        for key, value in sorted(plan.config.items())
    ]
    return [
        f"git worktree add --detach {folder} {plan.update.commit}",
        f"cd {folder}",
        *settings,
        f"pulumi preview --stack {stack} --diff",
        f"pulumi up --stack {stack} --message {shlex.quote(message_of(plan))}",
    ]


def message_of(plan: RestorePlan) -> str:
    """The message of the new update in the history."""
    return f"restore of update {plan.update.id[:12]}"


def perform(plan: RestorePlan, cloud: Stack, project: Path, *, yes: bool) -> dict[str, int]:
    """Bring the stack back; how many resources changed, by operation.

    Raises
    ------
    RestoreRefused
        The preview would delete or replace a resource with data. Nothing was changed.
    NoPulumi
        The stack is on AWS and there is no Pulumi CLI; the message tells what to type instead.
    """
    from headwater.client.description import LOCAL
    from headwater.project import home

    question = f"Bring stack {cloud.description.name!r} back to what update {plan.update.id[:12]} left?"

    def confirm() -> None:
        if not yes and is_terminal() and sys.stdin.isatty() and not typer.confirm(question, err=True):
            raise typer.Abort

    if cloud.description.name == LOCAL:
        from headwater.cli.local_stack import running

        environment = running(home()).environment()
        return restore_locally(plan, project, LOCAL, environment, cloud.infra.lost_data, confirm)
    cli = shutil.which("pulumi")
    if cli is None:
        raise NoPulumi("there is no pulumi on PATH: do it by hand", next_steps=commands(plan, cloud.description.name))
    return restore_by_cli(plan, project, cloud.description.name, cli, cloud.infra.lost_data, confirm)


def restore_locally(
    plan: RestorePlan,
    project: Path,
    stack: str,
    environment: Mapping[str, str],
    judge: Judge,
    confirm: Callable[[], None],
) -> dict[str, int]:
    """Preview and deploy with the embedded engine; parameters and errors as `perform`."""
    from localcloud.engine import deploy, preview

    stages = Stages()
    with checkout(project, plan.update.commit) as tree:
        steps: list[tuple[str, str]] = []
        with stages.stage("preview", "preview") as stage:
            seen = preview(tree, stack, environment=environment, config=plan.config,
                           on_event=lambda event: steps.append((event.operation, event.urn)))  # fmt: skip
            stage.update(_words(seen.changes))
        _refuse_losses(plan, steps, judge)
        confirm()
        with stages.stage("deploy", "Pulumi program") as stage:
            done = deploy(tree, stack, environment=environment, config=plan.config, message=message_of(plan))
            stage.update(_words(done.changes))
    return dict(done.changes)


def restore_by_cli(
    plan: RestorePlan, project: Path, stack: str, cli: str, judge: Judge, confirm: Callable[[], None]
) -> dict[str, int]:
    """Preview and deploy with the Pulumi CLI; parameters and errors as `perform`."""
    stages = Stages()
    with checkout(project, plan.update.commit) as tree:
        _write_settings(tree / f"Pulumi.{stack}.yaml", plan.config)
        common = ["--stack", stack, "--cwd", str(tree), "--non-interactive"]
        with stages.stage("preview", "pulumi preview") as stage:
            seen = json.loads(_run([cli, "preview", "--json", *common]))
            stage.update(_words(seen.get("changeSummary") or {}))
        _refuse_losses(plan, ((step["op"], step["urn"]) for step in seen.get("steps") or ()), judge)
        confirm()
        with stages.stage("deploy", "pulumi up"):
            _run([cli, "up", "--yes", "--skip-preview", "--message", message_of(plan), *common])
    return {str(kind): int(count) for kind, count in (seen.get("changeSummary") or {}).items()}


@contextmanager
def checkout(project: Path, commit: str) -> Iterator[Path]:
    """The project at ``commit`` in a worktree of its own, which is removed afterwards."""
    top = Path(_git(project, "rev-parse", "--show-toplevel", check=True).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="headwater-restore-") as folder:
        tree = Path(folder) / "tree"
        _git(top, "worktree", "add", "--detach", str(tree), commit, check=True)
        try:
            root = tree / project.resolve().relative_to(top.resolve())
            _share(project, root)
            yield root
        finally:
            _git(top, "worktree", "remove", "--force", str(tree))


def _share(project: Path, root: Path) -> None:
    """Let the worktree use what was built and installed beside the checkout: it is named by its contents."""
    (root / ".headwater").mkdir(exist_ok=True)
    for cache in _CACHES:
        if (project / ".headwater" / cache).is_dir() and not (root / ".headwater" / cache).exists():
            (root / ".headwater" / cache).symlink_to((project / ".headwater" / cache).resolve())
    if (project / ".venv").is_dir() and not (root / ".venv").exists():
        (root / ".venv").symlink_to((project / ".venv").resolve())


def _refuse_losses(plan: RestorePlan, steps: Iterable[tuple[str, str]], judge: Judge) -> None:
    known = {each.urn: each for each in plan.holders}
    reasons: list[str] = []
    for operation, urn in dict.fromkeys(steps):
        if how := _LOSING.get(operation):
            kind = urn.split("::")[2].split("$")[-1]
            resource = known.get(urn) or Resource(urn=urn, type=kind)
            reasons += judge([resource], how)
    if reasons:
        plan.model_copy(update={"refusals": tuple(dict.fromkeys(reasons))}).refuse()


def _write_settings(file: Path, config: Mapping[str, str]) -> None:
    """The settings of the time, beside what the stack's file says of how secrets are encrypted."""
    import yaml

    kept: dict[str, Any] = (yaml.safe_load(file.read_text()) or {}) if file.is_file() else {}
    file.write_text(yaml.safe_dump({**kept, "config": dict(config)}))


def _words(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in changes.items() if kind != "same") or "nothing to change"


def _run(command: Sequence[str]) -> str:
    note(f"running {shlex.join(command)}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise PulumiFailed(f"pulumi {command[1]} failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def _git(folder: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    # A person's hooks are for their own checkouts.
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HeadwaterError("there is no git on PATH, and the program of the time lies in it") from error
    if check and done.returncode:
        raise HeadwaterError(f"git {arguments[0]} failed: {' '.join(done.stderr.split())}")
    return done
