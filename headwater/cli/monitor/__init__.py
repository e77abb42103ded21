"""`headwater monitor`: a module for each command."""

from __future__ import annotations

import typer

from headwater.cli.command import commands, group
from headwater.cli.monitor import dashboards
from headwater.cli.monitor.drift import drift
from headwater.cli.monitor.errors import errors
from headwater.cli.monitor.explain import explain
from headwater.cli.monitor.performance import performance
from headwater.cli.monitor.quality import quality
from headwater.cli.monitor.replay import replay
from headwater.cli.monitor.segments import segments
from headwater.cli.monitor.status import status


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    monitor = group("monitor", "Watching models: how each is, since when and why.", app)
    commands(monitor, status, drift, quality, segments, explain, replay, performance, errors)
    dashboards.add_to(monitor)
