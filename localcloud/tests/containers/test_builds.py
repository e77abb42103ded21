"""CodeBuild runs buildspecs and tells how they went."""

from __future__ import annotations

import uuid

import pytest
from localcloud.cloud import Cloud
from tests.containers.conftest import DOCKERFILE, TASK, Project, eventually, make_project


def project(cloud: Cloud, *commands: str, **phases: list[str]) -> Project:
    """A project whose build phase runs ``commands``."""
    lines = ["version: 0.2", "phases:"]
    for phase, its in (phases | {"build": list(commands)}).items():
        lines += [f"  {phase}:", "    commands:", *(f"      - {command}" for command in its)]
    made = make_project(cloud, f"build-{uuid.uuid4().hex[:8]}", "\n".join(lines) + "\n")
    made.upload({"Dockerfile": DOCKERFILE, "app/task.py": TASK})
    return made


LOGIN = "aws ecr get-login-password | docker login --username AWS --password-stdin $REGISTRY"


def test_a_build_shows_its_phases_and_its_log(cloud: Cloud) -> None:
    made = project(
        cloud, "cd app && export WORD=carried", "echo $WORD from $(basename $PWD)", pre_build=["echo before"]
    )
    build = made.built(made.start())
    assert build["buildStatus"] == "SUCCEEDED"
    phases = {phase["phaseType"]: phase["phaseStatus"] for phase in build["phases"] if "phaseStatus" in phase}
    assert list(phases) == [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "PRE_BUILD",
        "BUILD",
        "FINALIZING",
    ]
    assert set(phases.values()) == {"SUCCEEDED"}
    assert build["logs"]["groupName"] == f"/aws/codebuild/{made.name}"
    assert "carried from app" in made.lines(build)


def test_a_failing_command_fails_the_build_and_says_which(cloud: Cloud) -> None:
    made = project(
        cloud,
        "echo first",
        "echo bad >&2; exit_code() { return 7; }; exit_code",
        "echo never",
        post_build=["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"],
    )
    build = made.built(made.start())
    assert build["buildStatus"] == "FAILED"
    (failed,) = [phase for phase in build["phases"] if phase.get("phaseStatus") == "FAILED"]
    assert failed["phaseType"] == "BUILD"
    assert "exit status 7" in failed["contexts"][0]["message"]
    lines = made.lines(build)
    assert "succeeding=0" in lines
    assert "\nnever" not in lines


def test_a_build_whose_source_isnt_there_fails_at_the_download(cloud: Cloud) -> None:
    made = project(cloud, "true")
    build = made.built(made.start(sourceLocationOverride=f"{made.name}/nothing.zip"))
    assert build["buildStatus"] == "FAILED"
    assert build["phases"][-2]["phaseType"] == "DOWNLOAD_SOURCE"
    assert "NoSuchKey" in build["phases"][-2]["contexts"][0]["message"]


def test_variables_can_be_overridden_for_one_build(cloud: Cloud) -> None:
    made = project(cloud, "echo tag=$TAG more=$MORE")
    variables = [{"name": "TAG", "value": "two"}, {"name": "MORE", "value": "yes"}]
    assert "tag=two more=yes" in made.lines(made.built(made.start(environmentVariablesOverride=variables)))


def test_the_same_token_is_the_same_build(cloud: Cloud) -> None:
    made = project(cloud, "true")
    first = made.start(idempotencyToken="once")
    assert made.start(idempotencyToken="once") == first
    with pytest.raises(cloud.client("codebuild").exceptions.InvalidInputException):
        made.start(idempotencyToken="once", sourceVersion="other")
    made.built(first)


def test_a_running_build_can_be_stopped(cloud: Cloud) -> None:
    made = project(cloud, "sleep 600")
    build = made.start()
    client = cloud.client("codebuild")
    eventually(lambda: client.batch_get_builds(ids=[build])["builds"][0]["currentPhase"] == "BUILD")
    client.stop_build(id=build)
    assert made.built(build)["buildStatus"] == "STOPPED"


def test_an_image_is_pushed_with_the_digest_that_ecr_reports(cloud: Cloud) -> None:
    made = project(
        cloud,
        LOGIN,
        "docker build --build-arg GREETING=hi -t $REGISTRY/$REPOSITORY:$TAG .",
        "docker push $REGISTRY/$REPOSITORY:$TAG",
    )
    log = made.lines(made.built(made.start()))
    (image,) = cloud.client("ecr").describe_images(repositoryName=made.name)["imageDetails"]
    assert f"one: digest: {image['imageDigest']}" in log
    assert image["imageTags"] == ["one"]
    again = made.built(made.start())
    assert again["buildStatus"] == "SUCCEEDED", "the very same image may be pushed again"


def test_an_immutable_tag_keeps_its_image(cloud: Cloud) -> None:
    made = project(
        cloud,
        LOGIN,
        "docker build --build-arg GREETING=$WORD -t $REGISTRY/$REPOSITORY:$TAG .",
        "docker push $REGISTRY/$REPOSITORY:$TAG",
    )
    for word, status in (("first", "SUCCEEDED"), ("second", "FAILED")):
        build = made.built(made.start(environmentVariablesOverride=[{"name": "WORD", "value": word}]))
        assert build["buildStatus"] == status
    assert "AlreadyExistsException" in made.lines(build)


def test_a_push_needs_a_login_and_a_repository(cloud: Cloud) -> None:
    made = project(
        cloud,
        "docker build --build-arg GREETING=x -t $REGISTRY/$REPOSITORY:$TAG .",
        "docker push $REGISTRY/$REPOSITORY:$TAG",
    )
    assert "no basic auth credentials" in made.lines(made.built(made.start()))
    nowhere = [{"name": "REPOSITORY", "value": "nowhere"}]
    made = project(
        cloud, LOGIN, "docker build --build-arg GREETING=x -t $REGISTRY/nowhere:1 .", "docker push $REGISTRY/nowhere:1"
    )
    assert "RepositoryNotFoundException" in made.lines(made.built(made.start(environmentVariablesOverride=nowhere)))


def test_what_docker_cant_do_here_is_said(cloud: Cloud) -> None:
    made = project(cloud, "docker run hello-world")
    assert "the local cloud knows only" in made.lines(made.built(made.start()))


def test_a_role_without_the_grant_cant_read_the_source(cloud: Cloud) -> None:
    made = project(cloud, "true")
    cloud.client("iam").delete_role_policy(RoleName=made.name, PolicyName="all")
    build = made.built(made.start())
    assert build["buildStatus"] == "FAILED"
    assert "s3:GetObject" in build["phases"][-2]["contexts"][0]["message"]


def test_a_context_with_a_localcloud_of_its_own_doesnt_disturb_docker(cloud: Cloud) -> None:
    made = project(cloud, "docker --version")
    made.upload({"localcloud/__init__.py": "raise SystemExit('the wrong one')"})
    assert made.built(made.start())["buildStatus"] == "SUCCEEDED"
