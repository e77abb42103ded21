"""Every product that a stack serves: the project's own, and the library's small one that `headwater verify` uses.

A bundle or an image holds the package `headwater.verification` unless the stack's setting ``headwater:verify`` is
false; whether it is there is all that a function has to know. What runs by itself for all products (the hourly
materialisation, the daily parity) goes on with the project's own alone: `headwater.declare.load_catalog`.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from headwater.declare import Catalog, catalog, load_catalog, product_of

_PACKAGE = "headwater.verification"


def deployed_catalog(package: str = "pipelines") -> Catalog:
    """The declarations of the project's products, and of the library's own product if it is deployed.

    Raises
    ------
    InvalidProduct
        See `headwater.declare.load_catalog`.
    """
    own = load_catalog(package)
    if find_spec(_PACKAGE) is None:
        return own
    built_in = catalog([product_of(importlib.import_module(f"{_PACKAGE}.product"))])
    return Catalog(
        sources={**own.sources, **built_in.sources},
        views={**own.views, **built_in.views},
        models={**own.models, **built_in.models},
        collectors=own.collectors,
    )
