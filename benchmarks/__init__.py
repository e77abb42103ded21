"""Speed claims, each run beside the peer that it is made against. Not tests: nothing fails on a time."""
