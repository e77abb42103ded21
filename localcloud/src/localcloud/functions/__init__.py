"""Lambda: functions run from their zips, in processes of their own, through the documented Runtime API."""

from localcloud.functions.emulator import Functions
from localcloud.functions.types import Function, Invocation, LambdaError, Outcome

__all__ = ["Function", "Functions", "Invocation", "LambdaError", "Outcome"]
