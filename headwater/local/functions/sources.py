"""Event source mappings of SQS queues: poll, invoke, delete what was processed."""

from __future__ import annotations

from headwater.local.cloud import Cloud
from headwater.local.front import ApiCall


class EventSources:
    """One poller for each enabled mapping."""

    def __init__(self, cloud: Cloud, functions: object) -> None:
        self._cloud = cloud
        self._functions = functions

    def start(self) -> None:
        """Begin to poll."""

    def close(self) -> None:
        """Stop."""

    def answer(self, call: ApiCall) -> None:
        """See CreateEventSourceMapping and its kin before moto does."""
        del call
