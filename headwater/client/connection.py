"""A connection to one stack: its description, the AWS clients that lead there, and its API."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from headwater.client.api import Api
from headwater.client.description import Description
from headwater.graph import Places
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.storage.clients import Clients
from headwater.storage.table import Table

if TYPE_CHECKING:
    from headwater.monitoring.log.reading import Reader


class Connection:
    """A connection to a stack, shared by all groups of its verbs. What it holds is made when it is first asked for."""

    def __init__(self, description: Description, clients: Clients) -> None:
        self.description, self.clients = description, clients

    @cached_property
    def api(self) -> Api:
        """The stack's HTTP API."""
        return Api(self.description.api_url, self.clients, self.description.region)

    @cached_property
    def table(self) -> Table:
        """The registry table, which holds the records of everything."""
        return Table(self.description.registry_table, self.clients)

    @cached_property
    def places(self) -> Places:
        """Where the stack keeps its facts."""
        stack = self.description
        return Places(
            registry_table=stack.registry_table,
            lake_bucket=stack.lake_bucket,
            artifacts_bucket=stack.artifacts_bucket,
            clients=self.clients,
            predictions_bucket=stack.predictions_bucket,
            project=stack.project,
            stack=stack.name,
            account=stack.training_arn.split(":")[4],
            region=stack.region,
        )

    @cached_property
    def registry(self) -> Registry:
        """The model registry."""
        return Registry(self.table)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The files of models."""
        return ArtifactStore(self.description.artifacts_bucket, self.clients)

    @cached_property
    def predictions(self) -> Reader:
        """The logged predictions; `ImportError` where DuckDB or pandas isn't installed."""
        from headwater.monitoring.log.reading import Reader
        from headwater.monitoring.log.store import CompactionStore

        return Reader(CompactionStore(self.description.predictions_bucket, self.table, self.clients))


class Verbs:
    """A group of verbs on one stack: what they stand on."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._description = connection, connection.description
