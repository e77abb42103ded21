"""Checks the model products before anything is deployed for them."""

from __future__ import annotations

import pulumi

from headwater.checking import checked_catalog
from headwater.errors import InvalidRequest
from headwater.model import Catalog


def checked(package: str = "pipelines") -> Catalog:
    """Every product's declarations, checked as `headwater check` does.

    Raises
    ------
    pulumi.RunError
        Something is wrong; nothing is deployed. Pulumi shows its words without a traceback: what is wrong is in the
        products, not in this program.
    """
    try:
        return checked_catalog(package)
    except InvalidRequest as error:
        raise pulumi.RunError(f"the products have problems; nothing was deployed:\n{error.message}") from None
