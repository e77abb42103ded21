"""Reads the diff from a commit to a tree, file by file, and decides what of it may be kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headwater.code.git import Git
from headwater.code.secrets import secrets_in
from headwater.code.types import Finding, shortened

_BEGINS = re.compile(rb"^diff --git ", re.MULTILINE)
_OPTIONS = (
    "--cached", "--patch", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


class Diff(NamedTuple):
    """A diff as far as it may be kept."""

    patch: bytes
    """Empty if it isn't to be kept."""
    sha256: str
    """The patch's hash; if it is too large, the hash of git's whole answer."""
    size: int
    findings: tuple[Finding, ...]
    left_out: tuple[str, ...]
    """Binary files: what is in them can't be searched."""
    is_too_large: bool


def read_diff(git: Git, commit: str, pathspec: Sequence[str], *, limit: int) -> Diff:
    """The diff from ``commit`` (from nothing if it is empty) to the index that ``git`` looks at.

    Raises
    ------
    GitFailed
        An object that the diff needs is missing, as in a partial clone, or git was too slow.
    """
    base = commit or git.line("hash-object", "-t", "tree", "--stdin")
    digest, size, parts = hashlib.sha256(), 0, []
    for part in git.stream("diff-index", *_OPTIONS, base, "--", *pathspec):
        digest.update(part)
        size += len(part)
        if size <= limit:
            parts.append(part)
    if size > limit:
        return Diff(b"", digest.hexdigest(), size, (), (), True)
    kept, findings, left_out = [], list[Finding](), []
    for name, section in _sections(b"".join(parts)):
        head, marker, body = section.partition(b"\n@@ ")
        is_binary = not marker and b"\nBinary files " in head
        text = re.sub(r"^[-+ \\]", "", body.decode("utf-8", "replace"), flags=re.MULTILINE)
        findings += secrets_in(name, text)
        if is_binary:
            left_out.append(shortened(name))
        else:
            kept.append(section)
    patch = b"" if findings else b"".join(kept)
    sha256 = hashlib.sha256(b"".join(kept)).hexdigest() if kept else ""
    return Diff(patch, sha256, sum(map(len, kept)), tuple(findings), tuple(left_out), False)


def _sections(diff: bytes) -> Iterator[tuple[str, bytes]]:
    """Each file's part; lines of contents begin with a mark, so none of them begins one."""
    starts = [found.start() for found in _BEGINS.finditer(diff)]
    for start, end in zip(starts, [*starts[1:], len(diff)], strict=True):
        section = diff[start:end]
        yield _name(section.partition(b"\n")[0].removeprefix(b"diff --git ")), section


def _name(both: bytes) -> str:
    """The name in ``a/name b/name``: nothing is renamed, so both halves are the same."""
    half = both[: len(both) // 2].decode("utf-8", "replace")
    return half.removeprefix('"').removesuffix('"').removeprefix("a/")
