"""``python -m tools.reference`` writes every page, ``python -m tools.reference commands settings`` only those."""

from __future__ import annotations

import sys

from tools.reference import costs, policies
from tools.reference.pages import ALL


def main(wanted: list[str]) -> int:
    """Write the named pages, or all; 2 if one doesn't exist."""
    known = [*(page.name for page in ALL), policies.NAME, costs.NAME]
    if unknown := sorted(set(wanted) - set(known)):
        print(f"no page {', '.join(unknown)}: expected {', '.join(known)}", file=sys.stderr)
        return 2
    for page in ALL:
        if not wanted or page.name in wanted:
            page.write()
    for deployed in (policies, costs):
        if not wanted or deployed.NAME in wanted:
            deployed.write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
