"""Errors of the lake."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused


class FileRefused(Refused):
    """A file breaks its contract beyond the limit, or can't be read as what it claims to be. None of its rows count."""


class NotAnUpload(InvalidRequest):
    """An event that doesn't say which version of which object was created."""


class SourceFailed(HeadwaterError):
    """A source's own SQL or contract fails on good rows: the product is wrong, not the file."""


class NotKept(Refused):
    """SQL yields values that a Parquet file can't hold exactly: they would be rounded, or lose their type."""


class NoData(NotFound):
    """A source's dataset holds no file yet."""


class LakeBusy(HeadwaterError):
    """S3 kept asking for a slower pace after all retries; nothing was changed, and the same call may be made again."""

    http_status = 503


class Superseded(Refused):
    """A later upload of the same file counts already."""


class OlderDefinition(Refused):
    """Files of an older definition of their source would be read, alone or beside newer ones."""


class ReingestBlocked(Refused):
    """Files can't be made again under the new definition; nothing was switched."""


class UnknownSource(NotFound):
    """No product declares the source."""
