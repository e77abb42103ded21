"""`headwater demo`: real flights become a served model, through the deployed resources only."""

from __future__ import annotations

from headwater.demo.run import Outcome, run

__all__ = ["Outcome", "run"]
