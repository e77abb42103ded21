"""`headwater init`: a new model product that passes its own checks, to be edited into one's own."""

from __future__ import annotations

from headwater.scaffold.write import Scaffold, write

__all__ = ["Scaffold", "write"]
