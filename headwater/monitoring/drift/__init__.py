"""Drift: the reference bank, the verdict on a window, and the state that verdicts make."""
