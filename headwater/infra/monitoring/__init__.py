"""Components that watch models."""
