"""A connection to one stack: its description, the AWS clients that lead there, and its API."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property

from headwater.client.api import Api
from headwater.client.description import Description
from headwater.storage.clients import Clients, using


class Connection:
    """A connection to a stack, shared by all groups of its verbs."""

    def __init__(self, description: Description, clients: Clients) -> None:
        self.description, self.clients = description, clients

    @cached_property
    def api(self) -> Api:
        """The stack's HTTP API."""
        return Api(self.description.api_url, self.clients, self.description.region)

    def using(self) -> AbstractContextManager[None]:
        """Let `headwater.aws.client` answer with this stack's clients inside the block, in this thread."""
        return using(self.clients)
