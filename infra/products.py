"""Checks the model products before anything is deployed for them."""

from __future__ import annotations

from headwater.model import Catalog, InvalidProduct, resolve


def check(catalog: Catalog) -> None:
    """See that every contract and train function that ``catalog`` refers to can be imported.

    Raises
    ------
    InvalidProduct
        Some can't; all of them are named.
    """
    references = {f"source {source.name!r}, contract": source.contract for source in catalog.sources.values()}
    references |= {f"model {model.name!r}, train": model.train for model in catalog.models.values()}
    problems = []
    for owner, reference in references.items():
        try:
            resolve(reference)
        except InvalidProduct as error:
            problems.append(f"{owner}: {error.message}")
    if problems:
        raise InvalidProduct("; ".join(problems))
