"""Long work as people follow it, on stderr: a line a stage with what it did and how long it took.

In a terminal the line of the stage at work moves; elsewhere only finished lines are printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from headwater.cli.output import is_terminal, note_console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_WIDTH = 26


class Stage:
    """One piece of work under way."""

    def __init__(self, title: str, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self.title = title
        self.detail = ""
        self._progress, self._task = progress, task

    def update(self, detail: str) -> None:
        """Say what it is doing, or in the end what it did; the last words stay."""
        self.detail = detail
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, detail=detail)


@contextmanager
def patiently(title: str, *, after: float) -> Iterator[Callable[[str], None]]:
    """Show what is waited for on a line that moves, if it takes more than ``after`` seconds and a person watches."""
    began, stage = time.monotonic(), None
    with ExitStack() as shown:

        def update(detail: str) -> None:
            nonlocal stage
            if stage is None and is_terminal() and time.monotonic() - began > after:
                stage = shown.enter_context(_moving(title))
            if stage is not None:
                stage.update(detail)

        yield update


@contextmanager
def _moving(title: str) -> Iterator[Stage]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn(f"{{task.description:<{_WIDTH}}}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=note_console(), transient=True) as progress:
        yield Stage(title, progress, progress.add_task(title, total=None, detail=""))


class Stages:
    """Follows stages one after the other; `seconds` holds how long each took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, key: str, title: str) -> Iterator[Stage]:
        """Follow one stage, known as ``key`` in `seconds`."""
        started = time.monotonic()
        failed = True
        stage = Stage(title)
        try:
            if is_terminal():
                with _moving(title) as stage:
                    yield stage
            else:
                yield stage
            failed = False
        finally:
            self.seconds[key] = round(time.monotonic() - started, 2)
            self._finish(stage, self.seconds[key], failed=failed)

    def _finish(self, stage: Stage, seconds: float, *, failed: bool) -> None:
        mark = "[red]✗[/red]" if failed else "[green]✓[/green]"
        from rich.markup import escape

        note_console().print(
            f"{mark} {escape(stage.title):<{_WIDTH}} {seconds:6.1f} s   [dim]{escape(stage.detail)}[/dim]".rstrip(),
            markup=True,
        )


@contextmanager
def counting(title: str) -> Iterator[Callable[[int], None]]:
    """Count things as they are dealt with, on a bar of unknown length; without a terminal nothing is shown."""
    if not is_terminal():
        yield lambda _: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=note_console(), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda more: progress.advance(task, more)
