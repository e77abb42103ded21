"""Spark for feature views that outgrow one machine: an application that costs nothing idle, and who starts it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType

import pulumi
import pulumi_aws as aws

import headwater.handlers.features.describe_spark_job
import headwater.handlers.features.store_spark_rows
from headwater.infra.buckets import Account
from headwater.infra.bundles import SPARK_PYTHON
from headwater.infra.code import Code
from headwater.infra.function import Function, FunctionArgs
from headwater.infra.grants import Grant, Role, Text, allow, together, write_logs
from headwater.infra.lake import CURATED, FEATURES, SCRATCH, STAGED, grant_read_sources
from headwater.infra.machine import StateMachine, StateMachineArgs
from headwater.infra.platform import Platform
from headwater.infra.tables import VIEWS
from headwater.infra.tags import physical_name, tags
from headwater.project import LIBRARY

CAPABILITY = "features"
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


def spark_settings(account: Account, *, deployed: bool) -> dict[str, str]:
    """What a function is told that may start a run."""
    return {"spark_arn": machine_arn(account)} if deployed else {}


def grant_start(account: Account) -> Grant:
    """To start a run, and to ask which there are and how they stand."""
    return together(
        allow(["states:StartExecution", "states:ListExecutions"], machine_arn(account)),
        allow(
            ["states:DescribeExecution"],
            account.arn("states", f"execution:{physical_name(_MACHINE, 'state machine')}:*"),
            wildcard="a run is named by the data that it is for",
        ),
    )


class Spark(pulumi.ComponentResource):
    """An EMR Serverless application without capacity of its own, and the machine that runs a view's job on it.

    The job's code is a bundle that Spark unpacks beside each worker: the release has its own Python, so there is no
    image to build (docs/decisions/0080).
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        materialise: Function,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:index:Spark", name, {}, opts)
        self._platform, self._name = platform, name
        self._child = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/emr-serverless/{physical_name(name, 'application')}",
            retention_in_days=platform.config.log_retention_days,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        self.application = self._application(logs)
        role = self._job_role(logs)
        steps = {
            "DescribeFunctionArn": self._describe(),
            "KeepFunctionArn": self._keep(),
            "MaterialiseFunctionArn": materialise,
        }
        self.machine = StateMachine(
            _MACHINE,
            StateMachineArgs(
                platform=platform,
                capability=CAPABILITY,
                definition="spark.asl.json",
                values={
                    **{place: step.arn for place, step in steps.items()},
                    "ApplicationId": self.application.id,
                    "JobRoleArn": role.ready,
                    "EntryPoint": self._entry_point(),
                    "SubmitParameters": self._parameters(platform.code[BUNDLE]),
                },
                grants=[
                    together(*(step.grant_invoke() for step in steps.values())),
                    self._grant_run(role),
                ],
            ),
            opts=self._child,
        )
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
                platform.artifacts.grant_read("code/"),
                platform.lake.grant_read(CURATED, STAGED, SCRATCH.prefix),
                platform.lake.grant_write(SCRATCH.prefix),
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
        platform = self._platform
        return self._step(
            headwater.handlers.features.describe_spark_job,
            memory_mib=1769,
            grants=[
                grant_read_sources(platform.lake, platform.registry),
                # Whether the rows are kept already.
                platform.lake.grant_read(FEATURES),
                platform.lake.grant_write(SCRATCH.prefix),
            ],
        )

    def _keep(self) -> Function:
        lake = self._platform.lake
        return self._step(
            headwater.handlers.features.store_spark_rows,
            memory_mib=8192,
            # The parts and the one file that they become have to fit together.
            disk_mib=10240,
            grants=[lake.grant_read(SCRATCH.prefix), lake.grant_write(FEATURES)],
        )

    def _step(self, handler: ModuleType, *, memory_mib: int, grants: Sequence[Grant], disk_mib: int = 512) -> Function:
        platform = self._platform
        return Function(
            f"features-{handler.__name__.rpartition('.')[2]}",
            FunctionArgs(
                platform=platform,
                capability=CAPABILITY,
                handler=handler,
                settings={"lake_bucket": platform.lake.ready, "registry_table": platform.registry.name},
                bundle="data",
                memory_mib=memory_mib,
                disk_mib=disk_mib,
                timeout=timedelta(minutes=15),
                # Definitions that aren't declared any more.
                grants=[platform.registry.grant_read(VIEWS), *grants],
            ),
            opts=self._child,
        )

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

    def _grant_run(self, role: Role) -> Grant:
        """To run jobs on the application, wait for their end and cancel them: ``startJobRun.sync``."""
        return together(
            allow(["emr-serverless:StartJobRun"], self.application.arn),
            allow(
                ["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"],
                pulumi.Output.concat(self.application.arn, "/jobruns/*"),
                wildcard="the application's job runs: one has no ARN before it is started",
            ),
            role.grant_pass("emr-serverless.amazonaws.com"),
            allow(
                ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                self._platform.account.arn("events", f"rule/{MANAGED_RULE}"),
            ),
        )
