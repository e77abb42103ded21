"""Where schedules are checked as AWS checks them; see `localcloud.events.moto_patches` for the manner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.events.exceptions import ValidationException as RuleInvalid
from moto.events.models import EventsBackend, Rule
from moto.scheduler.exceptions import ScheduleGroupNotFound
from moto.scheduler.exceptions import ValidationException as ScheduleInvalid
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule
from moto.scheduler.responses import EventBridgeSchedulerResponse

from localcloud.events import expressions, moto_patches
from localcloud.moto_patches.patches import Patches

active = moto_patches.active


def _put_rule(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto takes whatever looks like cron(...), and gives nobody a moment from which a rate could count.
    def put_rule(self: EventsBackend, name: str, *args: Any, **kwargs: Any) -> Rule:
        if expression := kwargs.get("scheduled_expression"):
            try:
                expressions.check(expression, is_rule=True)
            except ValueError as error:
                raise RuleInvalid("Parameter ScheduleExpression is not valid.") from error
        rule: Rule = original(self, name, *args, **kwargs)
        _note(rule.arn)
        return rule

    return put_rule


def _enable_rule(original: Callable[..., Any]) -> Callable[..., Any]:
    def enable_rule(self: EventsBackend, name: str, event_bus_arn: str | None) -> bool:
        done: bool = original(self, name, event_bus_arn)
        if done:
            _note(self.describe_rule(name, event_bus_arn).arn)
        return done

    return enable_rule


def _create_or_update_schedule(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_schedule(self: EventBridgeSchedulerBackend, **kwargs: Any) -> Schedule:
        text, zone = kwargs["schedule_expression"], kwargs.get("schedule_expression_timezone") or "UTC"
        try:
            expressions.check(text, zone=zone)
        except ValueError as error:
            raise ScheduleInvalid(f"Invalid Schedule Expression {text}.") from error
        if (kwargs.get("group_name") or "default") not in self.schedule_groups:
            raise ScheduleGroupNotFound(kwargs["group_name"])  # moto fails with a KeyError
        kwargs["state"] = kwargs.get("state") or "ENABLED"  # an update without a state leaves moto's at None
        schedule: Schedule = original(self, **kwargs)
        _note(schedule.arn)
        return schedule

    return put_schedule


def _update_schedule_response(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto forgets this parameter in an update.
    def update_schedule(self: EventBridgeSchedulerResponse) -> str:
        answer: str = original(self)
        name = self.uri.split("?")[0].split("/")[-1]
        schedule = self.scheduler_backend.get_schedule(self._get_param("GroupName"), name)
        schedule.action_after_completion = self._get_param("ActionAfterCompletion")
        return answer

    return update_schedule


def _note(arn: str) -> None:
    if active.emulator is not None:
        active.emulator.schedules.note(arn)


def apply(patches: Patches) -> None:
    """Hand over, until the patches are undone."""
    patches.wrap(EventsBackend, "put_rule", _put_rule)
    patches.wrap(EventsBackend, "enable_rule", _enable_rule)
    patches.wrap(EventBridgeSchedulerBackend, "create_schedule", _create_or_update_schedule)
    patches.wrap(EventBridgeSchedulerBackend, "update_schedule", _create_or_update_schedule)
    patches.wrap(EventBridgeSchedulerResponse, "update_schedule", _update_schedule_response)
