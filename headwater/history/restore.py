"""Bringing a stack back to what an update left: what it takes, and why it may be refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headwater.history.difference import difference
from headwater.history.errors import RestoreRefused
from headwater.history.graph import Graph
from headwater.history.types import Difference, Resource, Update
from headwater.values import Value

DATA_TYPES: Mapping[str, str] = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:s3/bucketV2:BucketV2": "bucket",
    "aws:dynamodb/table:Table": "table",
    "aws:sqs/queue:Queue": "queue",
    "aws:ecr/repository:Repository": "image repository",
    "aws:kms/key:Key": "key",
    "aws:rds/instance:Instance": "database",
    "aws:rds/cluster:Cluster": "database",
    "aws:efs/fileSystem:FileSystem": "file system",
    "aws:kinesis/stream:Stream": "stream",
    "aws:cognito/userPool:UserPool": "user pool",
}
"""Resources that hold what no program can make again, and what people call them."""

Holds = Callable[[str, str], bool]
"""Whether a resource, by its type and id, holds data."""


class RestorePlan(Value):
    """The plan that brings a stack back to its state after ``update``."""

    update: Update
    difference: Difference | None = None
    """From what exists now; None if one of the two isn't known."""
    config: Mapping[str, str] = {}
    """The settings of the time as Pulumi's command line takes them."""
    holders: tuple[Resource, ...] = ()
    """Resources that exist now and may hold data."""
    refusals: tuple[str, ...] = ()
    """Why it can't be done safely, one line each; empty if it can."""

    def refuse(self) -> None:
        """Raise `RestoreRefused` if there is a reason."""
        if self.refusals:
            raise RestoreRefused(
                "\n".join([f"update {self.update.id[:12]} can't be brought back:", *self.refusals]),
                next_steps=[f"headwater infra show {self.update.id[:12]}"],
            )


def plan(update: Update, current: Graph | None, target: Graph | None, holds: Holds) -> RestorePlan:
    """The plan for bringing ``update`` back, as far as the history knows the two states.

    Parameters
    ----------
    update : Update
        The target.
    current, target : Graph or None
        What exists now and what ``update`` left; None if it isn't known.
    holds : callable
        Whether a resource that would be deleted holds data.
    """
    refusals = [*_of_update(update)]
    change = None
    if current is not None and target is not None:
        change = difference(current, target, names=("", update.id))
        refusals += lost_data(change.removed, "deleted", holds)
    holders = [each for each in (current.resources if current else ()) if each.type in DATA_TYPES]
    config = {key: _text(value) for key, value in update.config.items()}
    return RestorePlan(
        update=update, difference=change, config=config, holders=tuple(holders), refusals=tuple(refusals)
    )


def lost_data(resources: Iterable[Resource], how: str, holds: Holds) -> list[str]:
    """A reason for each of ``resources`` that holds data and would be ``deleted`` or ``replaced``."""
    return [
        f"the {DATA_TYPES[each.type]} {each.id or each.name} would be {how} with the data in it"
        for each in resources
        if each.type in DATA_TYPES and not each.condemned and holds(each.type, each.id)
    ]


def _of_update(update: Update) -> Iterable[str]:
    if update.kind in {"destroy", "unknown"}:
        yield f"it is of kind {update.kind!r}: there is nothing to bring back"
    if not update.succeeded:
        yield f"its result is {update.result!r}: what it left isn't what the program says"
    if not update.commit:
        yield "no commit is known of it: the program of the time can't be found"
    elif update.dirty is not False:
        yield f"the tree differed from commit {update.commit[:12]} when it was deployed: that program is nowhere"
    if update.secret_config:
        names = ", ".join(update.secret_config)
        yield f"its configuration has secrets, which the history doesn't keep: {names}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
