"""Describes a folder of code: its commit, whether that tells everything, its hashes, and the diff if it doesn't.

Nothing here fails: whatever git can't say is missing from the state, with the reason. The repository isn't written to;
the tree's hash is made with a copy of the index, and new objects go to a folder that is deleted afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from headwater.code.contents import IS_COMPILED, hash_files
from headwater.code.diffs import Diff, read_diff
from headwater.code.git import Git, GitFailed, without_credentials
from headwater.code.secrets import secrets_in
from headwater.code.types import MOST_NAMES, CodeState, Described, Limits, shortened

DEPLOYED = ("pipelines", "functions", "infra", "requirements", "alarms.py", "Pulumi.yaml")
"""The folders and files of a project that a deployment reads."""
OF_HEADWATER = (".headwater", ".venv")
"""Made beside the project, and by a restore as a link: left out, whether git ignores them or not."""


class Head(NamedTuple):
    """The commit that a folder stands on."""

    commit: str = ""
    branch: str = ""
    """Empty if HEAD is detached."""
    remote: str = ""
    reason: str = ""
    """Why there is no commit."""


class Start(NamedTuple):
    """The state of a folder from which something is started."""

    commit: str = ""
    clean: bool | None = None


@dataclass(frozen=True)
class _Folder:
    """A folder in a repository, with what git calls run on: a copy of its index, and a place for new objects."""

    git: Git
    head: Head
    path: str
    """Inside of the repository; as the system spells it."""
    pathspec: tuple[str, ...]
    """The folder without what a deployment writes."""
    limits: Limits


class _Tree(NamedTuple):
    tree: str
    base: str
    """The commit's tree of the same folder; empty if it has none."""
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def head_of(folder: Path, *, seconds: float = 5) -> Head:
    """The commit, branch and remote of the repository that ``folder`` is in; quick, and without looking at files."""
    git = Git(folder, seconds=seconds)
    try:
        git.check_version()
        if git.line("rev-parse", "--is-inside-work-tree") != "true":
            return Head(reason="the folder is in a bare repository or in .git")
        return _head(git)
    except (GitFailed, OSError) as error:
        return Head(reason=shortened(str(error)))


def start_of(folder: Path, *, seconds: float = 5) -> Start:
    """The commit of ``folder``, and whether nothing in it differs from that; None where git can't say so in time."""
    head = head_of(folder, seconds=seconds)
    if not head.commit:
        return Start()
    try:
        return Start(head.commit, not Git(folder, seconds=seconds).run("status", "--porcelain", "--", *_pathspec(())))
    except (GitFailed, OSError):
        return Start(head.commit)


def describe(
    folder: Path,
    *,
    deployed: Sequence[str] = DEPLOYED,
    without: Sequence[str] = (),
    limits: Limits | None = None,
) -> Described:
    """The state of a project's folder, and the diff to keep beside it.

    Parameters
    ----------
    folder : Path
        The project, a repository or any folder of one.
    deployed : sequence of str
        What a deployment reads of it, to be hashed with or without git.
    without : sequence of str
        Folders that programs write to while they run, besides `OF_HEADWATER`.
    limits : Limits, optional
        How much is looked at.
    """
    limits = limits or Limits()
    content, problem = hash_files(folder, deployed, limits)
    known = CodeState(content=content, notes=(problem,) if problem else ())
    git = Git(folder, seconds=limits.seconds)
    head = head_of(folder, seconds=limits.seconds)
    if not head.commit and not _has_work_tree(git):
        return Described(known.model_copy(update={"reason": head.reason}), b"")
    known = known.model_copy(update={"commit": head.commit, "remote": head.remote})
    try:
        with TemporaryDirectory(prefix="headwater-code-") as scratch:
            looked = _look_at(git, head, Path(scratch), without, limits)
            return _describe(known.model_copy(update={"path": shortened(looked.path)}), looked, deployed)
    except (GitFailed, OSError) as error:
        reason = shortened("; ".join(filter(None, (head.reason, str(error)))))
        return Described(known.model_copy(update={"reason": reason}), b"")


