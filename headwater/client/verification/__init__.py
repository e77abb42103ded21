"""The acceptance of a deployed stack: `Stack.verify`, ``headwater verify``."""

from __future__ import annotations

from headwater.client.verification.types import CheckResult, CostLine, NoVerification, Outcome, Report
from headwater.client.verification.types import VerificationRunning as VerificationRunning

__all__ = ["CheckResult", "CostLine", "NoVerification", "Outcome", "Report", "VerificationRunning"]
