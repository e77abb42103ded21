"""Watching models: what comes in, what goes out, and how good it was."""
