"""Least privilege, enforced: what a role's policies don't allow is refused here as it is on AWS."""

from localcloud.identity.emulator import Identity

__all__ = ["Identity"]
