"""A stack may have any number of products, and its clients find all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from localcloud.engine import deploy, destroy

from headwater import __version__
from headwater.client.description import Description, clients_of, describe
from headwater.infra.description import CATALOG_KEY, PARAMETER_BYTES, ROOM
from tests.infra.cases import ROOT

pytestmark = pytest.mark.cloud

KINDS = ("models", "sources", "views")
OUTPUTS = sorted(Description.model_fields.keys() - {"name"})
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from headwater.infra.platform.buckets import Account, PrivateBucket, PrivateBucketArgs
from headwater.infra.platform.config import Config
from headwater.infra.description import publish

artifacts = PrivateBucket(
    "artifacts",
    PrivateBucketArgs(config=Config(force_destroy=True), account=Account.current(), capability="training"),
)
count = int(pulumi.Config("headwater").require("count"))
names = {{kind: [f"{{kind}}_{{number:04}}_{{'x' * 34}}" for number in range(count)] for kind in {KINDS}}}
told = {{name: "x" for name in {OUTPUTS} if name not in names}}
told |= {{"artifacts_bucket": artifacts.name, "project": pulumi.get_project(), "version": "{__version__}"}}
publish(told, names, artifacts=artifacts)
"""


def test_products_that_fill_a_parameter_stand_in_an_object_and_come_back(
    aws: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: described\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    clients = clients_of(aws)
    try:
        # Many, and after an update few.
        for count in (1000, 2):
            deploy(tmp_path, "many", environment=aws, config={"headwater:count": str(count)})
            value = clients("ssm").get_parameter(Name="/headwater/described/many")["Parameter"]["Value"]
            assert len(value) <= PARAMETER_BYTES
            assert ("catalog_key" in json.loads(value)) is (count == 1000)
            found = describe(clients, "described/many")
            for kind in KINDS:
                names = getattr(found, kind)
                assert (len(names), names[-1].startswith(f"{kind}_{count - 1:04}_")) == (count, True)
            keys = clients("s3").list_objects_v2(Bucket=found.artifacts_bucket).get("Contents", ())
            assert [entry["Key"] for entry in keys] == ([CATALOG_KEY] if count == 1000 else [])
    finally:
        destroy(tmp_path, "many", environment=aws)


def test_what_else_a_description_holds_leaves_room_for_names() -> None:
    # An ARN of the longest kind: partition, service, region, account and a name of 80 characters.
    arn = "arn:aws-us-gov:states:ap-southeast-2:123456789012:stateMachine:" + "x" * 80
    longest = {name: arn if name.endswith("_arn") else "x" * 80 for name in OUTPUTS if name not in KINDS}
    assert len(json.dumps(longest)) + len(json.dumps(dict.fromkeys(KINDS, ""))) + ROOM <= PARAMETER_BYTES
