"""The code that is deployed and that starts runs: its git commit, whether it was clean, its hashes and its diff."""
