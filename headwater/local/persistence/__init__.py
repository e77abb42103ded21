"""The local cloud's state on disk: what was acknowledged is there after a crash, a stop or a reboot."""

from __future__ import annotations

from headwater.local.persistence.keeper import Keeper

__all__ = ["Keeper"]
