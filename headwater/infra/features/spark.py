"""Spark for feature views that outgrow one machine: an application that costs nothing idle, and who starts it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pulumi
import pulumi_aws as aws

import headwater.handlers.features.describe_spark_job
import headwater.handlers.features.store_spark_rows
from headwater.infra.bundles.build import SPARK_PYTHON
from headwater.infra.platform.buckets import Account
from headwater.infra.platform.code import Code
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import Grant, Role, Text, allow, merge, write_logs
from headwater.infra.platform.keys import CURATED, FEATURES, SCRATCH, STAGED, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.platform.uses import read_sources
from headwater.project import LIBRARY

CAPABILITY = "features"
DEFINITION = Path(__file__).with_name("spark.asl.json")
BUNDLE = "spark"
RELEASE = "emr-spark-8.1.0"
"""Spark 4.1, with long-term support; .venv/spark has the same (pyproject.toml)."""
ENTRY_POINT = LIBRARY / "features" / "spark" / "engine.py"
WORKER_VCPUS, WORKER_GB = 4, 16
_MACHINE = "features-spark"
_FOLDER = "environment"
MANAGED_RULE = "StepFunctionsGetEventsForEMRServerlessJobRule"
"""By it Step Functions learns that a run of ``startJobRun.sync`` ended; it makes the rule itself, once an account."""


def machine_arn(account: Account) -> str:
    """The machine that lets Spark compute rows. Who starts it is made before it, since it calls them at its end."""
    return account.arn("states", f"stateMachine:{physical_name(_MACHINE, 'state machine')}")


def start_spark(platform: Platform) -> Grant:
    """To start a run, and to ask which there are and how they stand; nothing if Spark isn't deployed."""
    if not platform.spark:
        return Grant(statements=())
    machine = machine_arn(platform.account)
    return merge(
        allow(["states:StartExecution", "states:ListExecutions"], machine, settings={"spark_arn": machine}),
        allow(
            ["states:DescribeExecution"],
            platform.account.arn("states", f"execution:{physical_name(_MACHINE, 'state machine')}:*"),
            wildcard="a run is named by the data that it is for",
        ),
    )


