"""Least privilege, enforced: what a role's policies don't allow is refused here as it is on AWS."""

from localcloud.identity.room import Identity

__all__ = ["Identity"]
