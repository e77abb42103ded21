"""Functions of schedules."""
