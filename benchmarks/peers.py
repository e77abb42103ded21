"""Peers in environments of their own (``benchmarks/.env/<peer>``), and how measured processes are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FEAST, DVC, MLMD, NANNYML = "0.67.0", "3.67.1", "1.17.1", "0.13.1"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "DVC_NO_ANALYTICS": "1",
    "FEAST_USAGE": "False",
    "PYTHONWARNINGS": "ignore",
}


def feast() -> Path | None:
    """The Python of Feast's own environment, with its DuckDB offline store and its DynamoDB online store."""
    return python_of("feast", f"feast[duckdb,aws]=={FEAST}")


def dvc() -> Path | None:
    """The Python of dvc's own environment."""
    return python_of("dvc", f"dvc=={DVC}")


def mlmd() -> Path | None:
    """The Python of ML Metadata's own environment."""
    return python_of("mlmd", f"ml-metadata=={MLMD}")


def nannyml() -> Path | None:
    """The Python of NannyML's own environment, with statsmodels, which its plots import and its wheel doesn't name."""
    return python_of("nannyml", f"nannyml=={NANNYML}", "statsmodels")


def python_of(peer: str, *requirements: str) -> Path | None:
    """The Python of a peer's environment, made if need be; None if the peer can't be installed here."""
    folder = ROOT / "benchmarks" / ".env" / peer
    python, uv = folder / "bin" / "python", str(Path(sys.executable).with_name("uv"))
    try:
        if not python.exists():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        wanted = [uv, "pip", "install", "--quiet", "--python", str(python), *requirements]
        subprocess.run(wanted, check=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{requirements[0]} can't be installed here: only our figures are measured: {error}", file=sys.stderr)
        return None
    return python


def run(command: Sequence[str | Path], **environment: str) -> dict[str, Any]:
    """The JSON that a process printed on its last line."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=ROOT, env={**ENVIRONMENT, **environment}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
