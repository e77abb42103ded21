"""What exists: one capability, one component, one file. `__main__` puts them together."""
