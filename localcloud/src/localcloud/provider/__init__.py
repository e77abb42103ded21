"""The local AWS provider: Pulumi's AWS resource types as create, read, update, diff and delete over boto3.

One file a service. Two fronts stand on it: the embedded engine, and the provider plugin for the real Pulumi CLI.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.provider.aws import Aws
from localcloud.provider.resource import (
    DEFAULTS,
    REGISTRY,
    Call,
    CheckFailure,
    Diff,
    ProviderError,
    Resource,
    is_missing,
)
from localcloud.provider.values import UNKNOWN, Properties

__all__ = ["Aws", "CheckFailure", "Diff", "LocalProvider", "PartialFailure", "ProviderError", "State"]

_FAILURES = (ClientError, BotoCoreError, Boto3Error, ProviderError, OSError)
# Pulumi's module of a type -> our files, where they aren't one of the same name.
_FILES = {"ec2": ("ec2", "security_groups"), "lambda": ("lambda_", "lambda_events")}


@dataclass(frozen=True)
class State:
    """A resource as the cloud has it."""

    id: str
    inputs: Properties
    outputs: Properties


@dataclass
class PartialFailure(ProviderError):
    """A create or update that failed after the resource came to be; the next deployment goes on from ``state``."""

    reason: str
    state: State
    args: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.args = (self.reason,)


class LocalProvider:
    """Pulumi's AWS provider on the local cloud; the verbs of Pulumi's provider protocol over plain values.

    Parameters
    ----------
    environment : mapping of str to str
        AWS_* variables that lead to the cloud.
    config : mapping of str to str
        The provider's own settings, such as ``region`` and ``defaultTags`` (an object, or JSON of one).
    """

    def __init__(self, environment: Mapping[str, str], config: Mapping[str, Any] | None = None) -> None:
        config = config or {}
        default_tags = config.get("defaultTags") or {}
        if isinstance(default_tags, str):
            default_tags = json.loads(default_tags)
        if config.get("region"):
            environment = {**environment, "AWS_REGION": config["region"]}
        self.aws = Aws(environment, default_tags=default_tags.get("tags") or {})

    def check(
        self, token: str, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[CheckFailure]]:
        """The inputs with defaults and an automatic name, and what is wrong with them.

        Parameters
        ----------
        token : str
            The resource type, such as ``aws:sqs/queue:Queue``.
        name : str
            The resource's logical name.
        old, new : Properties
            Checked inputs of the resource as it is (empty if it isn't), and the program's inputs.
        seed : bytes
            Decides the automatic name's last seven characters.
        """
        return resource_type(token).check(self.aws, name, old, new, seed)

    def diff(self, token: str, old: Properties, new: Properties) -> Diff:
        """What differs between checked inputs, and what of it makes a new resource."""
        return resource_type(token).diff(old, new)

    def plan(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """The outputs as far as a preview can tell; ``outputs`` are those before an update, empty for a creation."""
        moving = dict.fromkeys(set(resource_type(token).recomputed) & set(outputs), UNKNOWN)
        return {**outputs, **moving, **without_marks(inputs)}

    def create(self, token: str, inputs: Properties) -> State:
        """Make the resource; raises `PartialFailure` if it came to be and something after that failed."""
        kind = resource_type(token)
        call = Call(self.aws, kind.service, inputs)
        try:
            call.id = kind.create(call)
            outputs = kind.outputs(call)
        except _FAILURES as error:
            if not call.id:
                raise ProviderError(_reason(error)) from error
            half = kind.stamped({**inputs, "id": call.id})
            raise PartialFailure(_reason(error), State(call.id, inputs, half)) from error
        if outputs is None:
            raise ProviderError(f"made {call.id!r}, but the cloud doesn't know it")
        return State(call.id, inputs, outputs)

    def stamped(self, token: str, outputs: Properties) -> Properties:
        """Outputs that an earlier version of this provider wrote, with the schema version that they lack."""
        return resource_type(token).stamped(outputs)

    def read(self, token: str, identity: str, inputs: Properties, outputs: Properties | None = None) -> State | None:
        """The resource as it is now, None if it is gone; without ``inputs`` (an import), with all that can be told."""
        kind = resource_type(token)
        call = Call(self.aws, kind.service, inputs, id=identity, outputs=outputs or {})
        try:
            found = kind.outputs(call)
        except (ClientError, BotoCoreError, Boto3Error) as error:
            raise ProviderError(_reason(error)) from error
        except KeyError as error:
            if inputs:
                raise
            raise ProviderError(f"{token} can't be imported: {identity!r} doesn't tell its {error.args[0]}") from error
        return None if found is None else State(identity, kind.observed_inputs(inputs, found), found)

    def update(self, token: str, identity: str, old: Properties, new: Properties, outputs: Properties) -> State:
        """Change the resource in place."""
        kind = resource_type(token)
        call = Call(self.aws, kind.service, new, id=identity, old=old, outputs=outputs)
        try:
            kind.update(call)
            found = kind.outputs(call)
        except _FAILURES as error:
            raise ProviderError(_reason(error)) from error
        if found is None:
            raise ProviderError(f"{identity!r} is gone: it was deleted behind Pulumi's back")
        return State(identity, new, found)

    def delete(self, token: str, identity: str, inputs: Properties, outputs: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        kind = resource_type(token)
        try:
            kind.delete(Call(self.aws, kind.service, inputs, id=identity, outputs=outputs))
        except ClientError as error:
            if not is_missing(error):
                raise ProviderError(_reason(error)) from error
        except (BotoCoreError, Boto3Error, OSError) as error:
            raise ProviderError(_reason(error)) from error

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Answer a data source, such as ``aws:index/getRegion:getRegion``."""
        from localcloud.provider.data import SOURCES

        source = SOURCES.get(token)
        if source is None:
            raise ProviderError(f"the local AWS provider has no {token}: add it in localcloud/provider/data.py")
        try:
            return source(self.aws, arguments)
        except (ClientError, BotoCoreError, Boto3Error) as error:
            raise ProviderError(_reason(error)) from error


def resource_type(token: str) -> Resource:
    """The type of that token; raises `ProviderError`, saying where it belongs, if there is none."""
    if token not in REGISTRY:
        module = token.split(":")[1].split("/")[0] if token.count(":") == 2 else "resource"
        files = _FILES.get(module, (module,))
        for file in files:
            try:
                importlib.import_module(f"localcloud.provider.{file}")
            except ModuleNotFoundError as error:
                if error.name != f"localcloud.provider.{file}":
                    raise
    if token not in REGISTRY:
        raise ProviderError(f"the local AWS provider has no {token}: add it in localcloud/provider/{files[0]}.py")
    return REGISTRY[token]


def without_marks(inputs: Properties) -> Properties:
    """Checked inputs without the provider's own notes."""
    return {name: value for name, value in inputs.items() if name != DEFAULTS}


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (500, 501):
            return f"the local cloud failed on {error.operation_name}: moto may not have it"
        return f"{detail.get('Code', 'Error')}: {detail.get('Message', '')} ({error.operation_name})"
    return " ".join(str(error).split()) or type(error).__name__
