"""Lineage in the client: the verbs, and the parts of the graph that they answer with."""
