"""Errors between a client and a stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused

if TYPE_CHECKING:
    from headwater.lake.types import Reingestion


class NoStack(NotFound):
    """No deployed stack has that name here, or none was named and no local cloud runs."""


class VersionMismatch(UserWarning):
    """The stack was deployed by another version of Headwater than this one."""


class NotDeclared(NotFound):
    """No product of the stack declares a model or source of that name."""


class Unreachable(HeadwaterError):
    """The stack's API or the local cloud doesn't answer."""


class BadUpload(InvalidRequest):
    """The file can't be uploaded as it is."""


class BadTarget(InvalidRequest):
    """The target can't be written, or a package that the call needs isn't installed."""


@contextmanager
def needed(work: str, extra: str = "data") -> Iterator[None]:
    """Name the extra to install where an import in the block fails; ``work`` says which packages do what.

    Raises
    ------
    BadTarget
        A package isn't installed here.
    """
    try:
        yield
    except ImportError as error:
        raise BadTarget(
            f"{work}, and a package isn't installed: {error}", next_steps=[f"pip install 'headwater[{extra}]'"]
        ) from error


class IngestionFailed(HeadwaterError):
    """The ingestion of an uploaded file failed for another reason than the file itself."""


class ReingestFailed(Refused):
    """Files of an older definition weren't made again; `done` has the reingestion's result so far."""

    def __init__(self, message: str, *, next_steps: Sequence[str], done: Reingestion | None) -> None:
        super().__init__(message, next_steps=next_steps)
        self.done = done


class UploadNotFound(NotFound):
    """No upload has that id or key."""


class AmbiguousUpload(InvalidRequest):
    """Several uploads begin with these letters."""


class RunEnded(Refused):
    """The run is over already: there is nothing to stop."""


class RunNotFound(NotFound):
    """The training machine has no run of that id."""


class RunFailed(HeadwaterError):
    """A training run failed; its cause is in the message."""


class TookTooLong(HeadwaterError):
    """The awaited event didn't happen in time; it may still happen."""


class ApiRefused(InvalidRequest):
    """The API answered with an error; `status`, `reason` and `problems` are its own."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        request_id: str,
        problems: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(
            message, next_steps=[f"headwater local logs shows what the function said ({request_id})"] * (status >= 500)
        )
        self.status = status
        self.problems = tuple(problems)
        self.request_id = request_id
        self._reason = reason
        # 404 is not found, 403 not allowed, 429 is a plain failure; every other status
        # is the request's below 500 and the platform's from there.
        self.exit_code = {403: 4, 404: 3, 429: 1}.get(status, 2 if status < 500 else 1)  # type: ignore[misc]

    @property
    def reason(self) -> str:
        """The API's own name of the error."""
        return self._reason


class PredictionRefused(ApiRefused):
    """The API answered a prediction request with an error."""


class EventRefused(ApiRefused):
    """The API didn't take an OpenLineage event."""


class RowsRefused(InvalidRequest):
    """Streamed rows weren't taken; `refused` has an entry for each, of which the message shows twenty."""

    exit_code = 1

    def __init__(self, message: str, refused: Sequence[object]) -> None:
        more = [f"and {len(refused) - 20:,} more"] * (len(refused) > 20)
        super().__init__("\n".join([f"{message}:", *map(str, refused[:20]), *more]))
        self.refused = tuple(refused)


class MaterialisationFailed(HeadwaterError):
    """The materialisation function failed; the message has the function's error."""


class BadFrame(InvalidRequest):
    """The given value is no table, or lacks a column."""
