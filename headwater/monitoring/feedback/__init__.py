"""Feedback of end users: what they said of single predictions, kept with its history, and how much of it there is."""
