"""Every generated page: its files, its text, and what the code leaves undocumented of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.reference import client, commands, declarations, lineage, openapi, settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Page:
    """A page of docs/reference."""

    name: str
    files: Sequence[str]
    """From the repository's root; each has the same text."""
    render: Callable[[], str]
    undocumented: Callable[[], list[str]]
    """Names of what has no words of its own in the code, and so none on the page."""

    def write(self) -> None:
        """Write the files anew."""
        text = self.render()
        for file in self.files:
            (ROOT / file).write_text(text, encoding="utf-8")

    def stale(self) -> list[str]:
        """The files that don't hold what the code says."""
        text = self.render()
        return [file for file in self.files if not (ROOT / file).is_file() or (ROOT / file).read_text("utf-8") != text]


ALL: Sequence[Page] = (
    Page("commands", ("docs/reference/commands.md",), commands.render, commands.undocumented),
    Page("settings", ("docs/reference/settings.md",), settings.render, settings.undocumented),
    Page("declarations", ("docs/reference/declarations.md",), declarations.render, declarations.undocumented),
    Page("client", ("docs/reference/client.md",), client.render, client.undocumented),
    Page("lineage", ("docs/reference/lineage.md",), lineage.render, lineage.undocumented),
    # The bundle of the predict function holds the second one, which `GET /openapi.json` answers with.
    Page("openapi", ("docs/reference/openapi.json", openapi.SERVED), openapi.render, openapi.undocumented),
)
