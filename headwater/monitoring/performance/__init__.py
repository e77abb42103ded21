"""How good a model is: realised from labels, estimated without them, and how much of a difference is chance."""
