"""All rules, by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headwater.infra.policies import access, compute, messaging, storage, tagging
from headwater.infra.policies.rule import Rule

RULES: Final[Mapping[str, Rule]] = {
    found.id: found
    for module in (storage, compute, messaging, access, tagging)
    for found in vars(module).values()
    if isinstance(found, Rule)
}
