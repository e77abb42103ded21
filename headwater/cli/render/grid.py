"""Rows and columns as wide as the terminal, in which no word is broken.

What doesn't fit side by side is shown one below the other: a block a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
"""Spaces between columns."""
EDGES = 2
"""The width that a table's box adds at its sides."""
INDENT = 2


@dataclass(frozen=True)
class Grid:
    """Cells under their columns' names.

    Attributes
    ----------
    columns : sequence of str
    rows : sequence of sequence of Text
    numbers : sequence of bool
        The columns that stand to the right.
    whole : sequence of bool
        The columns whose cells aren't broken, not even between words.
    title : str or None
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    numbers: Sequence[bool]
    whole: Sequence[bool]
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As a table if its words fit the width; else what a row is about has a line of its own, or each cell has."""
        # Without a terminal nothing has to fit: the reader is grep or a log.
        width = options.max_width if console.is_terminal else None
        if (widths := self._widths(width)) is not None:
            needed = sum(widths) + GAP * len(widths) + EDGES
            yield from console.render(self._table(widths), options.update(width=max(needed, options.max_width)))
        elif width is not None and len(self.columns) > 1 and (widths := self._widths(width - INDENT, 1)) is not None:
            yield from self._two_lines(widths)
        else:
            yield from self._blocks(options.max_width)

    def _widths(self, width: int | None, first: int = 0) -> list[int] | None:
        """The width of each column from the one numbered ``first`` on; None if they can't be made to fit."""
        names = self.columns[first:]
        cells = [[name, *(row[place].plain for row in self.rows)] for place, name in enumerate(names, first)]
        wanted = [max(map(_longest_line, column), default=0) for column in cells]
        if width is None:
            return wanted
        least = [
            wanted[place] if self.whole[place + first] else max(map(_longest_word, column), default=0)
            for place, column in enumerate(cells)
        ]
        room = width - GAP * (len(wanted) - 1) - EDGES
        if sum(least) > room:
            return None
        while (excess := sum(wanted) - room) > 0:
            # The widest gives first, down to the next widest.
            give = [place for place in range(len(wanted)) if wanted[place] > least[place]]
            widest = max(give, key=wanted.__getitem__)
            floor = max([least[widest], *(wanted[place] for place in give if wanted[place] < wanted[widest])])
            wanted[widest] -= min(excess, max(1, wanted[widest] - floor))
        return wanted

    def _table(self, widths: Sequence[int]) -> Table:
        made = Table(
            box=SIMPLE_HEAD,
            title=self.title,
            title_justify="left",
            title_style="bold",
            pad_edge=False,
            padding=(0, GAP - 1, 0, 0),
        )
        for place, name in enumerate(self.columns):
            made.add_column(
                name,
                justify="right" if self.numbers[place] else "left",
                overflow="fold",
                width=widths[place],
                no_wrap=self.whole[place],
            )
        for row in self.rows:
            made.add_row(*row)
        return made

    def _two_lines(self, widths: Sequence[int]) -> RenderResult:
        def rest(cells: Sequence[Text], style: str = "") -> Padding:
            made = Table.grid(padding=(0, GAP, 0, 0))
            for place, width in enumerate(widths, 1):
                made.add_column(
                    justify="right" if self.numbers[place] else "left",
                    overflow="fold",
                    width=width,
                    no_wrap=self.whole[place],
                )
            made.add_row(*cells, style=style)
            return Padding(made, (0, 0, 0, INDENT), expand=False)

        if self.title:
            yield Text(self.title, style="bold")
        yield Text("")
        yield Text(self.columns[0], style="bold")
        yield rest([Text(name) for name in self.columns[1:]], "bold")
        for row in self.rows:
            yield Text.assemble(row[0], overflow="fold")
            yield rest(row[1:])
        yield Text("")

    def _blocks(self, width: int) -> RenderResult:
        if self.title:
            yield Text(self.title, style="bold")
        indent = INDENT + max((cell_len(name) for name in self.columns[1:]), default=0) + GAP
        for row in self.rows:
            yield Text("")
            yield Text.assemble(f"{self.columns[0]} " if self.columns[0] else "", row[0], style="bold", overflow="fold")
            for name, cell in zip(self.columns[1:], row[1:], strict=True):
                if not cell.plain:
                    continue
                if max(map(_longest_word, [cell.plain])) > width - indent:
                    # A long word has a line of its own, from the left edge.
                    yield Text(f"  {name}")
                    yield Text.assemble(cell, overflow="fold")
                    continue
                named = Table.grid(padding=(0, GAP, 0, 0))
                named.add_column(width=indent - INDENT - GAP)
                named.add_column(overflow="fold", width=width - indent)
                named.add_row(name, cell)
                yield Padding(named, (0, 0, 0, INDENT), expand=False)
        yield Text("")


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.split("\n")), default=0)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
