"""Where moto answers otherwise than AWS and one replaced method puts it right; undone when the cloud closes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def corrected(*names: str) -> Iterator[None]:
    """Moto of this very process, such as ``mock_aws``, with some of these patches; for tests without a local cloud.

    Parameters
    ----------
    *names : str
        Modules of this package whose ``apply`` takes nothing but the patches, such as ``"dynamodb_transactions"``.
    """
    from localcloud.moto_patches.patches import Patches

    patches = Patches()
    try:
        for name in names:
            importlib.import_module(f"{__name__}.{name}").apply(patches)
        yield
    finally:
        patches.close()
