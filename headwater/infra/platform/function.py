"""A Lambda function with everything that belongs to one: role, logs, dead letters, traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.grants import TRACING, Grant, Role, Setting, Text, allow, merge, write_logs
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.policies import EXEMPTIONS, exempt
from headwater.infra.policies.compute import LATEST_PYTHON
from headwater.settings import FunctionSettings

METRICS_NAMESPACE = "Headwater"
MAX_TIMEOUT = timedelta(minutes=15)
"""The longest that Lambda lets a function run."""


@dataclass(frozen=True, kw_only=True)
class FunctionArgs:
    """Arguments in which two functions differ."""

    platform: Platform
    handler: ModuleType
    """Its ``handler`` is called, and its class ``Settings`` says which settings the environment holds."""
    uses: Sequence[Grant] = ()
    """Things that it works with, as ``lake.read("curated/")``: gives the permission and the setting ``lake_bucket``."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Values of the other settings, by the field's name."""
    bundle: str
    """``control``, ``serving`` or ``data``: the smallest that holds what the handler imports."""
    memory_mib: int
    timeout: timedelta
    capability: str = ""
    """Whose costs, logs and metrics they are; by default the name of the package that the handler is in."""
    disk_mib: int = 512
    reserved_concurrency: int | None = None
    retries: int = 2
    """How often an asynchronous event is tried again before it becomes a dead letter."""
    setting: str = ""
    """Name of the setting that leads who calls it to the function; by default ``<name>_function``."""


class Function(pulumi.ComponentResource):
    """A handler, deployed.

    Its environment and its role come from what it uses. The handler's Settings class decides: a setting that is
    missing, unknown or of the wrong type stops the deployment. It has no alarm of its own: who calls it hears that it
    failed. An asynchronous event that it fails on ends in the stack's dead letters, which are watched, like a state
    machine's runs and the API's answers (docs/decisions/0130).
    """

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Function", name, {}, opts)
        self._child, self._platform = pulumi.ResourceOptions(parent=self), args.platform
        self._setting = args.setting or f"{name.replace('-', '_')}_function"
        self.logical_name = name
        package, _, module = args.handler.__name__.rpartition(".")
        self.capability = args.capability or package.rpartition(".")[2] or module
        platform, labels = args.platform, tags(capability=self.capability)
        used = merge(*args.uses)
        # First of all: whoever gave a wrong setting is told before anything is made.
        variables = self._environment(args, used)
        self.logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/lambda/{physical_name(name, 'function')}",
            retention_in_days=platform.config.log_retention_days,
            tags=labels,
            opts=self._child,
        )
        self.role = Role(
            name,
            service="lambda.amazonaws.com",
            grants=[write_logs(self.logs), TRACING, platform.dead_letters.send(), used],
            capability=self.capability,
            opts=self._child,
        )
        code = platform.code[args.bundle]
        self.function = aws.lambda_.Function(
            name,
            name=physical_name(name, "function"),
            description=_first_line(args.handler),
            runtime=f"python{platform.config.python}",
            architectures=[platform.config.architecture],
            handler=f"{args.handler.__name__}.handler",
            s3_bucket=code.bucket,
            s3_key=code.key,
            role=self.role.ready,
            memory_size=min(args.memory_mib, platform.config.max_function_memory_mib),
            timeout=int(args.timeout.total_seconds()),
            ephemeral_storage={"size": args.disk_mib},
            reserved_concurrent_executions=args.reserved_concurrency,
            environment={"variables": variables},
            tracing_config={"mode": "Active"},
            # Powertools writes JSON already; Lambda's own JSON format would wrap each line once more.
            logging_config={"log_format": "Text", "log_group": self.logs.name},
            tags=labels,
            opts=self._child,
        )
        self.name, self.arn = self.function.name, self.function.arn
        aws.lambda_.FunctionEventInvokeConfig(
            name,
            function_name=self.name,
            maximum_retry_attempts=args.retries,
            destination_config={"on_failure": {"destination": platform.dead_letters.arn}},
            opts=self._child,
        )
        exemptions = []
        if platform.config.python != LATEST_PYTHON:
            reason = "functions run the Python that the locks are made for and tested with: the setting pythonVersion"
            exemptions.append(exempt("L1", reason))
        self.register_outputs({"name": self.name, "arn": self.arn, EXEMPTIONS: exemptions})

    def invoke(self) -> Grant:
        """To call the function and wait for its answer."""
        return allow(["lambda:InvokeFunction"], self.arn, settings={self._setting: self.name})

    def allow_invocation(self, name: str, *, service: str, source_arn: Text) -> aws.lambda_.Permission:
        """Let an AWS service call the function on behalf of ``source_arn`` alone."""
        return aws.lambda_.Permission(
            name,
            statement_id=name,
            action="lambda:InvokeFunction",
            function=self.name,
            principal=f"{service}.amazonaws.com",
            source_arn=source_arn,
            opts=self._child,
        )

    def call_by_rule(
        self,
        name: str,
        *,
        target: str,
        description: str,
        parent: pulumi.Resource,
        schedule: str | None = None,
        pattern: Text | None = None,
        retry_for: timedelta = timedelta(hours=1),
        retries: int = 10,
    ) -> aws.cloudwatch.EventRule:
        """Call the function by an EventBridge rule; a call that can't be delivered becomes a dead letter.

        Parameters
        ----------
        name : str
            Of the rule, and of the permission and the target.
        target : str
            What the rule calls its target.
        description : str
            Of the rule.
        parent : Resource
            Whose children the resources are.
        schedule : str, optional
            Such as ``rate(1 hour)`` or ``cron(...)``, in UTC.
        pattern : text, optional
            Events to call it for, as JSON, if there is no schedule.
        retry_for : timedelta
            How long a call is tried again, at most ``retries`` times.
        """
        rule = aws.cloudwatch.EventRule(
            name,
            name=physical_name(name, "rule"),
            description=description,
            schedule_expression=schedule,
            event_pattern=pattern,
            tags=tags(capability=self.capability),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        permission = self.allow_invocation(name, service="events", source_arn=rule.arn)
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            target_id=target,
            arn=self.arn,
            dead_letter_config={"arn": self._platform.dead_letters.arn},
            retry_policy={
                "maximum_event_age_in_seconds": int(retry_for.total_seconds()),
                "maximum_retry_attempts": retries,
            },
            # A target without permission drops the events that come before it.
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
        )
        return rule

    def _environment(self, args: FunctionArgs, used: Grant) -> pulumi.Output[Mapping[str, str]]:
        settings: type[FunctionSettings] = args.handler.Settings
        # Names are checked here and now; values once they are known, before the function is made.
        declared = settings.environment(**merge(used, Grant(statements=(), settings=args.settings)).settings)
        powertools = {
            "POWERTOOLS_SERVICE_NAME": self.capability,
            "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }

        def checked(values: Mapping[str, Any]) -> Mapping[str, str]:
            environment = {key: str(value) for key, value in values.items()}
            settings.from_environment(environment)
            return {**environment, **powertools}

        return pulumi.Output.all(**declared).apply(checked)


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0][:256]
