"""What AWS refuses before it looks at anything: requests that are longer, larger or spelled otherwise than it takes."""

from localcloud.limits.emulator import Limits

__all__ = ["Limits"]
