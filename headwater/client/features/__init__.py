"""The feature store for people and notebooks; ``headwater.connect().features``."""
