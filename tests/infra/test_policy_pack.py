"""The policy pack as Pulumi uses it: started as a process, asked over the Analyzer service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2
from localcloud.provider.values import UNKNOWN as UNKNOWN_TO_THE_ENGINE
from localcloud.provider.values import to_struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from headwater.infra.policies import EXEMPTIONS, RULES, UNKNOWN, Resource, exempt, judge, of_states
from tests.infra.cases import ROOT, Graph
from tests.infra.policy_cases import BROKEN, made

PACK = ROOT / "infra/policies"


@contextmanager
def started(command: Sequence[str], folder: Path) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack's service; it prints its port as its first line, as plugins of Pulumi do."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """As Python's language host starts it, from any folder."""
    with started([sys.executable, str(PACK)], tmp_path_factory.mktemp("elsewhere")) as stub:
        yield stub


def on_the_wire(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_TO_THE_ENGINE
    if isinstance(value, dict):
        return {key: on_the_wire(item) for key, item in value.items()}
    return value


def analyze(pack: analyzer_pb2_grpc.AnalyzerStub, resources: Sequence[Resource]) -> Any:
    request = analyzer_pb2.AnalyzeStackRequest()
    for resource in resources:
        request.resources.add(
            type=resource.type,
            urn=resource.urn,
            name=resource.name,
            parent=resource.parent,
            properties=to_struct(on_the_wire(dict(resource.props))),
            propertyDependencies={
                name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
                for name, urns in resource.property_dependencies.items()
            },
        )
    return pack.AnalyzeStack(request)


def refused(answer: Any) -> set[tuple[str, str]]:
    """Rule and resource of everything that stops a deployment."""
    return {
        (found.policyName, found.urn)
        for found in answer.diagnostics
        if found.enforcementLevel == analyzer_pb2.MANDATORY
    }


def test_the_pack_names_every_rule_and_stops_what_breaks_one(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "headwater"
    levels = {policy.name: policy.enforcementLevel for policy in info.policies}
    assert levels == {
        **dict.fromkeys(RULES, analyzer_pb2.MANDATORY),
        "UnusedExemptions": analyzer_pb2.ADVISORY,
    }
    assert {policy.policy_type for policy in info.policies} == {analyzer_pb2.POLICY_TYPE_STACK}


def test_the_pack_finds_in_each_broken_graph_what_the_tests_find(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    for rule, graphs in BROKEN.items():
        graph = list(graphs[0])
        expected = {(found.rule, found.resource.urn) for found in judge(graph).violations}
        assert any(name == rule for name, _ in expected)
        assert refused(analyze(pack, graph)) == expected, rule


def test_a_preview_is_told_which_rule_must_wait_for_the_deployment(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    bucket = made("aws:s3/bucket:Bucket", "lake", bucket=UNKNOWN, arn=UNKNOWN)
    policy = made("aws:s3/bucketPolicy:BucketPolicy", "lake", about=bucket, by="bucket", policy=UNKNOWN)
    answer = analyze(pack, [bucket, policy])
    assert "S10" not in {rule for rule, _ in refused(answer)}
    (waits,) = [found for found in answer.diagnostics if found.policyName == "S10"]
    assert waits.enforcementLevel == analyzer_pb2.ADVISORY
    assert "can't be known during preview" in waits.message


def test_an_exemption_reaches_the_pack_and_one_too_many_is_told(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    reasons = [exempt("S1", "it holds the logs"), exempt("CB3", "there is no build here")]
    parent = made("headwater:index:PrivateBucket", "logs", **{EXEMPTIONS: reasons})
    bucket = Resource(type="aws:s3/bucket:Bucket", name="logs", urn="urn:logs", parent=parent.urn)
    answer = analyze(pack, [parent, bucket])
    assert ("S1", bucket.urn) not in refused(answer)
    assert ("S2", bucket.urn) in refused(answer)
    (unused,) = [found for found in answer.diagnostics if found.policyName == "UnusedExemptions"]
    assert unused.enforcementLevel == analyzer_pb2.ADVISORY
    assert "nothing needs the exemption from CB3: there is no build here" in unused.message


@pytest.mark.cloud
def test_the_deployed_stack_passes_the_pack(pack: analyzer_pb2_grpc.AnalyzerStub, graph: Graph) -> None:
    deployed = [
        # Pulumi hands a stack's policies the outputs alone.
        Resource(
            type=state.type,
            name=state.name,
            urn=state.urn,
            props=state.plain_outputs,
            parent=state.parent,
            property_dependencies=state.property_dependencies,
        )
        for state in graph.deployment.resources
    ]
    assert [found.message for found in analyze(pack, deployed).diagnostics] == []
    assert len(judge(of_states(graph.deployment.resources)).excused) > 50


def test_a_cli_without_pythons_language_host_can_start_the_pack_as_an_executable(tmp_path: Path) -> None:
    assert os.access(PACK / "__main__.py", os.X_OK)
    with started([str(PACK / "__main__.py"), "127.0.0.1:1"], tmp_path) as stub:
        assert refused(analyze(stub, [made("aws:kms/key:Key", "key", tags={})])) >= {
            ("KMS5", "urn:pulumi:local::headwater::aws:kms/key:Key::key")
        }


def test_the_packs_project_file_is_what_pulumi_reads() -> None:
    project = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    # Without options: the environment that is active, for a project's may lie anywhere.
    assert project["runtime"] == "python"
    assert set(project) == {"version", "description", "runtime"}
