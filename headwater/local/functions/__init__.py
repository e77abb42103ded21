"""Lambda: functions run from their zips, in processes of their own, through the documented Runtime API."""

from headwater.local.functions.room import Functions
from headwater.local.functions.types import Function, Invocation, LambdaError, Outcome

__all__ = ["Function", "Functions", "Invocation", "LambdaError", "Outcome"]
