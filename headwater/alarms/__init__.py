"""Who hears of an alarm: every event is kept, repeats are counted, and people are told once."""
