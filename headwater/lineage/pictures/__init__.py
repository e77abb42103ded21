"""Pictures of a lineage graph: SVG, the terminal, Graphviz and PROV-JSON, all from plain nodes and edges."""
