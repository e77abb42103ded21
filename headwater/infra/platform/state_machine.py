"""A state machine from a file of Amazon States Language, with its logs, traces, role and alarms."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import LOG_DELIVERY, TRACING, Grant, Role, Setting, allow, merge
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags

ANY_EXECUTION = "an execution's name isn't known before"
_PLACE = re.compile(r"\$\{(\w+)\}")


class InvalidDefinition(Exception):
    """A state machine's file and the values for it don't fit together."""


@dataclass(frozen=True, kw_only=True)
class StateMachineArgs:
    """A definition and what its places are filled with."""

    platform: Platform
    capability: str
    definition: Path
    """A file ``*.asl.json`` with places like ``${IngestFunctionArn}``; it lies beside its component."""
    steps: Mapping[str, Function]
    """The functions that it calls: ``"Ingest"`` may be invoked, and fills the place ``${IngestFunctionArn}``."""
    uses: Sequence[Grant] = ()
    """Other things that it works with: the permission, and values for places."""
    values: Mapping[str, Setting] = field(default_factory=dict)
    """A value for each other place; one too many or too few stops the deployment."""
    without: Collection[str] = ()
    """States of the definition that this stack doesn't need: what leads to them goes with them."""
    setting: str = ""
    """Name of the setting that leads who starts it to the machine; by default ``<name>_arn``."""
    help_command: str = "headwater runs list"
    """The command that tells of its runs."""


class StateMachine(pulumi.ComponentResource):
    """A standard state machine whose whole history is logged and traced; a failed run raises an alarm."""

    def __init__(self, name: str, args: StateMachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:StateMachine", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._setting = args.setting or f"{name.replace('-', '_')}_arn"
        arns = {f"{step}FunctionArn": function.arn for step, function in args.steps.items()}
        used = merge(
            *(Grant(statements=function.invoke().statements) for function in args.steps.values()),
            *args.uses,
            Grant(statements=(), settings={**arns, **args.values}),
        )
        logs = aws.cloudwatch.LogGroup(
            name,
            # Under this prefix a delivery needs no entry in the account's resource policy, which has room for a few.
            name=f"/aws/vendedlogs/states/{physical_name(name, 'state machine')}",
            retention_in_days=args.platform.config.log_retention_days,
            tags=tags(capability=args.capability),
            opts=child,
        )
        self.role = role = Role(
            name,
            service="states.amazonaws.com",
            grants=[LOG_DELIVERY, TRACING, used],
            capability=args.capability,
            opts=child,
        )
        text, file = without(args.definition.read_text(), args.without), args.definition.name
        self.machine = aws.sfn.StateMachine(
            name,
            name=physical_name(name, "state machine"),
            type="STANDARD",
            definition=pulumi.Output.from_input(dict(used.settings)).apply(lambda values: fill(text, values, file)),
            role_arn=role.ready,
            logging_configuration={
                "level": "ALL",
                "include_execution_data": True,
                "log_destination": pulumi.Output.concat(logs.arn, ":*"),
            },
            tracing_configuration={"enabled": True},
            tags=tags(capability=args.capability),
            opts=child,
        )
        self.arn = self.machine.arn
        run, said = f"A run of the {name} pipeline", args.help_command
        args.platform.topic.watch_failures(
            {
                f"{name}-failed": ("ExecutionsFailed", f"{run} failed: {said}"),
                f"{name}-timed-out": ("ExecutionsTimedOut", f"{run} ran out of time: {said}"),
            },
            namespace="AWS/States",
            dimensions={"StateMachineArn": self.arn},
            capability=args.capability,
            parent=self,
        )
        self.register_outputs({"arn": self.arn})

    def start(self) -> Grant:
        """To start a run."""
        return allow(["states:StartExecution"], self.arn, settings={self._setting: self.arn})

    def describe(self) -> Grant:
        """To see how a run stands."""
        runs = self.arn.apply(lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*")
        return allow(["states:DescribeExecution"], runs, wildcard=ANY_EXECUTION, settings={self._setting: self.arn})


def without(text: str, states: Collection[str]) -> str:
    """A definition without some states. Choices that lead to one are left out; a Choice that is one, and that the
    machine starts at, gives way to its default."""
    if not states:
        return text
    definition = json.loads(text)
    found = definition["States"]
    while definition["StartAt"] in states:
        definition["StartAt"] = found[definition["StartAt"]]["Default"]
    definition["States"] = {
        name: {**state, "Choices": [one for one in state["Choices"] if one["Next"] not in states]}
        if "Choices" in state
        else state
        for name, state in found.items()
        if name not in states
    }
    return json.dumps(definition)


def fill(text: str, values: Mapping[str, object], file: str) -> str:
    """``text`` with each ``${Place}`` replaced by its value.

    Raises
    ------
    InvalidDefinition
        A place has no value, a value has no place, or the outcome isn't JSON.
    """
    places = set(_PLACE.findall(text))
    missing, unused = sorted(places - values.keys()), sorted(values.keys() - places)
    wrong = {"no value for": missing, "no place for": unused}
    if missing or unused:
        problems = "; ".join(f"{what} {', '.join(names)}" for what, names in wrong.items() if names)
        raise InvalidDefinition(f"{file}: {problems}")
    filled = _PLACE.sub(lambda place: json.dumps(str(values[place[1]]))[1:-1], text)
    try:
        return json.dumps(json.loads(filled), separators=(",", ":"))
    except json.JSONDecodeError as error:
        raise InvalidDefinition(f"{file} isn't JSON: {error}") from error
