"""`headwater monitor dashboards`, `export` and `token`: models' statuses for Prometheus and Grafana."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, listed, note
from headwater.cli.times import time_in_utc
from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from headwater.monitoring.dashboards.tokens import ScrapeToken

OpenMetricsOption = Annotated[bool, typer.Option("--openmetrics", help="The format; there is one.", show_default=False)]
NameArgument = Annotated[str, typer.Argument(help="Name of the token, such as prometheus.")]


class Grafana(StrEnum):
    """Where the numbers of a dashboard of Grafana come from."""

    PROMETHEUS = "prometheus"
    CLOUDWATCH = "cloudwatch"


def add_to(monitor: typer.Typer) -> None:
    """Add the commands to the group ``monitor``."""
    commands(monitor, dashboards, export)
    token = group("token", "Tokens by which Prometheus reads the metrics of all models.", monitor)
    commands(token, create_token, list_tokens, revoke_token)


def dashboards(
    grafana: Annotated[
        Grafana | None, typer.Option("--grafana", help="Grafana's dashboard, of one source's numbers.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Prometheus' alerting rules.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write files into; by default stdout.")] = None,
) -> Answer:
    """Print or write dashboards and alerting rules; with --to alone all of them. CloudWatch's is part of the stack."""
    wanted = {_file(grafana)} if grafana else set()
    wanted |= {_RULES} if rules else set()
    if to is None and len(wanted) != 1:
        raise InvalidRequest(
            f"{'both' if wanted else 'neither'} of --grafana and --rules and no --to: expected one of them to print, "
            "or a folder to write into",
            next_steps=[
                "headwater monitor dashboards --grafana prometheus",
                "headwater monitor dashboards --to grafana",
            ],
        )
    texts = {name: make() for name, make in _files().items() if name in (wanted or _files())}
    if to is None:
        ((_, text),) = texts.items()
        return Answer({"text": text}, lambda _: typer.echo(text, nl=False))
    written = [str(_write(to / name, text)) for name, text in sorted(texts.items())]
    note("wrote " + ", ".join(written))
    return Answer({"files": written})


def export(
    since: Annotated[
        str | None, typer.Option("--since", help="First moment, ISO 8601; UTC without a time zone.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="First moment that is no longer exported.")] = None,
    openmetrics: OpenMetricsOption = True,  # noqa: ARG001
    to: Annotated[Path | None, typer.Option("--to", help="File to write; by default stdout.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Write the models' statuses with their times, for promtool tsdb create-blocks-from openmetrics."""
    first = None if since is None else time_in_utc(since, "--since")
    last = None if until is None else time_in_utc(until, "--until")
    lines = list(connect(stack).monitor.openmetrics(since=first, until=last))
    text = "".join(lines)
    if to is None:
        return Answer({"text": text}, lambda _: typer.echo(text, nl=False))
    _write(to, text)
    note(f"wrote {to}; next: promtool tsdb create-blocks-from openmetrics {to} DATA_FOLDER")
    return Answer({"file": str(to), "samples": sum(not line.startswith("#") for line in lines)})


def create_token(
    name: NameArgument,
    days: Annotated[int, typer.Option("--days", min=1, help="Days that it is good for.")] = 365,
    stack: StackOption = None,
) -> Answer:
    """Make a token for Prometheus and print it, this once: only its hash is kept."""
    connected = connect(stack)
    token, kept = connected.monitor.tokens.create(name, days=days)
    note(f"good until {kept.expires_at:%Y-%m-%d} for {connected.description.api_url.rstrip('/')}/metrics/scrape")
    note("it can't be shown again; docs/how-to/grafana.md says where it goes")
    data = {"name": name, "token": token, "expires_at": kept.expires_at}
    return Answer(data, lambda _: typer.echo(token))


def list_tokens(stack: StackOption = None) -> Answer:
    """List tokens: who made them, until when they are good, and whether they still are."""
    found, now = connect(stack).monitor.tokens.list(), datetime.now(UTC)
    rows = [
        (token.name, f"{token.created_at:%Y-%m-%d}", token.created_by, f"{token.expires_at:%Y-%m-%d}", _how(token, now))
        for token in found
    ]
    nothing = "there is no token; next: headwater monitor token create prometheus"
    return listed(("name", "created", "by", "expires", "is"), rows, nothing=nothing)


def revoke_token(name: NameArgument, stack: StackOption = None) -> Answer:
    """Make a token useless, from the next request on."""
    revoked = connect(stack).monitor.tokens.revoke(name)
    note(f"{name} was revoked at {revoked.revoked_at:%Y-%m-%d %H:%M} UTC")
    return Answer({"name": name, "revoked_at": revoked.revoked_at})


def _how(token: ScrapeToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "good" if token.is_good(now) else "expired"


_RULES = "rules.yml"


def _file(source: Grafana) -> str:
    return f"grafana-{source.value}.json"


def _files() -> Mapping[str, Callable[[], str]]:
    from headwater.monitoring.dashboards.grafana import Source, dashboard
    from headwater.monitoring.dashboards.rules import rules

    def of(source: Grafana) -> Callable[[], str]:
        return lambda: json.dumps(dashboard(Source(source.value)), indent=2) + "\n"

    return {**{_file(source): of(source) for source in Grafana}, _RULES: rules}


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidRequest(f"{path} can't be written: {error.strerror}. Give a place that can with --to") from error
    return path
