"""A model's card, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.cli.output import show, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.client.models import ModelCard


def show_card(console: Console, card: ModelCard) -> None:
    """Print who it is, how it was judged and where it came from."""
    aliases = f", serves as {' and '.join(card.aliases)}" if card.aliases else ""
    console.print(
        f"[bold]{card.model}[/bold] version {card.version} of {card.versions}: {card.status}{aliases}", markup=True
    )
    for reason in card.reasons:
        console.print(f"  rejected: {reason}", style="red")
    console.print(_metrics(card))
    for gate in card.gates:
        rule = gate.rule.replace("_", " ")
        reached = gate.reason or f"{gate.metric} {show(gate.value)}, {rule} {show(gate.limit)}"
        console.print(f"{_mark(gate.passed)} gate: {reached}", markup=True)
    parity = card.parity
    difference = f"at most {parity.largest_difference:.1g} on {parity.rows:,} rows"
    console.print(f"{_mark(parity.passed)} parity: ONNX differs from scikit-learn by {difference}", markup=True)
    for warning in card.warnings:
        console.print(f"! {warning}", style="yellow")
    if card.warnings:
        console.print(
            f"  It isn't promoted by itself. If the score is honest: headwater models promote {card.model} "
            f'{card.version} --why "..."'
        )
    facts = {
        "registered": show(card.registered_at) + " UTC",
        "rows": ", ".join(f"{count:,} {part}" for part, count in card.rows.items()),
        "parameters": ", ".join(f"{name}={show(value)}" for name, value in card.parameters.items()),
        "run": card.run_id,
        "started by": str(card.started_by or ""),
        "data version": card.data_version,
        **{f"  {source}": f"commit {commit}" for source, commit in sorted(card.commits.items())},
        "files": f"commit {card.commit} of models/{card.model}" if card.commit else "",
        "code": card.code_version,
    }
    console.print()
    for name, fact in facts.items():
        if fact:
            console.print(f"{name:<13} {fact}")
    for move in card.log[-5:]:
        console.print(f"{'production':<13} -> {move.to} at {show(move.at)} UTC {move.why}".rstrip())


def _mark(passed: bool) -> str:
    return "[green]✓[/green]" if passed else "[red]✗[/red]"


def _metrics(card: ModelCard) -> object:
    columns = ["held-out rows", "this version"]
    others = []
    if card.champion is not None:
        columns.append("champion")
        others.append(card.champion)
    if card.inputs_alone is not None:
        columns.append("inputs alone")
        others.append(card.inputs_alone)
    rows = [
        (name, f"{value:.4f}", *(f"{other[name]:.4f}" if name in other else "" for other in others))
        for name, value in sorted(card.metrics.items())
    ]
    return table(columns, rows)
