"""Runs git: bounded in time and output, without a network, a prompt, or a write to the repository."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

OLDEST = (2, 13)
"""The first git with ``rev-parse --absolute-git-dir`` and pathspecs as they are used here."""
LONGEST_ANSWER = 64 * 2**20
_CHUNK = 2**16

# A hook of git, or a shell that a tool prepared, may point these at another repository or index.
_OF_ANOTHER = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIFF_OPTS", "GIT_DIR", "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS", "GIT_GRAFT_FILE", "GIT_ICASE_PATHSPECS", "GIT_INDEX_FILE", "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE", "GIT_NOGLOB_PATHSPECS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE", "GIT_TRACE", "GIT_WORK_TREE",
)  # fmt: skip
_OURS = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",  # the user's index isn't refreshed
    "GIT_TERMINAL_PROMPT": "0",
    # A partial clone would fetch what it lacks.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
# A file monitor is a program that a repository names; in a sparse checkout `add` would refuse what lies outside.
_CONFIG = (
    "core.fsmonitor=false", "core.quotePath=false", "core.safecrlf=false", "core.sparseCheckout=false",
    "core.compression=0", "core.looseCompression=0", "diff.noprefix=false", "diff.mnemonicPrefix=false",
)  # fmt: skip
_WORDS: Sequence[tuple[str, str]] = (
    (r"dubious ownership|unsafe repository", "git refuses a repository of another user: git config --global --add "
     "safe.directory <folder>"),
    (r"not a git repository: ", "the repository that this worktree or submodule belongs to is gone"),
    (r"not a git repository", "the folder is in no git repository"),
    (r"must be run in a work tree", "the folder is in a bare repository or in .git"),
    (r"ignored by one of your", "git ignores the folder"),
)  # fmt: skip


class GitFailed(Exception):
    """Git can't answer; the message says why, in words that a state may keep."""


class Git:
    """Git in one folder.

    Parameters
    ----------
    folder : Path
    seconds : float
        For all calls together.
    """

    def __init__(self, folder: Path, *, seconds: float = 60) -> None:
        self.folder = folder
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER} | _OURS

    def with_environment(self, more: Mapping[str, str]) -> Git:
        """The same git, within the same time, with more variables."""
        git = Git(self.folder, seconds=self._seconds)
        git._until, git._environment = self._until, {**self._environment, **more}
        return git

    def check_version(self) -> None:
        """Raise `GitFailed` if git is missing or too old."""
        told = self.line("version")
        found = re.search(r"(\d+)\.(\d+)", told)
        if found and (int(found[1]), int(found[2])) < OLDEST:
            raise GitFailed(f"{told} is too old: {'.'.join(map(str, OLDEST))} or a later one is needed")

    def line(self, *arguments: str) -> str:
        """The first line of the answer; raises `GitFailed`."""
        return self.run(*arguments).decode("utf-8", "surrogateescape").partition("\n")[0]

    def known(self, *arguments: str) -> str:
        """The first line of the answer; empty if git says that there is none."""
        try:
            return self.line(*arguments)
        except GitFailed:
            return ""

    def names(self, *arguments: str) -> list[str]:
        """The entries of an answer that NUL separates; raises `GitFailed`."""
        return self.run(*arguments).decode("utf-8", "surrogateescape").split("\0")[:-1]

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """The whole answer; raises `GitFailed`."""
        answer = b"".join(self.stream(*arguments, given=given))
        if len(answer) > LONGEST_ANSWER:
            raise GitFailed(f"git {arguments[0]} answers more than {LONGEST_ANSWER // 2**20} MiB")
        return answer

    def stream(self, *arguments: str, given: bytes = b"") -> Iterator[bytes]:
        """The answer in parts; raises `GitFailed`, at its end if git fails there."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._too_slow()
        options = [word for setting in _CONFIG for word in ("-c", setting)]
        command = ["git", "-C", str(self.folder), *options, *arguments]
        told: list[bytes] = []
        with self._started(command, given) as process:
            # A pipe that nobody empties would stop git.
            reader = threading.Thread(target=_collect, args=(process, told), daemon=True)
            timer = threading.Timer(left, _kill, (process,))
            reader.start()
            timer.start()
            assert process.stdout is not None  # noqa: S101 - a pipe
            try:
                while part := process.stdout.read(_CHUNK):
                    yield part
                code = process.wait()
            finally:
                timer.cancel()
                _kill(process)
                reader.join()
        if code and time.monotonic() >= self._until:
            raise self._too_slow()
        if code:
            raise GitFailed(_in_words(arguments[0], b"".join(told).decode("utf-8", "replace"), code))

    def _started(self, command: Sequence[str], given: bytes) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            try:
                # A session of its own: what git starts, such as a filter, can be ended with it.
                return subprocess.Popen(
                    command,
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=self._environment,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise GitFailed("git isn't installed here") from None
            except OSError as error:
                raise GitFailed(f"git can't be started: {error.strerror}") from None

    def _too_slow(self) -> GitFailed:
        return GitFailed(f"git took longer than {self._seconds:g} s")


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _collect(process: subprocess.Popen[bytes], told: list[bytes]) -> None:
    assert process.stderr is not None  # noqa: S101 - a pipe
    while part := process.stderr.read(_CHUNK):
        if len(told) < 4:
            told.append(part)


def _in_words(command: str, told: str, code: int) -> str:
    for pattern, words in _WORDS:
        if re.search(pattern, told):
            return words
    lines = [line for line in told.splitlines() if line.strip()]
    # Before it fails, git may warn.
    failed = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines
    return f"git {command} failed: {failed[0].partition(': ')[2] or failed[0] if failed else f'exit code {code}'}"


def without_credentials(url: str) -> str:
    """An address of a repository without its user, password, query and fragment; empty if it can't be told apart.

    The user of ``ssh://git@host/...`` and ``git@host:...`` is no secret and stays.
    """
    if any(character.isspace() for character in url) or url.startswith("ext::"):
        return ""
    helper, _, address = url.rpartition("::") if re.match(r"[a-z0-9-]+::", url) else ("", "", url)
    if "://" not in address:
        # host:path, as ssh takes it, or a path on this machine.
        user, at, rest = address.partition("@")
        return f"{user.partition(':')[0]}@{rest}" if at and ":" in user and "/" not in user else address
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    user, at, host = parts.netloc.rpartition("@")
    keeps_user = at and parts.scheme in ("ssh", "git+ssh", "ssh+git")
    netloc = f"{user.partition(':')[0]}@{host}" if keeps_user else host
    return f"{helper + '::' if helper else ''}{parts.scheme}://{netloc}{parts.path}"
