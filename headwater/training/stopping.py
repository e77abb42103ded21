"""A person stops a run: who, why and when, and what becomes of its container."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from headwater.aws import client
from headwater.errors import Refused

STOP_FILE = "stopped.json"
STOPPED = "Stopped"
"""The error that a stopped execution carries."""


class Stop(BaseModel):
    """Who stopped a run, and why; kept with its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    why: str = ""
    at: AwareDatetime

    def __str__(self) -> str:
        return f"stopped by {self.by or 'somebody'}{f': {self.why}' if self.why else ''}"


class RunStopped(Refused):
    """The run was stopped by a person: nothing of it is registered."""


def stop_container(cluster: str, model: str, run_id: str, why: str) -> int:
    """Stop the tasks that train a run; how many. Step Functions does so by itself, but only as well as it can."""
    ecs = client("ecs")
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
    command, stopped = ["train", model, run_id], 0
    for page in pages:
        if not page["taskArns"]:
            continue
        for task in ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]:
            overrides = task.get("overrides", {}).get("containerOverrides", [])
            if any(entry.get("command") == command for entry in overrides):
                # ECS takes 255 characters.
                ecs.stop_task(cluster=cluster, task=task["taskArn"], reason=why[:255])
                stopped += 1
    return stopped
