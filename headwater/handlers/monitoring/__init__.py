"""Functions that watch models."""
