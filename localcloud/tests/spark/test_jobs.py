"""EMR Serverless here: applications, job runs that are processes, and the state that waits for one."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from tests.containers.conftest import eventually
from tests.workflows.conftest import Machines, machines

__all__ = ["machines"]

BUCKET, ROLE, GROUP = "spark-jobs", "spark-job", "/spark/jobs"
# Stands for spark-submit: what Spark does, tests/integration/test_spark.py shows; here it is about what it is given.
SUBMIT = """#!/bin/sh
echo "$@"
echo "$GREETING from $(cat ./environment/word) to $AWS_ACCESS_KEY_ID"
for last; do :; done
case "$last" in
fail) echo 'ValueError: no such luck'; exit 3;;
wait) sleep 600;;
esac
"""


@pytest.fixture(scope="module")
def emr(cloud: Cloud) -> Any:
    """The API, a bucket with a job's code, and a role that may read it."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("word", "me")
    s3.put_object(Bucket=BUCKET, Key="code.zip", Body=packed.getvalue())
    s3.put_object(Bucket=BUCKET, Key="entry.py", Body=b"")
    iam = cloud.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    allowed = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
        {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName=ROLE, PolicyName="grants", PolicyDocument=document)
    return cloud.client("emr-serverless")


@pytest.fixture
def spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `spark-submit` of ours, and something called java."""
    submit = tmp_path / "bin" / "spark-submit"
    submit.parent.mkdir()
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    monkeypatch.setenv("LOCALCLOUD_SPARK", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", "/some/java")
    return tmp_path


@pytest.fixture(scope="module")
def application(emr: Any) -> str:
    logging = {"enabled": True, "logGroupName": GROUP}
    return str(
        emr.create_application(
            name="tests",
            type="SPARK",
            releaseLabel="emr-spark-8.1.0",
            architecture="ARM64",
            monitoringConfiguration={"cloudWatchLoggingConfiguration": logging},
            tags={"a": "1", "b": "2"},
        )["applicationId"]
    )


def given(cloud: Cloud, application: str, *arguments: str, entry: str = "entry.py") -> dict[str, Any]:
    parameters = {
        "spark.archives": f"s3://{BUCKET}/code.zip#environment",
        "spark.emr-serverless.driverEnv.GREETING": "hello",
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "/usr/bin/python3.11",
        "spark.executorEnv.PYTHONPATH": "./environment",
        "spark.executor.memory": "500g",
    }
    return {
        "applicationId": application,
        "executionRoleArn": f"arn:aws:iam::{cloud.account_id}:role/{ROLE}",
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": f"s3://{BUCKET}/{entry}",
                "entryPointArguments": list(arguments),
                "sparkSubmitParameters": " ".join(f"--conf {name}={value}" for name, value in parameters.items()),
            }
        },
    }


def ended(emr: Any, started: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        run = emr.get_job_run(applicationId=started["applicationId"], jobRunId=started["jobRunId"])["jobRun"]
        return dict(run) if run["state"] in ("SUCCESS", "FAILED", "CANCELLED") else None

    found: dict[str, Any] = eventually(look)
    return found


def said(cloud: Cloud, run: dict[str, Any]) -> list[str]:
    stream = f"applications/{run['applicationId']}/jobs/{run['jobRunId']}/SPARK_DRIVER/stderr"
    events = cloud.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in events["events"]]


@pytest.mark.usefixtures("spark")
def test_a_job_runs_with_its_archive_its_environment_and_its_role(cloud: Cloud, emr: Any, application: str) -> None:
    run = ended(emr, emr.start_job_run(**given(cloud, application, "s3://there/job.json")))
    assert (run["state"], run["stateDetails"]) == ("SUCCESS", "")
    told, greeting = said(cloud, run)
    assert told.endswith("entry.py s3://there/job.json")
    assert "--conf spark.executorEnv.PYTHONPATH=./environment" in told
    # Sizes and places of a cluster that isn't there.
    assert not [word for word in ("500g", "/usr/bin/python", "spark.archives") if word in told]
    assert greeting.startswith("hello from me to ASIA")


@pytest.mark.usefixtures("spark")
def test_a_job_that_fails_says_what_it_said_last(cloud: Cloud, emr: Any, application: str) -> None:
    run = ended(emr, emr.start_job_run(**given(cloud, application, "fail")))
    assert run["state"] == "FAILED"
    assert run["stateDetails"].endswith("ExitCode: 3. Last few exceptions: ValueError: no such luck")
    # The same token is the same run.
    one, other = (emr.start_job_run(**given(cloud, application, "fail"), clientToken="once") for _ in range(2))
    assert one["jobRunId"] == other["jobRunId"]
    found = emr.list_job_runs(applicationId=application, states=["FAILED"])["jobRuns"]
    assert run["jobRunId"] in [entry["id"] for entry in found]


@pytest.mark.usefixtures("spark")
def test_a_job_is_cancelled_with_all_that_it_started(cloud: Cloud, emr: Any, application: str) -> None:
    started = emr.start_job_run(**given(cloud, application, "wait"))
    names = {"applicationId": application, "jobRunId": started["jobRunId"]}
    eventually(lambda: emr.get_job_run(**names)["jobRun"]["state"] == "RUNNING")
    with pytest.raises(ClientError, match="ConflictException"):
        emr.stop_application(applicationId=application)
    emr.cancel_job_run(**names)
    assert ended(emr, started)["state"] == "CANCELLED"
    emr.cancel_job_run(**names)  # twice is once


@pytest.mark.usefixtures("spark")
def test_a_grant_that_the_role_lacks_fails_the_job(cloud: Cloud, emr: Any, application: str) -> None:
    wanted = given(cloud, application)
    wanted["jobDriver"]["sparkSubmit"]["entryPoint"] = "s3://other-bucket/entry.py"
    run = ended(emr, emr.start_job_run(**wanted))
    assert run["state"] == "FAILED"
    assert "s3://other-bucket/entry.py can't be read by arn:aws:iam" in run["stateDetails"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PATH": "/nowhere"}, "Spark needs Java 17, and there is none on this machine"),
        ({"JAVA_HOME": "/some/java", "LOCALCLOUD_SPARK": "/nowhere"}, "there is no Spark in /nowhere: install pyspark"),
    ],
)
def test_a_machine_without_spark_says_so(
    cloud: Cloud,
    emr: Any,
    application: str,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: str,
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    run = ended(emr, emr.start_job_run(**given(cloud, application)))
    assert run["state"] == "FAILED"
    assert words in run["stateDetails"]


def test_applications_are_records_with_tags(emr: Any) -> None:
    made = emr.create_application(name="other", type="SPARK", releaseLabel="emr-spark-8.1.0", tags={"a": "1"})
    arn, name = made["arn"], made["applicationId"]
    emr.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
    emr.untag_resource(resourceArn=arn, tagKeys=["a", "c"])
    assert emr.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    emr.start_application(applicationId=name)
    for refused in (emr.delete_application, emr.update_application):
        with pytest.raises(ClientError, match=r"must be in one of the following statuses \[CREATED, STOPPED\]"):
            refused(applicationId=name)
    emr.stop_application(applicationId=name)
    emr.update_application(applicationId=name, maximumCapacity={"cpu": "8 vCPU", "memory": "32 GB"})
    assert emr.get_application(applicationId=name)["application"]["maximumCapacity"]["cpu"] == "8 vCPU"
    assert name in [one["id"] for one in emr.list_applications()["applications"]]
    emr.delete_application(applicationId=name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        emr.get_application(applicationId=name)


def run_job(wanted: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A state that runs the job; its arguments have Step Functions' names."""
    submit = wanted["jobDriver"]["sparkSubmit"]
    arguments = {
        "ApplicationId": wanted["applicationId"],
        "ExecutionRoleArn": wanted["executionRoleArn"],
        "Name": "{% $states.context.Execution.Name %}",
        "JobDriver": {"SparkSubmit": {name[0].upper() + name[1:]: value for name, value in submit.items()}},
    }
    state = {"Type": "Task", "Resource": "arn:aws:states:::emr-serverless:startJobRun.sync", "End": True}
    return state | {"Arguments": arguments} | others


