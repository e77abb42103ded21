"""Errors of data version control."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.errors import HeadwaterError, InvalidRequest, NotAllowed, NotFound, Refused


class InvalidName(InvalidRequest):
    """A dataset, branch or tag can't be called that."""


class InvalidRevision(InvalidRequest):
    """The text isn't a valid name of a commit."""


class DatasetNotFound(NotFound):
    """No such dataset has a commit."""


class RevisionNotFound(NotFound):
    """No branch, tag or commit goes by that name, or it didn't exist at that time."""


class AmbiguousRevision(InvalidRequest):
    """Several things go by that name."""


class PathNotFound(NotFound):
    """The commit has no such path."""


class VersionGone(NotFound):
    """A pinned S3 version doesn't exist any more."""


class Corrupt(HeadwaterError):
    """A stored object differs from its name, or a pinned version from the committed one."""


class NotReadable(NotAllowed):
    """S3 refused an object; nothing was changed."""


class BucketNotVersioned(Refused):
    """Its versions can't be pinned."""


class NotPinnable(Refused):
    """An object has no permanent version, or a version that gc may delete."""


class RefMoved(Refused):
    """The branch or tag points elsewhere by now; nothing was changed."""


class RefExists(Refused):
    """There is a branch or tag of that name already."""


class RefsBusy(HeadwaterError):
    """Too many writers at once, or DynamoDB is throttling; nothing was changed and trying again may help."""

    http_status = 503


class CommitCollected(Refused):
    """The commit was given to gc: nothing may point at it any more."""


class CommitTooSlow(HeadwaterError):
    """A commit took longer than half of gc's grace time, so gc may delete its first objects; commit again."""


class NothingToCommit(Refused):
    """The commit would have the same tree as its parent."""


class Conflicts(Refused):
    """Both sides changed the same paths.

    Attributes
    ----------
    paths : tuple of str
        Those paths, sorted.
    """

    def __init__(self, message: str, *, paths: Sequence[str], next_steps: Sequence[str] = ()) -> None:
        super().__init__(message, next_steps=next_steps)
        self.paths = tuple(paths)


class HookRefused(Refused):
    """A hook said no, or failed; nothing was changed."""


class UnsafePath(Refused):
    """A path of the dataset can't be a file below the folder."""


class LocalChanges(Refused):
    """A file in the folder differs from the last checkout's; the file is left as it is."""


class InvalidFolder(InvalidRequest):
    """The folder can't be uploaded or checked out to as it is."""
