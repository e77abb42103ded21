"""Training: the machine that makes versions of models, and when it starts by itself."""
