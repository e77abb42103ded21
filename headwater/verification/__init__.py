"""The library's own small product, which `headwater verify` uploads, trains and asks on a deployed stack.

It is in the bundles and the image of every stack unless the setting ``headwater:verify`` is false, and it stands in no
list of a project's products (docs/decisions/0102). What is here must stay light: functions import it.
"""

from __future__ import annotations

RESERVED = "headwater_verify"
"""A prefix that no name of a project's own declarations may have."""
SOURCE = "headwater_verify_rows"
VIEW = "headwater_verify_level"
MODEL = "headwater_verify"
UNIT = "headwater_verify_unit"
"""The join key: online items of any other product's entities have another one."""


def is_reserved(name: str) -> bool:
    """Whether ``name`` belongs to the library's own product."""
    return name.startswith(RESERVED)
