"""`headwater local snapshot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import YesOption, commands, group
from headwater.cli.output import Answer, insist, listed, note

if TYPE_CHECKING:
    from pathlib import Path

NameArgument = Annotated[str, typer.Argument(help="Up to 64 letters, digits, '.', '_' and '-'.", metavar="NAME")]


def add_to(local: typer.Typer) -> None:
    """Add the commands to `headwater local`."""
    snapshot = group("snapshot", "Saved states of the local cloud, to come back to.", local)
    commands(snapshot, save, restore, list_saved, delete)


def save(
    name: NameArgument,
    replace: Annotated[bool, typer.Option("--replace", help="Let an earlier snapshot of that name give way.")] = False,
) -> Answer:
    """Save everything that is on the local cloud under a name; a cloud that runs goes on."""
    from localcloud.control import as_size

    from localcloud import snapshots

    saved = snapshots.save(_directory(), name, replace=replace)
    note(f"saved: {as_size(saved.size)}; back to it: headwater local snapshot restore {name}")
    return Answer(saved.data())


def restore(name: NameArgument, yes: YesOption = False) -> Answer:
    """Bring the local cloud back to a saved state and start it; what is on it now is forgotten, so it asks."""
    from localcloud.control import as_size

    from localcloud import daemon, snapshots

    directory = _directory()
    kept = daemon.kept(directory)
    if kept is not None:
        insist(
            f"Forget what is on the local cloud now ({as_size(kept)}), and go back to {name!r}?",
            yes,
            "headwater local snapshot save ANOTHER_NAME keeps it",
        )
    restored = snapshots.restore(directory, name)
    running = daemon.up(directory, port=None)
    note(f"the local cloud is as it was at {restored.saved_at:%Y-%m-%d %H:%M:%S} UTC, at {running.endpoint}")
    note("if the project has changed since: headwater local up")
    return Answer({**restored.data(), "endpoint": running.endpoint})


def list_saved() -> Answer:
    """List the snapshots, oldest first."""
    from localcloud.control import as_size

    from localcloud import snapshots

    found = snapshots.saved(_directory())
    rows = [(one.name, one.saved_at, as_size(one.size)) for one in found]
    nothing = "none; save one: headwater local snapshot save NAME"
    return listed(("snapshot", "saved (UTC)", "size"), rows, [one.data() for one in found], nothing=nothing)


def delete(name: NameArgument, yes: YesOption = False) -> Answer:
    """Delete a snapshot for ever; asks before that."""
    from localcloud import snapshots

    insist(f"Delete the snapshot {name!r} for ever?", yes, "headwater local snapshot list")
    snapshots.delete(_directory(), name)
    note("deleted")
    return Answer({"name": name, "status": "deleted"})


def _directory() -> Path:
    from headwater.project import home

    return home() / "local"
