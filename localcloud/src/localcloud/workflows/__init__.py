"""Step Functions: moto's interpreter, run for real and taught what AWS does around it."""

from localcloud.workflows.emulator import Workflows

__all__ = ["Workflows"]
