"""IAM, Lambda, ECS, ECR, CodeBuild."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from localcloud.provider import LocalProvider, ProviderError
from localcloud.provider.values import ARCHIVE, ASSET, Asset
from localcloud.testing import CloudBeside

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
HANDLER = (
    "def handler(event, context):\n    if event.get('fail'):\n        raise ValueError('as asked')\n    return event\n"
)


def archive(text: str = HANDLER) -> Asset:
    """A function's code."""
    return Asset(ARCHIVE, assets={"main.py": Asset(ASSET, text=text)}).hashed()


@pytest.fixture
def role(begin) -> str:
    """The ARN of a role that Lambda may assume."""
    arn: str = begin("aws:iam/role:Role", "role").create(assumeRolePolicy=TRUST).outputs["arn"]
    return arn


def test_a_role_has_policies_of_its_own_and_of_others(begin, cloud: CloudBeside) -> None:
    role = begin("aws:iam/role:Role", "role")
    name = role.create(assumeRolePolicy=TRUST, description="tests").id
    role.update(assumeRolePolicy={**TRUST, "Id": "x"}, maxSessionDuration=7200, tags={"a": "b"})
    own = begin("aws:iam/rolePolicy:RolePolicy", "own")
    assert own.create(role=name, policy=ALLOW).id.startswith(f"{name}:")
    own.update(role=name, policy={**ALLOW, "Id": "x"})
    shared = begin("aws:iam/policy:Policy", "shared")
    arn = shared.create(policy=ALLOW).id
    shared.update(policy={**ALLOW, "Id": "x"})
    begin("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "shared").create(role=name, policyArn=arn)
    assert len(cloud.client("iam").list_attached_role_policies(RoleName=name)["AttachedPolicies"]) == 1


def test_a_function_is_made_called_and_changed(begin, cloud: CloudBeside, role: str) -> None:
    function = begin("aws:lambda/function:Function", "echo")
    inputs = {"role": role, "handler": "main.handler", "runtime": "python3.11"}
    more = {
        "memorySize": 256,
        "timeout": 20,
        "environment": {"variables": {"lower_case": "1"}},
        "architectures": ["arm64"],
        "ephemeralStorage": {"size": 1024},
        "tracingConfig": {"mode": "Active"},
        "loggingConfig": {"logFormat": "Text", "logGroup": "/tests/echo"},
        "reservedConcurrentExecutions": 2,
        "tags": {"a": "b"},
    }
    state = function.create(**inputs, **more, code=archive())
    client = cloud.client("lambda")
    found = client.get_function_configuration(FunctionName=state.id)
    assert found["Environment"]["Variables"] == {"lower_case": "1"}
    assert state.outputs["invokeArn"].endswith(f"{state.outputs['arn']}/invocations")
    changed = function.update(**inputs, code=archive(HANDLER + "\n"))
    found = client.get_function_configuration(FunctionName=state.id)
    assert (found["MemorySize"], found.get("Environment", {}).get("Variables", {})) == (128, {})
    assert changed.outputs["codeSha256"] != state.outputs["codeSha256"]

    permission = begin("aws:lambda/permission:Permission", "events")
    source = "arn:aws:events:us-east-1:123456789012:rule/r"
    given = {"action": "lambda:InvokeFunction", "function": state.id, "principal": "events.amazonaws.com"}
    permission.create(**given, sourceArn=source)
    assert permission.replaces(**given) == ["sourceArn"]
    config = begin("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "echo")
    config.create(functionName=state.id, maximumRetryAttempts=1)
    target = {"onFailure": {"destination": "arn:aws:sqs:us-east-1:123456789012:dead"}}
    config.update(functionName=state.id, maximumRetryAttempts=0, destinationConfig=target)
    begin("aws:lambda/alias:Alias", "live").create(name="live", functionName=state.id, functionVersion="$LATEST")


def test_a_mapping_feeds_a_function_from_a_queue(begin, cloud: CloudBeside, role: str) -> None:
    function = begin("aws:lambda/function:Function", "fed")
    name = function.create(role=role, handler="main.handler", runtime="python3.11", code=archive()).id
    queue = begin("aws:sqs/queue:Queue", "feed").create().outputs["arn"]
    mapping = begin("aws:lambda/eventSourceMapping:EventSourceMapping", "feed")
    reports = ["ReportBatchItemFailures"]
    mapping.create(functionName=name, eventSourceArn=queue, batchSize=5, functionResponseTypes=reports)
    mapping.update(functionName=name, eventSourceArn=queue, batchSize=7, functionResponseTypes=reports)
    assert len(cloud.client("lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"]) == 1


def test_a_call_answers_and_a_failing_call_fails_the_resource(begin, role: str, provider: LocalProvider) -> None:
    function = begin("aws:lambda/function:Function", "called")
    name = function.create(role=role, handler="main.handler", runtime="python3.11", code=archive(), timeout=20).id
    call = begin("aws:lambda/invocation:Invocation", "call")
    state = call.create(functionName=name, input=json.dumps({"build": 1}), triggers={"hash": "a"})
    assert json.loads(state.outputs["result"]) == {"build": 1}
    assert call.replaces(functionName=name, input='{"build": 1}', triggers={"hash": "b"}) == ["triggers"]
    bad = call.check({"functionName": name, "input": {"fail": True}})
    with pytest.raises(ProviderError, match=r"failed: ValueError: as asked"):
        provider.create(call.token, bad)


def test_a_function_without_code_is_refused(provider: LocalProvider) -> None:
    _, failures = provider.check("aws:lambda/function:Function", "f", {}, {"role": "r"}, b"")
    assert failures[0].reason.startswith("a function needs `code`")


def test_a_zip_is_taken_as_it_is_and_files_are_packed(tmp_path) -> None:
    from localcloud.provider.lambda_ import zipped

    (tmp_path / "done.zip").write_bytes(b"PK")
    assert zipped(Asset(ARCHIVE, path="done.zip", base=tmp_path)) == b"PK"
    packed = zipfile.ZipFile(io.BytesIO(zipped(archive())))
    assert packed.read("main.py").decode() == HANDLER


def test_a_task_definition_changes_by_a_new_revision(begin, cloud: CloudBeside) -> None:
    cluster = begin("aws:ecs/cluster:Cluster", "cluster")
    arn = cluster.create(settings=[{"name": "containerInsights", "value": "enabled"}]).id
    cluster.update(settings=[{"name": "containerInsights", "value": "disabled"}], tags={"a": "b"})
    name = arn.split("/")[-1]
    begin("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders", "spot").create(
        clusterName=name,
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategies=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    )
    task = begin("aws:ecs/taskDefinition:TaskDefinition", "task")
    inputs = {
        "family": "tests-task",
        "cpu": "256",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "ARM64"},
        "containerDefinitions": [{"name": "main", "image": "x", "essential": True}],
    }
    state = task.create(**inputs)
    assert state.outputs["arn"] == f"{state.outputs['arnWithoutRevision']}:{state.outputs['revision']}"
    assert task.replaces(**{**inputs, "cpu": "512"}) == ["cpu"]
    task.update(**inputs, tags={"a": "b"})


def test_a_spark_application_is_stopped_before_it_is_changed_or_deleted(begin, cloud: CloudBeside) -> None:
    spark = begin("aws:emrserverless/application:Application", "spark")
    inputs = {
        "type": "SPARK",
        "releaseLabel": "emr-spark-8.1.0",
        "architecture": "ARM64",
        "maximumCapacity": {"cpu": "8 vCPU", "memory": "40 GB"},
        "monitoringConfiguration": {"cloudwatchLoggingConfiguration": {"enabled": True, "logGroupName": "/spark"}},
    }
    state = spark.create(**inputs)
    assert state.outputs["arn"].endswith(f":/applications/{state.id}")
    emr = cloud.client("emr-serverless")
    emr.start_application(applicationId=state.id)
    changed = {**inputs, "maximumCapacity": {"cpu": "16 vCPU", "memory": "80 GB"}}
    spark.update(**changed, tags={"a": "b"})
    found = emr.get_application(applicationId=state.id)["application"]
    assert (found["maximumCapacity"]["cpu"], found["tags"]["a"], found["state"]) == ("16 vCPU", "b", "STOPPED")
    assert found["monitoringConfiguration"]["cloudWatchLoggingConfiguration"]["logGroupName"] == "/spark"
    assert spark.replaces(**{**changed, "releaseLabel": "emr-spark-8.0.0"}) == ["releaseLabel"]
    emr.start_application(applicationId=state.id)


def test_a_repository_has_policies(begin, cloud: CloudBeside) -> None:
    repository = begin("aws:ecr/repository:Repository", "Images")
    state = repository.create(
        forceDelete=True,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfigurations=[{"encryptionType": "AES256"}],
    )
    repository.update(forceDelete=True, encryptionConfigurations=[{"encryptionType": "AES256"}], tags={"a": "b"})
    assert state.outputs["repositoryUrl"].endswith(f"/{state.id}")
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3}
    rules = {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}
    begin("aws:ecr/lifecyclePolicy:LifecyclePolicy", "images").create(repository=state.id, policy=rules)
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    begin("aws:ecr/repositoryPolicy:RepositoryPolicy", "images").create(repository=state.id, policy=policy)


def test_a_build_project_is_kept(begin, cloud: CloudBeside, role: str) -> None:
    project = begin("aws:codebuild/project:Project", "images")
    inputs = {
        "serviceRole": role,
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "computeType": "BUILD_GENERAL1_SMALL",
            "image": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
            "type": "ARM_CONTAINER",
            "privilegedMode": True,
            "environmentVariables": [{"name": "A", "value": "b"}],
        },
        "source": {"type": "S3", "location": "bucket/key.zip"},
    }
    state = project.create(**inputs, logsConfig={"cloudwatchLogs": {"groupName": "g"}})
    project.update(**inputs, buildTimeout=30)
    name = state.outputs["name"]
    assert cloud.client("codebuild").batch_get_projects(names=[name])["projects"][0]["timeoutInMinutes"] == 30
