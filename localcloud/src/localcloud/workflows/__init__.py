"""Step Functions: moto's interpreter, run for real and taught what AWS does around it."""

from localcloud.workflows.room import Workflows

__all__ = ["Workflows"]
