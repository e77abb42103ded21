"""Every definition of a feature view that was ever declared, kept in the registry and readable for ever.

A definition is named by its content (`FeatureView.version`). Fields that its values depend on never change under a
name; description and owner are those of the last declaration.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from pydantic import AwareDatetime

from headwater.declare import FeatureView, Source
from headwater.features.errors import DefinitionChanged, UnknownView, UnknownViewVersion
from headwater.registry.errors import RegistryBusy
from headwater.storage.retries import tries
from headwater.storage.stamped import StampedTable
from headwater.storage.table import ABSENT, Scalar, WriteRefused
from headwater.values import Stored

NAMES = "VIEW#"
"""The ``pk`` of the list of views; a view's own items are under ``VIEW#<view>``."""
_TRIES = 8


class Definition(Stored):
    """A feature view as it was declared, with the sources that it reads."""

    version: str
    view: FeatureView
    sources: tuple[Source, ...] = ()
    """The sources that the view reads. Without them the view's rows can be read, but not computed."""
    at: AwareDatetime
    """When the definition was first stored; for the current definition, when it became current."""


class Definitions(StampedTable):
    """Definitions by view and version."""

    def remember(self, view: FeatureView, sources: Sequence[Source] = ()) -> Definition:
        """Store a definition as the current one of its view.

        Costs one read if the registry has it already. Of two concurrent deployments the later write counts, until the
        next materialisation.

        Parameters
        ----------
        view : FeatureView
        sources : sequence of Source
            Those that the view reads.

        Raises
        ------
        RegistryBusy
            Other writers kept coming first.
        """
        pk, key = f"VIEW#{view.name}", f"DEFINITION#{view.version}"
        made = Definition(version=view.version, view=view, sources=tuple(sources), at=self._now())
        for _ in tries(_TRIES, self._pause):
            known = self._store.get(NAMES, f"NAME#{view.name}")
            if known and (before := _definition(known)).view == view and before.sources == made.sources:
                return before
            writes = [self._store.put(_item(NAMES, f"NAME#{view.name}", made))]
            if self._store.get(pk, key) is None:
                writes.append(self._store.put(_item(pk, key, made), only_if=ABSENT))
            # Refused, another writer was first, or the answer to our write was lost: the stored item tells which.
            with suppress(WriteRefused):
                self._store.transact(writes)
                return made
        raise RegistryBusy(f"feature view {view.name!r}: its definition couldn't be kept, {_TRIES} times another "
                           "writer came first; run it again")  # fmt: skip

    def get(self, view: str, version: str) -> FeatureView:
        """The definition ``version`` of ``view``.

        Raises
        ------
        UnknownView, UnknownViewVersion
            It was never declared; the message lists what was.
        DefinitionChanged
            The definition's name would be another one now: the module of its transform changed, or Headwater did.
        """
        found = self.definition(view, version).view
        if found.version != version:
            raise DefinitionChanged(
                f"feature view {view!r}: the definition kept as {version} would be called {found.version} by now",
                next_steps=["use the code that declared it"],
            )
        return found

    def view(self, declared: FeatureView | None, name: str, version: str) -> FeatureView:
        """The definition ``version`` of the view ``name``: the current declaration if it has that version, else as
        `get`."""
        if declared is not None and declared.version == version:
            return declared
        return self.get(name, version)

    def definition(self, view: str, version: str) -> Definition:
        """The definition ``version`` of ``view`` with its sources, to be looked at; raises like `current`.

        Only `get` checks whether the definition can still be computed: a transform's code may have changed.
        """
        item = self._store.get(f"VIEW#{view}", f"DEFINITION#{version}")
        if item is None:
            there = ", ".join(entry.version for entry in self.versions(view))
            raise UnknownViewVersion(
                f"feature view {view!r} has no version {version!r}. Versions, oldest first: {there}"
            )
        return _definition(item)

    def current(self, view: str) -> Definition:
        """The definition that is declared now: as of the last materialisation; raises `UnknownView`."""
        item = self._store.get(NAMES, f"NAME#{view}")
        if item is None:
            raise unknown_view(view, [entry.view.name for entry in self.all()])
        return _definition(item)

    def versions(self, view: str) -> tuple[Definition, ...]:
        """Every definition of ``view``, in the order in which they were first seen; raises `UnknownView`."""
        found = sorted(
            map(_definition, self._store.query(f"VIEW#{view}", "DEFINITION#")),
            key=lambda entry: (entry.at, entry.version),
        )
        if not found:
            raise unknown_view(view, [entry.view.name for entry in self.all()])
        return tuple(found)

    def all(self) -> tuple[Definition, ...]:
        """The definitions that are declared now, by the view's name."""
        return tuple(_definition(item) for item in self._store.query(NAMES, "NAME#"))


def unknown_view(view: str, known: Sequence[str]) -> UnknownView:
    """The error for a view that isn't known, with names that are near."""
    near = get_close_matches(view, known, n=3)
    there = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known are: {', '.join(known) or 'none yet'}"
    return UnknownView(
        f"no feature view {view!r} was materialised here; {there}",
        next_steps=["headwater features list"] if known else ["headwater upload SOURCE FILE --wait"],
    )


def _item(pk: str, sk: str, definition: Definition) -> dict[str, Scalar]:
    return {"pk": pk, "sk": sk, "version": definition.version, "document": definition.model_dump_json()}


def _definition(item: dict[str, Any]) -> Definition:
    return Definition.model_validate_json(item["document"])
