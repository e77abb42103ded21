"""No module of the distribution imports, over whatever way, what imports it; imports within functions count too."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_import_leads_in_a_circle() -> None:
    graph = grimp.build_graph("localcloud")
    order = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    order.prepare()  # raises CycleError, with the circle
    assert len(graph.modules) > 100
