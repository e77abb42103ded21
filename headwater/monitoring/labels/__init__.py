"""Labels: what really happened after a prediction, from the lake or written down."""