@pytest.mark.usefixtures("spark")
def test_a_state_ends_with_its_job(cloud: Cloud, emr: Any, application: str, machines: Machines) -> None:
    done = machines.run({"Run": run_job(given(cloud, application, "well"))})
    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"])["State"] == "SUCCESS"
    failed = machines.run({"Run": run_job(given(cloud, application, "fail"))})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert "no such luck" in json.loads(failed["cause"])["StateDetails"]
    # What a machine takes for a lost answer is the same job.
    once = {"ClientToken": "{% $hash($states.context.Execution.Id, 'SHA-256') %}"}
    first = run_job(given(cloud, application, "well"), Next="Again")
    first["Arguments"] |= once
    first.pop("End")
    again = run_job(given(cloud, application, "well"))
    again["Arguments"] |= once
    twice = machines.run({"First": first | {"Assign": {"first": "{% $states.result.JobRunId %}"}}, "Again": again | {
        "Output": {"one": "{% $first %}", "other": "{% $states.result.JobRunId %}"}}})  # fmt: skip
    told = json.loads(twice["output"])
    assert told["one"] == told["other"]
    nowhere = machines.run({"Run": run_job(given(cloud, "nowhere", "well"))})
    assert nowhere["error"] == "EMRServerless.ResourceNotFoundException"
    late = machines.run({"Run": run_job(given(cloud, application, "wait"), TimeoutSeconds=1)})
    assert late["error"] == "States.Timeout"
    running = emr.list_job_runs(applicationId=application, states=["SUBMITTED", "RUNNING", "CANCELLING"])
    eventually(lambda: not emr.list_job_runs(applicationId=application, states=["RUNNING"])["jobRuns"])
    assert len(running["jobRuns"]) <= 1
