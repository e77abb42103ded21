"""The state of a tree of code as one value, and the keys under which it is kept in the artifacts bucket."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from headwater.values import Stored, Value

STATES, DIFFS = "code/state/", "code/diffs/"
"""Beginnings of keys in the artifacts bucket."""
MOST_NAMES = 50
"""Names of files that a state lists of one kind; how many there were more is a note."""

Line = Annotated[str, StringConstraints(max_length=500)]


class Finding(Value):
    """A file whose diff holds what looks like a secret. The secret itself is never kept."""

    file: Line
    rule: str
    """Name of the rule, such as ``aws-access-key`` (`headwater.code.secrets.RULES`)."""

    def __str__(self) -> str:
        return f"{self.file} ({self.rule})"


class CodeState(Stored):
    """The state of a project's folder at one moment, as git tells it, without anything secret.

    The branch is no part of it: the same code has the same state, whether a laptop deploys it or a pipeline whose HEAD
    is detached. The history of updates knows the branch.
    """

    commit: str = ""
    """Empty if there is no repository, or none that can be read, or no commit yet; `reason` says which."""
    remote: Line = ""
    """Address of the repository that the branch is pulled from, without user, password and query."""
    path: Line = ""
    """The project's folder inside of the repository, such as ``ml/flights``; empty if it is the whole."""
    clean: bool | None = None
    """Whether the commit tells everything that was deployed; None if that isn't known."""
    tree: str = ""
    """git's id of the project's folder as it was, with changed and new files; of a clean one ``git rev-parse
    <commit>:<path>`` gives the same."""
    content: str = ""
    """sha256 of the deployed folders' files, by name and bytes, with or without git."""
    diff: str = ""
    """sha256 of the diff from the commit; empty if the tree is clean, or if the diff held a secret."""
    diff_bytes: Annotated[int, Field(ge=0)] = 0
    is_diff_kept: bool = False
    findings: tuple[Finding, ...] = ()
    """Secrets in the diff: with any it isn't kept."""
    left_out: tuple[Line, ...] = ()
    """Changed files that the diff doesn't show: binary ones, and repositories inside of the repository."""
    ignored: tuple[Line, ...] = ()
    """Files that were deployed although git ignores them: commit and tree don't hold them."""
    reason: Line = ""
    """Why commit, tree or diff are missing, in words; empty if nothing is."""
    notes: tuple[Line, ...] = ()
    """More that a reader should know, such as a submodule with changes of its own."""

    @property
    def document(self) -> bytes:
        """The state's JSON; the same bytes for the same state."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1).encode()

    @property
    def sha256(self) -> str:
        """The state's name."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def key(self) -> str:
        """The state's object in the artifacts bucket."""
        return f"{STATES}{self.sha256}.json"

    @property
    def diff_key(self) -> str:
        """The diff's object in the artifacts bucket, gzipped; empty if the diff isn't kept."""
        return f"{DIFFS}{self.diff}.patch.gz" if self.is_diff_kept else ""

    @property
    def name(self) -> str:
        """The repository's name as people say it, such as ``github.com/acme/flights``; empty without a remote."""
        _, scheme, rest = self.remote.rpartition("://")
        rest = (rest if scheme else rest.replace(":", "/", 1)).rpartition("@")[2]
        return rest.strip("/").removesuffix(".git")

    def __str__(self) -> str:
        if not self.commit:
            return f"no commit: {self.reason}"
        how = {True: "clean", False: "with changes", None: "not known whether clean"}[self.clean]
        return f"{self.commit[:12]}, {how}"


class Described(NamedTuple):
    """A state, and the diff to keep beside it."""

    state: CodeState
    diff: bytes
    """The patch; empty if none is to be kept."""


class Limits(Value):
    """How much is looked at. What is larger is said to be too large, and costs no deployment."""

    seconds: float = 60
    """For all calls of git together."""
    changed_files: int = 20_000
    """Files that changed or that git doesn't know yet."""
    changed_bytes: int = 256 * 2**20
    """Their sizes together."""
    diff_bytes: int = 4 * 2**20


def shortened(text: str, length: int = 500) -> str:
    """One line of at most ``length`` characters that can be written as UTF-8."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= length else f"{line[: length - 3]}..."
