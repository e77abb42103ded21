"""The state of the deployed code lies beside the bundles, joins them in the update's graph, and moves nothing else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from localcloud.engine import deploy, destroy, preview

from headwater.client.description import STATE_BUCKET, clients_of
from headwater.code.types import CodeState
from headwater.history.contents import contents_of
from headwater.history.graph import graph_of
from tests.infra.cases import ROOT, STACK, Graph
from tests.unit.code.repositories import alone, commit, git, put, repository

pytestmark = pytest.mark.cloud

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from headwater.infra.platform.buckets import Account, PrivateBucket, PrivateBucketArgs
from headwater.infra.platform.code_state import DeployedCode
from headwater.infra.platform.config import Config

artifacts = PrivateBucket(
    "artifacts",
    PrivateBucketArgs(config=Config(force_destroy=True), account=Account.current(), capability="training"),
)
pulumi.export("bucket", artifacts.name)
pulumi.export("code_state", DeployedCode("deployed-code", bucket=artifacts).state.sha256)
"""


def checkpoint(aws: Mapping[str, str], project: str, stack: str) -> dict[str, Any]:
    key = f".pulumi/stacks/{project}/{stack}.json"
    body = clients_of(aws)("s3").get_object(Bucket=STATE_BUCKET, Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def test_the_graph_of_an_update_joins_bundles_image_and_the_state_of_the_code(
    graph: Graph, aws: Mapping[str, str]
) -> None:
    found = contents_of(graph_of(checkpoint(aws, "headwater", STACK)))
    assert [bundle.name for bundle in found.bundles] == ["control", "data", "serving", "spark"]
    keys = {uploaded["key"] for uploaded in graph.outputs("aws:s3/bucketObjectv2:BucketObjectv2").values()}
    assert {found.code_state, *(bundle.key for bundle in found.bundles)} <= keys
    (task,) = graph.all("aws:ecs/taskDefinition:TaskDefinition")
    (container,) = json.loads(task.plain_inputs["containerDefinitions"])
    assert found.image is not None
    assert container["image"].endswith(f"/{found.image.repository}@{found.image.digest}")
    variables = {entry["name"]: entry["value"] for entry in container["environment"]}
    assert variables["HEADWATER_CODE_VERSION"] == found.image.digest
    assert graph.deployment.outputs["code_state"] == found.code_state_sha256


def test_a_change_and_a_commit_are_new_states_and_earlier_ones_stay(
    aws: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(monkeypatch)
    project = repository(tmp_path / "coded")
    put(project, "Pulumi.yaml", "name: coded\nruntime: python\n")
    put(project, "infra/README", "")
    put(project, "__main__.py", PROGRAM)
    commit(project)
    s3 = clients_of(aws)("s3")

    def deployed() -> CodeState:
        outputs = deploy(project, "kept", environment=aws).outputs
        # Nothing changed, nothing is to be done.
        assert preview(project, "kept", environment=aws).changes.keys() == {"same"}
        key = f"code/state/{outputs['code_state']}.json"
        body = s3.get_object(Bucket=outputs["bucket"], Key=key)["Body"].read()
        return CodeState.model_validate_json(body)

    def keys(bucket: str) -> set[str]:
        return {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}

    try:
        clean = deployed()
        assert (clean.commit, clean.clean) == (git(project, "rev-parse", "HEAD"), True)
        put(project, "pipelines/flights/product.py", "rows = 'only in the diff'\n")
        changed = deployed()
        assert (changed.commit, changed.clean, changed.is_diff_kept) == (clean.commit, False, True)
        told = checkpoint(aws, "coded", "kept")
        assert "only in the diff" not in json.dumps(told)
        (bucket,) = {
            str(each["inputs"]["bucket"])
            for each in told["checkpoint"]["latest"]["resources"]
            if each["type"].endswith(":BucketObjectv2")
        }
        diff = gzip.decompress(s3.get_object(Bucket=bucket, Key=changed.diff_key)["Body"].read())
        assert b"+rows = 'only in the diff'" in diff
        commit(project)
        committed = deployed()
        assert (committed.clean, committed.tree, committed.diff) == (True, changed.tree, "")
        assert keys(bucket) == {clean.key, changed.key, changed.diff_key, committed.key}
        # Back to what was deployed before: the same object again.
        git(project, "reset", "--quiet", "--hard", clean.commit)
        assert deployed() == clean
        assert keys(bucket) == {clean.key, changed.key, changed.diff_key, committed.key}
    finally:
        destroy(project, "kept", environment=aws)
