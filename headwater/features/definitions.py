"""Every definition of a feature view that was ever declared, kept in the registry: old ones stay readable for ever.

A definition is named by its content (`FeatureView.version`). What its values depend on never changes under that name;
its words (description, owner) are those of the last declaration.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from pydantic import AwareDatetime

from headwater.features.errors import DefinitionChanged, UnknownView, UnknownViewVersion
from headwater.model import FeatureView, Source
from headwater.registry.errors import RegistryBusy
from headwater.registry.store import RegistryStore, Scalar, WriteRefused
from headwater.values import Value

NAMES = "VIEW#"
"""The ``pk`` of the list of views; a view's own items are under ``VIEW#<view>``."""
_ABSENT = "attribute_not_exists(pk)"
_TRIES = 8


class Definition(Value):
    """A feature view as it was declared, with the sources that it reads."""

    version: str
    view: FeatureView
    sources: tuple[Source, ...] = ()
    """Without them its rows can be read, but not computed."""
    at: AwareDatetime
    """When it was first seen; of the one that is declared now, when that was."""


class Definitions:
    """Definitions by view and version.

    Parameters
    ----------
    store : RegistryStore
        The registry table.
    now : callable
        The time, UTC.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        store: RegistryStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._now = now
        self._pause = pause

    def remember(self, view: FeatureView, sources: Sequence[Source] = ()) -> Definition:
        """Keep a definition, and that it is the one that is declared now.

        Costs one read if that is known. Of two deployments that run at once the last word counts, until the next
        materialisation.

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
        for attempt in range(_TRIES):
            known = self._store.get(NAMES, f"NAME#{view.name}")
            if known and (before := _definition(known)).view == view and before.sources == made.sources:
                return before
            writes = [self._store.put(_item(NAMES, f"NAME#{view.name}", made))]
            if self._store.get(pk, key) is None:
                writes.append(self._store.put(_item(pk, key, made), only_if=_ABSENT))
            try:
                self._store.transact(writes)
            except WriteRefused:
                # Another one was first, or our answer was lost: what is there by then says which.
                self._pause(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311
            else:
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
            It would be called otherwise by now: the module of its transform was changed, or Headwater.
        """
        found = self.definition(view, version).view
        if found.version != version:
            raise DefinitionChanged(
                f"feature view {view!r}: the definition kept as {version} would be called {found.version} by now",
                next_steps=["use the code that declared it"],
            )
        return found

    def view(self, declared: FeatureView | None, name: str, version: str) -> FeatureView:
        """The definition ``version`` of the view ``name``: the one that is declared, or else as `get`."""
        if declared is not None and declared.version == version:
            return declared
        return self.get(name, version)

    def definition(self, view: str, version: str) -> Definition:
        """The definition ``version`` of ``view`` with its sources, to be looked at; raises like `current`.

        Whether it can still be computed (a transform's code may have changed), only `get` says.
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
