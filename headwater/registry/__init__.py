"""The model registry: numbered versions, the aliases that say which one serves, and the log of every move."""
