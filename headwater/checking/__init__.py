"""Finds faults of products that a declaration can't see in itself, before anything is deployed.

References are imported, contracts are looked at, every query is bound, and run on rows of a sample or on made ones.
`headwater check`, `headwater local up` and the Pulumi program all begin with `checked_catalog`.
"""

from headwater.checking.products import ProductProblems, checked_catalog, problems

__all__ = ["ProductProblems", "checked_catalog", "problems"]
