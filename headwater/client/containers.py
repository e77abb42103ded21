"""Stops training containers: Step Functions' own attempt to stop a stopped run's container may fail."""

from __future__ import annotations

from headwater.storage.clients import Clients


def stop_container(clients: Clients, cluster: str, model: str, run_id: str, why: str) -> int:
    """Stop the tasks that train a run; returns how many there were."""
    ecs = clients("ecs")
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
