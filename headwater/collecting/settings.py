"""Settings of a project's own collectors: what the product declares, and what a stack has for itself instead."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from headwater.collecting.errors import BadSetting, CollectFailed, CollectorBusy
from headwater.collecting.store import CollectorStore
from headwater.collecting.types import LONGEST_SETTING, MOST_SETTINGS, CollectorSettings
from headwater.declare import Code
from headwater.storage.retries import tries

_TRIES = 12
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


def settings_of(reads: Code, store: CollectorStore) -> Mapping[str, str]:
    """The declared settings, with the stack's own values; raises `CollectFailed` for one that isn't declared."""
    kept = store.settings()
    own = kept.settings if kept else {}
    if unknown := sorted(own.keys() - reads.settings.keys()):
        declared = ", ".join(sorted(reads.settings)) or "none"
        raise CollectFailed(
            f"the stack sets {unknown[0]!r}, and the collector declares {declared}: headwater collect set --unset"
        )
    return {**reads.settings, **own}


def configure(
    store: CollectorStore,
    collector: str,
    changes: Mapping[str, str | None],
    *,
    declared: Collection[str] | None = None,
    by: str,
    now: datetime,
    pause: Callable[[float], None],
) -> CollectorSettings:
    """Give settings of a collector values of the stack's own; None gives the declared value back.

    Parameters
    ----------
    declared : collection of str, optional
        Names that the collector declares; by default nobody knows them, and a run says which one it lacks.

    Raises
    ------
    BadSetting
        A name or value can't be one, the collector declares no such name, or there are too many.
    CollectorBusy
    """
    for name, value in changes.items():
        if not _NAME.fullmatch(name):
            raise BadSetting(f"{name[:60]!r} is no name of a setting")
        if value is not None and declared is not None and name not in declared:
            names = f"it has {', '.join(sorted(declared))}" if declared else "it declares none"
            raise BadSetting(f"collector {collector!r} has no setting {name!r}: {names}")
        if value is not None and (not value.isprintable() or len(value) > LONGEST_SETTING):
            raise BadSetting(f"{name}: expected at most {LONGEST_SETTING:,} printable characters, got {len(value):,}")
    for _ in tries(_TRIES, pause):
        before = store.settings()
        merged = {**(before.settings if before else {}), **changes}
        given = {name: value for name, value in sorted(merged.items()) if value is not None}
        if len(given) > MOST_SETTINGS:
            raise BadSetting(f"{len(given)} settings: a stack may have {MOST_SETTINGS} of a collector for itself")
        settings = CollectorSettings(collector=collector, write=uuid.uuid4().hex, settings=given, by=by, at=now)
        there = None if store.set(settings, before) else store.settings()
        if there is None or there.write == settings.write:
            return settings
    raise CollectorBusy(f"collector {collector!r}: others kept writing its settings first")
