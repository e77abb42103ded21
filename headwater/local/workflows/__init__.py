"""Step Functions: moto's interpreter, run for real and taught what AWS does around it."""

from headwater.local.workflows.room import Workflows

__all__ = ["Workflows"]
