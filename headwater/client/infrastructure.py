"""The infrastructure's history: updates, the resources after each, differences, and the state at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property

from headwater.client.connection import Connection, Verbs
from headwater.errors import InvalidRequest
from headwater.history.errors import NoHistory, StateUnknown
from headwater.history.graph import Graph
from headwater.history.restore import RestorePlan, lost_data, plan
from headwater.history.service import Synced, UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, Holdings, StateBucket
from headwater.history.types import Difference, Resource, StackName, Standing, Update
from headwater.values import Value


class UpdateCard(Value):
    """An update with the resources after it and its changes."""

    update: Update
    resources: tuple[Resource, ...] = ()
    """The resources after the update; empty if they aren't known: `Update.problems` says why."""
    changes: Difference | None = None
    """The changes since the state before the update; None if that state isn't known."""


class Infrastructure(Verbs):
    """The verbs on the infrastructure's history; ``headwater.connect().infra``.

    An update is named by its id, by four or more of the id's first characters that no other id has, by ``latest`` or by
    ``latest~<n>``.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.name = StackName(project=self._description.project, stack=self._description.name)

    @cached_property
    def _history(self) -> UpdateHistory:
        # Made on first use: the clients cost a tenth of a second.
        stack, clients = self._description, self._connection.clients
        return UpdateHistory(
            StateBucket(stack.state_bucket, clients),
            HistoryTable(self._connection.table),
            GraphStore(stack.artifacts_bucket, clients),
        )

    def history(self, of: StackName | None = None) -> tuple[Update, ...]:
        """Every update of the stack, or of another stack with its state in the same bucket; the newest first."""
        return tuple(reversed(self._history.updates(of or self.name)))

    def stacks(self) -> tuple[StackName, ...]:
        """Every stack that the history knows of, removed ones included."""
        return tuple(self._history.stacks())

    def show(self, update: str = "latest", of: StackName | None = None) -> UpdateCard:
        """One update with the resources after it and its changes.

        Raises
        ------
        UpdateNotFound, AmbiguousUpdate
            No update, or more than one, has that name.

        """
        found = self._history.find(of or self.name, update)
        try:
            after = self._history.graph(found)
        except StateUnknown:
            return UpdateCard(update=found)
        return UpdateCard(
            update=found, resources=after.resources, changes=self._history.changes(of or self.name, found)
        )

    def diff(self, before: str, after: str = "latest", of: StackName | None = None) -> Difference:
        """The differences between the resources after two updates, property by property.

        Secrets are never decrypted: where both sides have one, the difference says that it isn't known.

        Raises
        ------
        UpdateNotFound, AmbiguousUpdate
            No update, or more than one, is called that.
        StateUnknown
            The checkpoint of one of them is missing or can't be read.
        """
        whose = of or self.name
        return self._history.diff(self._history.find(whose, before), self._history.find(whose, after))

    def at(self, time: datetime, of: StackName | None = None) -> Standing:
        """The infrastructure that existed at ``time`` (with its time zone).

        Raises
        ------
        NothingExistedYet
            No update had ended by then.
        StateUnknown
            The state after the last update isn't known.
        """
        if time.tzinfo is None:
            raise InvalidRequest(f"{time.isoformat()} has no time zone: write {time.isoformat()}Z for UTC")
        return self._history.at(of or self.name, time.astimezone(UTC))

    def sync(self, exported: str | None = None) -> Synced:
        """Rebuild the history from the state bucket, or add the updates of ``pulumi stack history --json``.

        Parameters
        ----------
        exported : str, optional
            That command's output, for users of another backend.

        Raises
        ------
        NoHistory
            The stack was deployed without a state bucket, and there is no output of that command either.
        StateBucketMissing, FileUnreadable
            There is no such bucket, or the text is something else.
        """
        if exported is not None:
            return self._history.import_history(self.name, exported)
        if not self._description.state_bucket:
            raise NoHistory(
                f"stack {self.name.stack!r} was deployed without the setting headwater:stateBucket",
                next_steps=[
                    "headwater bootstrap, and deploy again",
                    f"pulumi stack history --json -s {self.name.stack} | headwater infra sync --history -",
                ],
            )
        return self._history.sync()

    def restore_plan(self, update: str) -> RestorePlan:
        """The plan for bringing the stack back to its state after ``update``, with reasons against it; changes nothing.

        `headwater infra restore` carries it out.
        """
        target, current = self._history.find(self.name, update), self._history.find(self.name, "latest")
        return plan(target, self._known(current), self._known(target), Holdings(self._connection.clients).of)

    def _known(self, update: Update) -> Graph | None:
        try:
            return self._history.graph(update)
        except StateUnknown:
            return None

    def lost_data(self, resources: list[Resource], how: str) -> list[str]:
        """A reason against it for each resource that holds data and would be ``deleted`` or ``replaced``."""
        return lost_data(resources, how, Holdings(self._connection.clients).of)
