"""Data version control beside dvc: commit, diff, verify, and how they grow."""
