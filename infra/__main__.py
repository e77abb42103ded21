"""The Pulumi program: read the configuration, check the products, declare the stack."""

from __future__ import annotations

import sys
from pathlib import Path

# Pulumi runs this file from its own folder; everything is imported from the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.config import Config
from infra.products import checked
from infra.stack import build_stack

config = Config.load()
build_stack(config, checked())
