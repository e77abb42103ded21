"""The hourly look: counts what came in, judges days that are over, and says how each model is."""
