"""The Pulumi program: read the configuration, check the products, declare the stack."""

from __future__ import annotations

from headwater.infra.config import Config
from headwater.infra.products import check_products
from headwater.infra.stack import build_stack

config = Config.load()
build_stack(config, check_products())
