"""Tokens that let an end user tell what a prediction was worth: made by the predict path, checked by the feedback
route."""