class Spark(Component):
    """An EMR Serverless application without capacity of its own, and the machine that runs a view's job on it.

    The job's code is a bundle that Spark unpacks beside each worker: the release has its own Python, so there is no
    image to build (docs/decisions/0080).
    """

    def __init__(
        self, name: str, platform: Platform, *, materialise: Function, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        self._name = name
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/emr-serverless/{physical_name(name, 'application')}",
            retention_in_days=platform.config.log_retention_days,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        self.application = self._application(logs)
        steps = {"Describe": self._describe(), "Keep": self._keep(), "Materialise": materialise}
        values = {"EntryPoint": self._entry_point(), "SubmitParameters": self._parameters(platform.code[BUNDLE])}
        uses = [self._run(self._job_role(logs))]
        self.machine = self._machine(_MACHINE, CAPABILITY, DEFINITION, steps, uses=uses, values=values)
        self.register_outputs({"application": self.application.id, "arn": self.machine.arn})

    def _application(self, logs: aws.cloudwatch.LogGroup) -> aws.emrserverless.Application:
        config = self._platform.config
        workers = config.spark_vcpus // WORKER_VCPUS
        return aws.emrserverless.Application(
            self._name,
            name=physical_name(self._name, "application"),
            type="SPARK",
            release_label=RELEASE,
            architecture=config.architecture.upper(),
            maximum_capacity={
                "cpu": f"{config.spark_vcpus} vCPU",
                # A little more than the workers have: what Spark adds for itself is rounded up.
                "memory": f"{workers * (WORKER_GB + 4)} GB",
            },
            auto_start_configuration={"enabled": True},
            auto_stop_configuration={"enabled": True, "idle_timeout_minutes": 1},
            monitoring_configuration={
                "cloudwatch_logging_configuration": {"enabled": True, "log_group_name": logs.name}
            },
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )

    def _job_role(self, logs: aws.cloudwatch.LogGroup) -> Role:
        platform = self._platform
        return Role(
            f"{self._name}-job",
            service="emr-serverless.amazonaws.com",
            grants=[
                platform.artifacts.read("code/"),
                platform.lake.read(CURATED, STAGED, SCRATCH.prefix),
                platform.lake.write(SCRATCH.prefix),
                write_logs(logs, "logs:DescribeLogStreams"),
                allow(["logs:DescribeLogGroups"], "*"),
            ],
            capability=CAPABILITY,
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": platform.account.id},
                "ArnLike": {"aws:SourceArn": platform.account.arn("emr-serverless", "/applications/*")},
            },
            opts=self._child,
        )

    def _describe(self) -> Function:
        platform, handler = self._platform, headwater.handlers.features.describe_spark_job
        uses = [
            # Definitions that aren't declared any more.
            platform.registry.read(VIEWS),
            read_sources(platform),
            # Whether the rows are kept already.
            platform.lake.read(FEATURES),
            platform.lake.write(SCRATCH.prefix),
        ]
        return self._function("features-describe", handler, "data", memory_mib=1769, uses=uses)

    def _keep(self) -> Function:
        lake, handler = self._platform.lake, headwater.handlers.features.store_spark_rows
        uses = [self._platform.registry.read(VIEWS), lake.read(SCRATCH.prefix), lake.write(FEATURES)]
        # The parts and the one file that they become have to fit together on the disk.
        return self._function("features-keep", handler, "data", memory_mib=8192, disk_mib=10240, uses=uses)

    def _entry_point(self) -> pulumi.Output[str]:
        """The file that Spark is started with; it finds the rest in the bundle."""
        digest = hashlib.sha256(ENTRY_POINT.read_bytes()).hexdigest()
        uploaded = aws.s3.BucketObjectv2(
            "spark-entry-point",
            bucket=self._platform.artifacts.ready,
            key=f"code/spark-{digest}.py",
            source=pulumi.FileAsset(str(ENTRY_POINT)),
            content_type="text/x-python",
            tags=tags(capability="code"),
            opts=self._child,
        )
        return pulumi.Output.concat("s3://", uploaded.bucket, "/", uploaded.key)

    def _parameters(self, code: Code) -> pulumi.Output[str]:
        config, region = self._platform.config, self._platform.account.region
        driver, executor = "spark.emr-serverless.driverEnv", "spark.executorEnv"
        settings: dict[str, Text] = {
            "spark.archives": pulumi.Output.concat("s3://", code.bucket, "/", code.key, f"#{_FOLDER}"),
            f"{driver}.PYSPARK_DRIVER_PYTHON": f"/usr/bin/python{SPARK_PYTHON}",
            f"{driver}.PYSPARK_PYTHON": f"/usr/bin/python{SPARK_PYTHON}",
            f"{executor}.PYSPARK_PYTHON": f"/usr/bin/python{SPARK_PYTHON}",
            **{f"{where}.PYTHONPATH": f"./{_FOLDER}" for where in (driver, executor)},
            **{f"{where}.AWS_REGION": region for where in (driver, executor)},
            "spark.driver.cores": str(WORKER_VCPUS),
            "spark.driver.memory": "12g",
            "spark.executor.cores": str(WORKER_VCPUS),
            # The rest is for Python, which fetches and writes the files.
            "spark.executor.memory": "10g",
            "spark.executor.memoryOverhead": "5g",
            # A task has a whole file on its worker's disk.
            "spark.emr-serverless.executor.disk": "100g",
            # One worker is the driver; asking for more than there may be fails a job.
            "spark.dynamicAllocation.maxExecutors": str(config.spark_vcpus // WORKER_VCPUS - 1),
        }
        words = [pulumi.Output.concat("--conf ", name, "=", value) for name, value in settings.items()]
        return pulumi.Output.all(*words).apply(" ".join)

    def _run(self, role: Role) -> Grant:
        """To run jobs on the application, wait for their end and cancel them: ``startJobRun.sync``."""
        return merge(
            allow(
                ["emr-serverless:StartJobRun"],
                self.application.arn,
                settings={"ApplicationId": self.application.id, "JobRoleArn": role.ready},
            ),
            allow(
                ["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"],
                pulumi.Output.concat(self.application.arn, "/jobruns/*"),
                wildcard="the application's job runs: one has no ARN before it is started",
            ),
            role.pass_to("emr-serverless.amazonaws.com"),
            allow(
                ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                self._platform.account.arn("events", f"rule/{MANAGED_RULE}"),
            ),
        )
