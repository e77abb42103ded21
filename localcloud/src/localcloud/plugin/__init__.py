"""The local AWS provider as a plugin of the real Pulumi CLI: ``pulumi-resource-aws`` over Pulumi's provider protocol.

The same resource code as the embedded engine's, behind gRPC. The engine starts a program of that name which it finds on
PATH, instead of the official provider: `launcher` writes one, in a folder that only the local cloud puts on PATH.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

NAME: Final = "pulumi-resource-aws"


def launcher(folder: Path) -> Path:
    """Write the program by which the engine starts the plugin with this very Python; the folder to put on PATH.

    A script of the package's own couldn't know its Python. An entry point would stand beside `python` in the virtual
    environment, where ``pulumi up -s dev`` would find it too, and deploy to AWS with the wrong provider.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / NAME
    # -P: the folder that the engine runs in (the program's) must not decide what is imported.
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m localcloud.plugin "$@"\n'
    if not program.is_file() or program.read_text() != text:
        # Renamed into place: an engine that starts it right now sees all of it.
        draft = program.with_suffix(".new")
        draft.write_text(text)
        draft.chmod(0o755)
        draft.replace(program)
    return folder
