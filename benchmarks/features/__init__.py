"""The feature store beside Feast: the point-in-time join, materialising and reading online."""
