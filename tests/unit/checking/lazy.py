"""A train function whose library is missing everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import no_such_types

try:
    import no_such_speedup
except ImportError:
    no_such_speedup = None


def fit(params: Mapping[str, Any], inputs: Any, label: no_such_types.Label) -> Any:
    """Never gets as far as to fit."""
    import no_such_library

    return no_such_library.fit(inputs, label, no_such_speedup)
