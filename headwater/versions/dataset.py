"""The verbs of one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headwater.versions import folders, revisions, tables, verifying
from headwater.versions.errors import DatasetNotFound, PathNotFound, RefExists, RefMoved, RevisionNotFound
from headwater.versions.hooks import Event, Hook, Hooks
from headwater.versions.merging import Strategy
from headwater.versions.refs import Ref, Refs
from headwater.versions.staging import Found, Progress, differences
from headwater.versions.tree import Edit
from headwater.versions.types import MAIN, Change, Commit, Entry, Kind, RefMove, Root, check_ref, staging_area
from headwater.versions.writing import Committed, Shared, Writer, no_progress

if TYPE_CHECKING:
    import duckdb
    import pandas
    import pyarrow


class Logged(NamedTuple):
    """A commit with its id."""

    id: str
    commit: Commit


class Listing(NamedTuple):
    """A file, or a folder with what is below it."""

    path: str
    """Ends with ``/`` if it is a folder."""
    size: int
    files: int
    entry: Entry | None


class Dataset:
    """One dataset: branches and tags that point at commits, each a tree of paths pinned to S3 versions.

    Made by `Versions.dataset`. A *revision* is a branch, a tag, a commit's first digits, ``main~2`` or
    ``main@{2026-11-01}``.

    Parameters
    ----------
    name : str
    shared : Shared
        What all datasets of a lake have in common.
    hooks : mapping, optional
        Rules of this caller, beside those that the registry holds for everyone.
    """

    def __init__(self, name: str, shared: Shared, hooks: Mapping[Event, Sequence[Hook]] | None = None) -> None:
        self.name = name
        self._shared = shared
        self._objects, self._trees, self._history = shared.objects, shared.trees, shared.history
        self._refs = Refs(shared.table, name, now=shared.now, pause=shared.pause)
        self.hooks = Hooks(shared.table, name, shared.functions)
        self._writer = Writer(name, shared, self._refs, self.hooks, hooks or {})

    # -- looking ------------------------------------------------------------------------------------------------

    def resolve(self, revision: str = MAIN) -> str:
        """The id of the commit that ``revision`` names.

        Raises
        ------
        InvalidRevision, RevisionNotFound, AmbiguousRevision
        DatasetNotFound
            The dataset has no commit at all.
        """
        try:
            return revisions.resolve(revision, self._refs, self._history)
        except RevisionNotFound:
            if not self._refs.all():
                raise DatasetNotFound(
                    f"dataset {self.name!r} has no commit",
                    next_steps=[f"headwater data upload {self.name} FOLDER -m MESSAGE", "headwater data list"],
                ) from None
            raise

    def commit_of(self, revision: str = MAIN) -> Logged:
        """The commit that ``revision`` names."""
        name = self.resolve(revision)
        return Logged(name, self._history.get(name))

    def tree(self, revision: str = MAIN) -> Root:
        """The root of a commit's tree."""
        return self._trees.root(self.commit_of(revision).commit.root)

    def files(self, revision: str = MAIN, prefix: str = "") -> Iterator[Entry]:
        """The commit's entries whose path starts with ``prefix``, sorted by path, each with its pinned version."""
        return self._trees.entries(self.tree(revision), prefix)

    def ls(self, revision: str = MAIN, path: str = "") -> Iterator[Listing]:
        """The entries directly below a folder, or the one file of that path.

        Raises
        ------
        PathNotFound
        """
        root = self.tree(revision)
        folder = path if not path or path.endswith("/") else f"{path}/"
        if path and path != folder and (entry := self._trees.find(root, path)) is not None:
            yield Listing(path, entry.size, 1, entry)
            return
        current: Listing | None = None
        for entry in self._trees.entries(root, folder):
            name, slash, _ = entry.path[len(folder) :].partition("/")
            shown = f"{folder}{name}{slash}"
            if current is not None and current.path == shown:
                current = current._replace(size=current.size + entry.size, files=current.files + 1)
                continue
            if current is not None:
                yield current
            current = Listing(shown, entry.size, 1, None if slash else entry)
        if current is not None:
            yield current
        elif path:
            raise PathNotFound(f"{revision!r} of dataset {self.name!r} has nothing at {path!r}")

    def read(self, path: str, revision: str = MAIN) -> bytes:
        """The bytes that a path has in a commit."""
        return b"".join(self._objects.stream(self._entry(path, revision)))

    def find(self, path: str, revision: str = MAIN) -> Entry | None:
        """The entry that a path has in a commit; None if the commit lacks it."""
        return self._trees.find(self.tree(revision), path)

    def _entry(self, path: str, revision: str) -> Entry:
        entry = self.find(path, revision)
        if entry is None:
            raise PathNotFound(f"{revision!r} of dataset {self.name!r} has no path {path!r}")
        return entry

    def log(self, revision: str = MAIN) -> Iterator[Logged]:
        """The commits that ``revision`` stands on, newest first: a commit always comes before its parents."""
        return (Logged(*found) for found in self._history.walk(self.resolve(revision)))

    def moves(self, name: str = MAIN, kind: Kind = "branch") -> tuple[RefMove, ...]:
        """Every move of a branch or tag, oldest first: who pointed it where, when and why."""
        return self._refs.log(kind, name)

    def diff(self, before: str, after: str = MAIN) -> Iterator[Change]:
        """The differences between two commits, sorted by path. Ranges that both share aren't read."""
        return self._trees.diff(self.tree(before), self.tree(after))

    def changes(self, revision: str = MAIN) -> Iterator[Change]:
        """The changes of a commit since its first parent."""
        commit = self.commit_of(revision).commit
        before = self._history.get(commit.parents[0]).root if commit.parents else None
        return self._trees.diff(self._trees.root(before), self._trees.root(commit.root))

    def blame(self, path: str, revision: str = MAIN) -> Logged:
        """The commit that gave a path its present version."""
        return Logged(*self._history.blame(self.resolve(revision), path))

    def status(self, branch: str = MAIN, progress: Progress = no_progress) -> Iterator[Found]:
        """Staged changes of a branch that aren't committed yet: path and newest version, None if deleted."""
        place, known = self.staging_area(branch), self._staged(branch)
        return differences(self._objects, self._trees, place, known, progress)

    def staging_area(self, branch: str = MAIN) -> str:
        """Where files are staged for a branch: ``<bucket>/<prefix>``."""
        return staging_area(self._objects.bucket, self.name, check_ref("branch", branch))

    def _staged(self, branch: str) -> Root:
        head = self._refs.get("branch", branch)
        return self._trees.root(head.staged if head else None)

    # -- committing ---------------------------------------------------------------------------------------------

    def commit(
        self,
        message: str,
        *,
        branch: str = MAIN,
        edits: Iterable[Edit] | None = None,
        meta: Mapping[str, str] | None = None,
        author: str = "",
        allow_empty: bool = False,
        write_id: str | None = None,
        progress: Progress = no_progress,
    ) -> Committed:
        """Commit ``edits``; without any, the changes in the branch's place since its last commit.

        Parameters
        ----------
        message : str
        branch : str
            A branch, or ``main``, which the first commit makes.
        edits : iterable of (path, Entry or None), optional
            Each path's new entry, None to remove the path. Versions under ``data/`` come from `stage` or `pin` alone.
        meta : mapping, optional
            Texts that are kept with the commit, such as where the data came from.
        author : str
        allow_empty : bool
            Make a commit even if the tree doesn't change.
        write_id : str, optional
            Identifies the commit: calls with the same id make one commit.
        progress : callable

        Raises
        ------
        NothingToCommit, HookRefused
        Conflicts
            The branch moved meanwhile and now has other versions of the edited paths.
        """
        given: dict[str, Any] = {
            "message": message, "meta": meta or {}, "author": author, "allow_empty": allow_empty, "write_id": write_id
        }  # fmt: skip
        if edits is None:
            return self._writer.commit_place(branch, progress=progress, **given)
        return self._writer.commit_edits(branch, edits, **given)

    def stage(self, path: str, file: Path, *, branch: str = MAIN) -> Entry:
        """Upload a file to the branch's place; the next `commit` of the branch takes it."""
        return folders.stage(self._objects, self.staging_area(branch), path, file)

    def pin(self, uri: str, path: str, version_id: str) -> Entry:
        """The entry of an object that lies elsewhere, for ``edits``.

        Parameters
        ----------
        uri : str
            ``s3://bucket/prefix`` to which the path is appended.
        path, version_id : str
        """
        return self._writer.pin(uri, path, version_id)

    def upload(
        self,
        folder: Path,
        message: str,
        *,
        branch: str = MAIN,
        delete: bool = False,
        meta: Mapping[str, str] | None = None,
        author: str = "",
        progress: Progress = no_progress,
    ) -> Committed:
        """Commit a folder's files; those whose bytes the branch already has aren't sent.

        Parameters
        ----------
        folder : Path
        delete : bool
            Whether paths that the folder lacks are taken out of the tree.

        Raises
        ------
        InvalidFolder, NothingToCommit, HookRefused, Conflicts
        """
        head = self._refs.get("branch", branch)
        known = self._trees.root(self._history.get(head.commit).root if head else None)
        sent = folders.upload(
            self._objects, self._trees.entries(known), self.staging_area(branch), folder, delete, progress
        )
        return self._writer.commit_edits(
            branch, sent.edits, staged=sent.staged, message=message, meta=meta or {}, author=author, start=head
        )

    def import_prefix(
        self,
        uri: str,
        message: str,
        *,
        branch: str = MAIN,
        meta: Mapping[str, str] | None = None,
        author: str = "",
        progress: Progress = no_progress,
    ) -> Committed:
        """Commit the objects under ``s3://bucket/prefix`` without copying them; a repeated call commits the changes.

        Parameters
        ----------
        uri : str
            Of a bucket with versions. The prefix is a folder's: ``s3://b/day`` doesn't hold ``s3://b/day2/x``.
        """
        return self._writer.commit_import(
            branch, uri, progress=progress, message=message, meta=meta or {}, author=author
        )

    # -- branches and tags --------------------------------------------------------------------------------------

    def refs(self) -> tuple[Ref, ...]:
        """Every branch, then every tag, by name."""
        return self._refs.all()

    def create_branch(self, name: str, at: str = MAIN, *, by: str = "") -> RefMove:
        """Make a branch that points at a commit; raises `RefExists` if there is one of that name."""
        return self._create("branch", name, at, by)

    def tag(self, name: str, at: str = MAIN, *, by: str = "", why: str = "") -> RefMove:
        """Give a commit a name that stays; raises `RefExists` if something else has that name."""
        return self._create("tag", name, at, by, why)

    def _create(self, kind: Kind, name: str, at: str, by: str, why: str = "created") -> RefMove:
        to = self.resolve(at)
        try:
            return self._refs.move(kind, check_ref(kind, name), expected=None, to=to, by=by, why=why)
        except RefMoved as error:
            raise RefExists(f"dataset {self.name!r} has a {kind} {name!r} already") from error

    def delete_ref(self, name: str, kind: Kind = "branch", *, by: str = "") -> RefMove:
        """Take a branch or tag away. Its commits stay until gc, its log for ever.

        Raises
        ------
        RevisionNotFound, RefMoved
        """
        ref = self._refs.get(kind, name)
        if ref is None:
            raise RevisionNotFound(f"dataset {self.name!r} has no {kind} {name!r}")
        return self._refs.move(kind, name, expected=ref.commit, to=None, by=by, why="deleted")

    def merge(
        self, source: str, *, into: str = MAIN, strategy: Strategy | None = None, message: str = "", author: str = ""
    ) -> Committed:
        """Bring the changes of ``source`` since the common base into the branch ``into``.

        Raises
        ------
        Conflicts
            Both changed the same paths; ``paths`` names them. A strategy decides: ``ours`` is ``into``.
        HookRefused, NothingToCommit
        """
        return self._writer.merge(into, source, self.resolve(source), strategy, message=message, author=author)

    def revert(self, revision: str, *, branch: str = MAIN, message: str = "", author: str = "") -> Committed:
        """Undo the changes of one commit, in a new commit.

        Raises
        ------
        Conflicts
            Later commits changed the same paths.
        RevisionNotFound
            The branch doesn't stand on that commit.
        """
        return self._writer.revert(branch, self.resolve(revision), message=message, author=author)

    def reset(self, to: str, *, branch: str = MAIN, by: str = "", why: str = "reset") -> RefMove:
        """Point a branch at another commit. The earlier commit stays until gc, and in the log."""
        return self._writer.reset(branch, self.resolve(to), by=by, why=why)

    # -- bytes --------------------------------------------------------------------------------------------------

    def checkout(
        self, folder: Path, revision: str = MAIN, *, force: bool = False, progress: Progress = no_progress
    ) -> folders.CheckedOut:
        """Make a folder hold a commit's files. Only differing files are fetched, and every byte is checked.

        Raises
        ------
        UnsafePath
            A path can't be a file below the folder; nothing was written.
        LocalChanges
            Files were changed since the last checkout; ``force`` overwrites them.
        VersionGone, NotReadable, Corrupt
        """
        found = self.commit_of(revision)
        entries = self._trees.entries(self._trees.root(found.commit.root))
        return folders.checkout(self._objects, self.name, found.id, entries, folder, force, progress)

    def verify(
        self, revision: str = MAIN, *, read_bytes: bool = False, progress: Progress = no_progress
    ) -> Iterator[verifying.Problem]:
        """Every pinned version that is gone, changed or not readable.

        Parameters
        ----------
        read_bytes : bool
            Read every object, and don't rely on the checksums that S3 keeps.
        """
        return verifying.verify(self._objects, self.files(revision), read_bytes, progress)

    # -- tables -------------------------------------------------------------------------------------------------

    def to_duckdb(
        self, connection: duckdb.DuckDBPyConnection, table: str, folder: Path, revision: str = MAIN, prefix: str = ""
    ) -> None:
        """Make ``table`` from the commit's Parquet, CSV or JSON-lines files, fetched to ``folder``."""
        tables.to_duckdb(self._objects, self.files(revision, prefix), connection, table, folder)

    def to_arrow(self, revision: str = MAIN, prefix: str = "") -> pyarrow.Table:
        """The rows of the commit's files."""
        return tables.to_arrow(self._objects, self.files(revision, prefix))

    def to_pandas(self, revision: str = MAIN, prefix: str = "") -> pandas.DataFrame:
        """The rows of the commit's files."""
        return tables.to_pandas(self._objects, self.files(revision, prefix))