def _has_work_tree(git: Git) -> bool:
    try:
        git.check_version()
        return git.line("rev-parse", "--is-inside-work-tree") == "true"
    except (GitFailed, OSError):
        return False


def _head(git: Git) -> Head:
    branch = git.known("symbolic-ref", "--quiet", "--short", "HEAD")
    commit = git.known("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return Head(commit, branch, _remote(git, branch), "" if commit else "the repository has no commit yet")


def _remote(git: Git, branch: str) -> str:
    """The address that the branch is pulled from, else that of ``origin``, else of the only remote."""
    remotes = git.known("config", "--get", f"branch.{branch}.remote"), "origin"
    # As it is configured: `git remote get-url` would put in what url.<base>.insteadOf says, which may hold a token.
    found = next(filter(None, (git.known("config", "--get", f"remote.{name}.url") for name in remotes if name)), "")
    if not found:
        try:
            names = git.run("remote").decode("utf-8", "replace").split()
        except GitFailed:
            names = []
        found = git.known("config", "--get", f"remote.{names[0]}.url") if len(names) == 1 else ""
    address = without_credentials(found)
    return "" if any(secrets_in("remote", address)) else shortened(address)


def _pathspec(without: Sequence[str]) -> tuple[str, ...]:
    names = (*OF_HEADWATER, *without)
    # What Python compiled while the program runs is nobody's change.
    return (".", *(f":(exclude,literal){name}" for name in names), ":(exclude,glob)**/__pycache__/**")


def _look_at(git: Git, head: Head, scratch: Path, without: Sequence[str], limits: Limits) -> _Folder:
    prefix = git.line("rev-parse", "--show-prefix").rstrip("/")
    index = Path(git.folder, git.line("rev-parse", "--git-path", "index"))
    objects = Path(git.folder, git.line("rev-parse", "--git-path", "objects")).absolute()
    (scratch / "objects").mkdir()
    if index.exists():
        # With its time: git trusts an entry by the index's time, and one that changed since must not look older.
        shutil.copy2(index, scratch / "index")
    places = {
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(str(objects)),
    }
    return _Folder(git.with_environment(places), head, prefix, _pathspec(without), limits)


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"' if ":" in path or path.startswith('"') else path


def _describe(known: CodeState, folder: _Folder, deployed: Sequence[str]) -> Described:
    made = _tree_of(folder)
    ignored = _ignored(folder, deployed)
    clean = made.tree == made.base and not (ignored or made.left_out or made.notes)
    known = known.model_copy(
        update={
            "tree": made.tree,
            "clean": clean if folder.head.commit else False,
            "ignored": _listed(ignored),
            "notes": (*known.notes, *map(shortened, made.notes)),
            "reason": folder.head.reason,
        }
    )
    if made.tree == made.base:
        return Described(known.model_copy(update={"left_out": _listed(made.left_out)}), b"")
    try:
        diff = read_diff(folder.git, folder.head.commit, folder.pathspec, limit=folder.limits.diff_bytes)
    except GitFailed as error:
        reason = shortened(f"the diff isn't kept: {error}")
        return Described(known.model_copy(update={"left_out": _listed(made.left_out), "reason": reason}), b"")
    return _with_diff(known, diff, made.left_out)


def _with_diff(known: CodeState, diff: Diff, left_out: Sequence[str]) -> Described:
    reason = known.reason
    if diff.findings:
        reason = f"the diff isn't kept: it holds what looks like a secret in {', '.join(map(str, diff.findings[:3]))}"
    elif diff.is_too_large:
        reason = f"the diff isn't kept: it is too large, {diff.size:,} bytes"
    elif not diff.patch:
        reason = "there is no diff to keep: nothing but binary files changed"
    state = known.model_copy(
        update={
            "diff": "" if diff.findings else diff.sha256,
            "diff_bytes": diff.size,
            "is_diff_kept": bool(diff.patch),
            "findings": diff.findings[:MOST_NAMES],
            "left_out": _listed(sorted({*left_out, *diff.left_out})),
            "reason": shortened(reason),
        }
    )
    return Described(state, diff.patch)


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    more = (f"and {len(names) - MOST_NAMES:,} more",) if len(names) > MOST_NAMES else ()
    return (*map(shortened, names[:MOST_NAMES]), *more)


def _tree_of(folder: _Folder) -> _Tree:
    """git's id of the folder as it is; raises `GitFailed`."""
    git, spec = folder.git, folder.pathspec
    _show_hidden(folder)
    # Only the copy is refreshed. A file that needs its conflict resolved makes it answer 1, and is looked at below.
    git.known("update-index", "-q", "--refresh")
    new = git.names("ls-files", "-z", "--others", "--exclude-standard", "--", *spec)
    # A repository inside of the repository, which isn't its submodule.
    nested = [name for name in new if name.endswith("/")]
    told = git.names("diff-files", "-z", "--name-status", "--relative", "--", *spec)
    changed = dict(zip(told[1::2], told[::2], strict=True))
    # Deleted, or behind what is now a link, or a folder.
    gone = {name for name, status in changed.items() if status == "D" or not os.path.lexists(git.folder / name)}
    names = {*new, *changed} - {*nested} - gone
    _check_size(folder, names)
    git.run("update-index", "--force-remove", "-z", "--stdin", given=_given(gone))
    # Not `add`, which fails where a pathspec leaves out what git ignores anyway.
    git.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", given=_given(names))
    whole = git.line("write-tree", "--missing-ok")
    tree = git.known("rev-parse", "--verify", "--quiet", f"{whole}:{folder.path}" if folder.path else whole)
    if not tree:
        raise GitFailed("git knows no file of the folder: it ignores them, or there are none")
    commit = folder.head.commit
    base = git.known("rev-parse", "--verify", "--quiet", f"{commit}:{folder.path}") if commit else ""
    return _Tree(tree, base, tuple(nested), tuple(_changed_submodules(folder)))


def _show_hidden(folder: _Folder) -> None:
    """Let git look at files that it was told not to look at (assume-unchanged, skip-worktree), where they are there."""
    git = folder.git
    hidden = [entry for entry in git.names("ls-files", "-z", "-v") if entry[0].islower() or entry[0] == "S"]
    there = [entry[2:] for entry in hidden if os.path.lexists(git.folder / entry[2:])]
    if there:
        for option in ("--no-assume-unchanged", "--no-skip-worktree"):
            git.run("update-index", option, "-z", "--stdin", given=_given(there))


def _given(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\0" for name in names).encode("utf-8", "surrogateescape")


def _check_size(folder: _Folder, names: set[str]) -> None:
    limits, largest = folder.limits, ("", 0)
    if len(names) > limits.changed_files:
        raise GitFailed(
            f"{len(names):,} files changed or are new, the tree's hash is made of at most {limits.changed_files:,}; "
            "add what isn't code to .gitignore"
        )
    total = 0
    for name in names:
        try:
            size = os.lstat(folder.git.folder / name).st_size
        except OSError:
            continue
        total, largest = total + size, max(largest, (name, size), key=lambda entry: entry[1])
    if total > limits.changed_bytes:
        raise GitFailed(
            f"changed and new files have {total:,} bytes, the tree's hash is made of at most {limits.changed_bytes:,}; "
            f"add what isn't code to .gitignore, such as {largest[0]}"
        )


def _changed_submodules(folder: _Folder) -> list[str]:
    """A note for each submodule with changes that its commit doesn't tell; the tree holds that commit alone."""
    try:
        entries = folder.git.names(
            "status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=none",
            "--", *folder.pathspec,
        )  # fmt: skip
    except GitFailed as error:
        return [f"whether submodules changed isn't known: {error}"]
    found = []
    for entry in entries:
        words = entry.split(" ", 8)
        if words[0] == "1" and words[2].startswith("S") and words[2][2:] != "..":
            found.append(f"the submodule {words[8]} has changes of its own, which the tree's hash doesn't tell")
    return found


def _ignored(folder: _Folder, deployed: Sequence[str]) -> list[str]:
    there = [f":(literal){name}" for name in deployed if (folder.git.folder / name).exists()]
    if not there:
        return []
    names = folder.git.names("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", *there)
    return [name for name in names if not IS_COMPILED.search(name)]
