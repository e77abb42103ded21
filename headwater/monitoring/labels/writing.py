"""Takes written labels in: checked, stored as a batch named by its content, and noted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headwater.clock import Clock, utc_now
from headwater.monitoring.labels.checking import checked
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.errors import InvalidLabels, LabelRefused, LabelsTooLarge
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.types import MOST_ITEMS, Label, LabelBatch, Verdict, Verdicts, packed


@dataclass(frozen=True)
class LabelWriter:
    """Takes labels in, at most `MOST_ITEMS` at once."""

    store: LabelStore
    definitions: Definitions
    now: Clock = utc_now

    def add(self, model: str, items: Sequence[Any]) -> Verdicts:
        """Take labels in; a call that is made twice changes nothing.

        Whether a label's prediction is known isn't asked here: the log may come later, and looking for it would cost
        more than everything else.

        Raises
        ------
        InvalidLabels, LabelsTooLarge
            ``items`` is no list of 1 to `MOST_ITEMS`.
        ModelNotRegistered, NoDefinition
        WriteRefused
            The write wasn't acknowledged; calling again is safe.
        """
        if not isinstance(items, list | tuple) or not items:
            raise InvalidLabels(f"labels: expected a list of 1 to {MOST_ITEMS} objects")
        if len(items) > MOST_ITEMS:
            raise LabelsTooLarge(
                f"labels: {len(items):,} are too many, expected 1 to {MOST_ITEMS}",
                next_steps=["headwater labels upload MODEL FILE"],
            )
        declared, now = self.definitions.current(model), self.now()
        verdicts: list[dict[str, Any]] = []
        taken: dict[Label, int] = {}
        for place, item in enumerate(items):
            try:
                label = checked(declared, item, now)
            except LabelRefused as error:
                told = {"field": error.field, "given": error.given, "expected": error.expected}
                verdicts.append({"verdict": Verdict.REFUSED.value, **told})
                continue
            verdicts.append({"verdict": (Verdict.KNOWN if label in taken else Verdict.TAKEN).value})
            taken.setdefault(label, place)
        if not taken:
            return Verdicts(verdicts, None)
        name, body = packed(taken)
        batch = LabelBatch(model=model, name=name, kind="json", labels=len(taken), received_at=now)
        new = self.store.known(model, name) is None
        if new:
            # The object comes first, so that the registry never names one that isn't there.
            self.store.put(batch, body)
            batch, new = self.store.note(batch)
        if not new:
            for place in taken.values():
                verdicts[place] = {"verdict": Verdict.KNOWN.value}
        return Verdicts(verdicts, name)
