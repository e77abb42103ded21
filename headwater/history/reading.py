"""Reads Pulumi's files about updates: the backend's history files, locks, and ``pulumi stack history --json``."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from headwater.history.errors import FileUnreadable
from headwater.history.graph import graph_of, latest_of, providers_of
from headwater.history.types import Checkpoint, UpdateRecord

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def read_json(body: bytes) -> Any:
    """The JSON in a file of the backend, gzipped or not; raises `FileUnreadable`.

    Told by its first bytes, as Pulumi does: a checkpoint is copied without regard to its suffix.
    """
    try:
        if body.startswith(_ZSTD):
            raise FileUnreadable(
                "compressed with zstd (PULUMI_DIY_BACKEND_ZSTD), which Headwater doesn't read; gzip is"
            )
        return json.loads(gzip.decompress(body) if body.startswith(_GZIP) else body)
    except (OSError, EOFError, ValueError) as error:
        raise FileUnreadable(f"not JSON: {error}") from error


def read_history(body: bytes, written: datetime) -> UpdateRecord:
    """The update of a history file. An unreadable file stands for an update that ended when it was ``written``."""
    try:
        file = read_json(body)
        config, secret = _settings(file.get("config") or {})
        started, ended = (datetime.fromtimestamp(file[name], UTC) for name in ("startTime", "endTime"))
        return _record(file, started, ended, config, secret)
    except (FileUnreadable, KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
        words = str(error) if isinstance(error, FileUnreadable) else f"{type(error).__name__} {error}"
        problem = f"the history file can't be read: {' '.join(words.split())[:200]}"
        return UpdateRecord(kind="unknown", result="unknown", started_at=written, ended_at=written, problem=problem)


def read_existed(body: bytes) -> tuple[Checkpoint, bytes]:
    """A checkpoint's record, and the graph to keep (empty if the checkpoint can't be read)."""
    try:
        checkpoint = read_json(body)
        graph = graph_of(checkpoint)
        name, packed = graph.pack()
        latest = latest_of(checkpoint)
        existed = Checkpoint(
            digest=graph.digest,
            graph=name,
            resources=len(graph.resources),
            pending=len(latest.get("pending_operations") or ()),
            providers=providers_of(checkpoint),
            engine=str((latest.get("manifest") or {}).get("version") or ""),
        )
    except FileUnreadable as error:
        return Checkpoint(problem=f"the checkpoint can't be read: {error.message[:200]}"), b""
    return existed, packed


def written_at(body: bytes) -> datetime | None:
    """When the engine made the checkpoint in ``body``; None if it doesn't say, as of a stack never deployed."""
    try:
        return _time(latest_of(read_json(body))["manifest"]["time"])
    except (FileUnreadable, KeyError, TypeError, ValueError):
        return None


def read_lock(body: bytes) -> tuple[str, datetime] | None:
    """The holder of the stack, ``user@host``, and since when; None if the file is no lock."""
    try:
        lock = json.loads(body)
        return f"{lock['username']}@{lock['hostname']}", _time(lock["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None


def read_export(text: str) -> list[UpdateRecord]:
    """The updates in the output of ``pulumi stack history --json``, oldest first; raises `FileUnreadable`."""
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise FileUnreadable(f"not JSON: {error}; expected the output of `pulumi stack history --json`") from error
    if not isinstance(listed, list):
        raise FileUnreadable("not a list of updates: expected the output of `pulumi stack history --json`")
    found = []
    for number, entry in enumerate(listed, start=1):
        try:
            if entry.get("result") == "in-progress":
                continue
            config, secret = _exported_settings(entry.get("config") or {})
            started = _time(entry["startTime"])
            ended = _time(entry["endTime"]) if entry.get("endTime") else started
            found.append(_record(entry, started, ended, config, secret))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FileUnreadable(f"update {number} of the list isn't one: {type(error).__name__} {error}") from error
    return sorted(found, key=lambda happened: (happened.ended_at, happened.version))


def _record(
    entry: Mapping[str, Any], started: datetime, ended: datetime, config: Mapping[str, Any], secret: tuple[str, ...]
) -> UpdateRecord:
    return UpdateRecord(
        kind=entry["kind"],
        result=entry["result"],
        started_at=started,
        ended_at=ended,
        message=entry.get("message") or "",
        environment=entry.get("environment") or {},
        config=config,
        secret_config=secret,
        changes=entry.get("resourceChanges") or {},
        version=entry.get("version") or 0,
    )


def _settings(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    secret = {key for key, value in config.items() if _has_secure(value)}
    return {key: value for key, value in config.items() if key not in secret}, tuple(sorted(secret))


def _has_secure(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "secure" in value or any(map(_has_secure, value.values()))
    return isinstance(value, list) and any(map(_has_secure, value))


def _exported_settings(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    # With --show-secrets the values are there in clear: what is marked secret is left out either way.
    secret = {key for key, value in config.items() if value.get("secret")}
    plain = {key: value.get("objectValue", value.get("value")) for key, value in config.items() if key not in secret}
    return plain, tuple(sorted(secret))


def _time(text: str) -> datetime:
    # Go writes nanoseconds, which Python 3.11 cuts to microseconds.
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
