"""The plugin behind its protocol, in this process, on the shared cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from localcloud.cloud import Cloud
from localcloud.plugin.server import serving
from localcloud.provider.values import Properties, from_struct, to_struct
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

BUCKET = "aws:s3/bucket:Bucket"
QUEUE = "aws:sqs/queue:Queue"


@dataclass(frozen=True)
class Engine:
    """What an engine asks of a provider, in plain values."""

    stub: Any

    def check(
        self, kind: str, name: str, new: Properties, old: Properties | None = None
    ) -> tuple[Properties, list[str]]:
        """Checked inputs and failures."""
        answer = self.stub.Check(
            provider_pb2.CheckRequest(
                urn=urn(kind, name), type=kind, name=name, olds=to_struct(old or {}), news=to_struct(new),
                randomSeed=b"seed",
            )
        )  # fmt: skip
        return from_struct(answer.inputs), [failure.reason for failure in answer.failures]

    def diff(self, kind: str, old: Properties, new: Properties) -> Any:
        """The answer as it is."""
        return self.stub.Diff(
            provider_pb2.DiffRequest(urn=urn(kind, "x"), type=kind, old_inputs=to_struct(old), news=to_struct(new))
        )

    def create(self, kind: str, inputs: Properties, *, preview: bool = False) -> tuple[str, Properties]:
        """Id and outputs."""
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=urn(kind, "x"), type=kind, properties=to_struct(inputs), preview=preview)
        )
        return answer.id, from_struct(answer.properties)

    def update(
        self, kind: str, identity: str, old: Properties, new: Properties, outputs: Properties, *, preview: bool = False
    ) -> Properties:
        """Outputs."""
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=identity, urn=urn(kind, "x"), type=kind, olds=to_struct(outputs), old_inputs=to_struct(old),
                news=to_struct(new), preview=preview,
            )
        )  # fmt: skip
        return from_struct(answer.properties)

    def read(self, kind: str, identity: str, inputs: Properties | None = None) -> tuple[str, Properties, Properties]:
        """Id, inputs, outputs."""
        answer = self.stub.Read(
            provider_pb2.ReadRequest(id=identity, urn=urn(kind, "x"), type=kind, inputs=to_struct(inputs or {}))
        )
        return answer.id, from_struct(answer.inputs), from_struct(answer.properties)

    def delete(self, kind: str, identity: str, inputs: Properties) -> None:
        """Nothing comes back."""
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=identity, urn=urn(kind, "x"), type=kind, old_inputs=to_struct(inputs), properties=to_struct(inputs)
            )
        )


def urn(kind: str, name: str) -> str:
    """A resource's URN."""
    return f"urn:pulumi:local::tests::{kind}::{name}"


@contextmanager
def engine_of(environment: dict[str, str]) -> Iterator[Engine]:
    """A provider process's other end."""
    with serving(environment) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(provider_pb2_grpc.ResourceProviderStub(channel))


@pytest.fixture
def engine(cloud: Cloud) -> Iterator[Engine]:
    """An engine whose provider is configured with one default tag."""
    with engine_of(cloud.environment()) as made:
        made.stub.Configure(
            provider_pb2.ConfigureRequest(args=to_struct({"defaultTags": '{"tags": {"Project": "tests"}}'}))
        )
        yield made
