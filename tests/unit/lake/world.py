"""Buckets and tables as a stack has them, on moto; used by the tests of lake, features, training and their handlers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandera.pandas as pa
import pytest
from localcloud.moto_patches import corrected

from headwater.declare import Catalog, FeatureView, Product, Source, catalog
from headwater.features.online.encoding import unpack
from headwater.features.online.reading import attribute_of
from headwater.lake.service import Lake
from headwater.lake.types import Upload
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.values import Pointer
from tests.mocking import mocked

LAKE, ARTIFACTS, REGISTRY, FEATURES = "lake", "artifacts", "registry", "features"
MATERIALISATION = "arn:aws:states:eu-central-1:123456789012:stateMachine:materialisation"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "POWERTOOLS_TRACE_DISABLED": "1",
    "POWERTOOLS_METRICS_NAMESPACE": "Headwater",
    "HEADWATER_CODE_VERSION": "abc",
    "HEADWATER_LAKE_BUCKET": LAKE,
    "HEADWATER_ARTIFACTS_BUCKET": ARTIFACTS,
    "HEADWATER_REGISTRY_TABLE": REGISTRY,
    "HEADWATER_FEATURES_TABLE": FEATURES,
    "HEADWATER_MATERIALISATION_ARN": MATERIALISATION,
    "HEADWATER_DISTRIBUTE_ABOVE": "1000",
    "HEADWATER_SHARD_ENTITIES": "2",
}

READINGS = pa.DataFrameSchema(
    {
        "sensor": pa.Column(str),
        "level": pa.Column(int, pa.Check.in_range(0, 100)),
        "note": pa.Column(str, nullable=True),
        "ok": pa.Column(bool),
    },
    coerce=True,
    strict="filter",
)

READINGS_SOURCE = Source(
    name="readings", contract="tests.unit.lake.world:READINGS", keys=("sensor",), max_rejected=0.25
)
HEADER = "sensor,level,note,ok\n"


@dataclass
class World:
    """What a stack's storage holds, and a way to upload."""

    sequence: Iterator[int] = field(default_factory=lambda: count(0x617F08299329D189))

    def upload(self, key: str, body: bytes | str, *, sequencer: str | None = None) -> Upload:
        """Put an object as a user would, and tell what S3's event would tell."""
        body = body.encode() if isinstance(body, str) else body
        answer = CLIENTS("s3").put_object(Bucket=LAKE, Key=key, Body=body)
        return Upload(
            bucket=LAKE,
            key=key,
            version_id=answer["VersionId"],
            size=len(body),
            sequencer=sequencer or f"{next(self.sequence):016X}",
        )

    def lake(self, *sources: Source) -> Lake:
        """A lake that knows ``sources``."""
        return Lake(
            self.catalog(*(sources or (READINGS_SOURCE,))), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)
        )

    def catalog(self, *sources: Source) -> Catalog:
        """A catalog of nothing but ``sources``."""
        return catalog([Product(sources=sources)])

    def rows(self, pointer: Pointer) -> list[dict[str, Any]]:
        """The rows of a Parquet object."""
        body = CLIENTS("s3").get_object(Bucket=pointer.bucket, Key=pointer.key, VersionId=pointer.version_id)["Body"]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            path.write_bytes(body.read())
            # A connection of its own: the module's is every test's, with whatever result they left unread.
            with duckdb.connect() as connection:
                relation = connection.read_parquet(str(path))
                return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def keys(self, bucket: str = LAKE, prefix: str = "") -> list[str]:
        """The keys of a bucket."""
        answer = CLIENTS("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]

    def online(self) -> dict[str, Mapping[str, Any]]:
        """All online items by key."""
        return {item["pk"]["S"]: item for item in CLIENTS("dynamodb").scan(TableName=FEATURES)["Items"]}

    def materialisation(self) -> str:
        """Make the machine that materialises shard by shard; its executions run for ever. Its ARN."""
        made = CLIENTS("stepfunctions").create_state_machine(
            name=MATERIALISATION.rpartition(":")[2],
            definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1000, "End": true}}}',
            roleArn="arn:aws:iam::123456789012:role/machine",
        )
        return str(made["stateMachineArn"])

    def rows_online(self, view: FeatureView) -> dict[str, dict[str, float | None]]:
        """Of every entity that has a value of the view's definition online, the features by name; by key."""
        names = [feature.name for feature in view.features]
        return {
            key: dict(zip(names, unpack(item[attribute]["B"]).values, strict=True))
            for attribute in [attribute_of(view.version)]
            for key, item in self.online().items()
            if attribute in item
        }


@contextmanager
def new_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty stack's storage."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mocked(), corrected("dynamodb_partiql"):
        CLIENTS.forget()
        for bucket in (LAKE, ARTIFACTS):
            CLIENTS("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
            )  # fmt: skip
            CLIENTS("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for table, names in ((REGISTRY, ("pk", "sk")), (FEATURES, ("pk",))):
            CLIENTS("dynamodb").create_table(
                TableName=table,
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
                ],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
                BillingMode="PAY_PER_REQUEST",
            )
        yield World()
    CLIENTS.forget()
