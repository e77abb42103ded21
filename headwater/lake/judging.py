"""Decides whether a commit of a source may be read: files of different definitions are never read together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from headwater.declare import Catalog
from headwater.lake.definitions import definition_if_known
from headwater.lake.errors import OlderDefinition
from headwater.lake.store import IngestionLog
from headwater.lake.types import digest_in
from headwater.versions.types import Entry


class Judging:
    """Finds the definition of a source's curated files, and refuses files of another definition.

    Parameters
    ----------
    catalog : Catalog
    ingestion_log : IngestionLog
    deployed : bool
        Whether the catalog has the deployed sources. If not (the sources come from a model's own definition, or from a
        laptop), files are compared with each other alone.
    """

    def __init__(self, catalog: Catalog, ingestion_log: IngestionLog, *, deployed: bool) -> None:
        self._catalog, self._ingestion_log, self._deployed = catalog, ingestion_log, deployed
        self._wanted: dict[str, str | None] = {}
        self._good: set[tuple[str, str, bool]] = set()

    def check(self, source: str, commit: str, entries: Iterable[Entry], *, past: bool = False) -> None:
        """Refuse a commit whose files have several definitions, or another definition than the declared one.

        Parameters
        ----------
        source, commit : str
        entries : iterable of Entry
            The commit's files.
        past : bool
            Whether the commit was requested by name: then its files may have an older definition, but only one.

        Raises
        ------
        OlderDefinition
        """
        # A commit never changes, and the declarations don't change while this process runs.
        if (source, commit, past) in self._good:
            return
        files = self.count(source, entries)
        wanted = None if past else self.wanted(source)
        if len(files) > 1 or (wanted is not None and files.keys() - {wanted}):
            newest = wanted or max(files, key=files.__getitem__)
            older = sum(count for digest, count in files.items() if digest != newest)
            beside = f" beside {files[newest]:,} of definition {newest}" if files[newest] else ""
            command = f"headwater source reingest {source} --wait"
            raise OlderDefinition(
                f"source {source!r}: its definition changed, and {older:,} of its files were made under an older one"
                # In the message as well: Step Functions passes on nothing else of a function's error.
                f"{beside}. They aren't read until they are made again from landing: {command}",
                next_steps=[command, f"headwater source show {source}"],
            )
        self._good.add((source, commit, past))

    def count(self, source: str, entries: Iterable[Entry]) -> Counter[str]:
        """Files by the digest of their definition, without files that a person committed.

        Files from before definitions were recorded get the first recorded definition, since an upgrade of Headwater is
        no change of a source. If none was recorded they get the empty definition, which matches every other one.
        """
        found = Counter(digest for entry in entries if (digest := digest_in(source, entry.key)) is not None)
        if unrecorded := found.pop("", 0):
            first = self._ingestion_log.first_definition(source)
            digest = first or self.wanted(source) or (next(iter(found)) if len(found) == 1 else "")
            found[digest] += unrecorded
        return found

    def wanted(self, source: str) -> str | None:
        """The digest of the declared definition; None if this process doesn't have the deployed sources."""
        if source not in self._wanted:
            known = definition_if_known(self._catalog.source(source)) if self._deployed else None
            self._wanted[source] = known.digest if known else None
        return self._wanted[source]
