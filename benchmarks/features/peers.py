"""The peer, Feast, in an environment of its own (``benchmarks/.env/feast``), and how measured processes are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FEAST = "0.67.0"
FOLDER = ROOT / "benchmarks" / ".env" / "feast"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "FEAST_USAGE": "False",
    "PYTHONWARNINGS": "ignore",
}


def feast() -> Path | None:
    """The Python of Feast's own environment, made if need be; None if Feast can't be installed here."""
    python = FOLDER / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    try:
        if not python.exists():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(FOLDER)], check=True)
        # With what its DuckDB offline store and its DynamoDB online store need.
        wanted = [uv, "pip", "install", "--quiet", "--python", str(python), f"feast[duckdb,aws]=={FEAST}"]
        subprocess.run(wanted, check=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Feast {FEAST} can't be installed here, so nothing stands beside our figures: {error}", file=sys.stderr)
        return None
    return python


def run(command: Sequence[str | Path], **environment: str) -> dict[str, Any]:
    """What a process printed as JSON on its last line."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=ROOT, env={**ENVIRONMENT, **environment}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
