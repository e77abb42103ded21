"""Days of predictions by ``as_of``: what each compacted part adds to them is counted once and stored."""
