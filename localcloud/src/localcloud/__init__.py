"""AWS on a laptop: moto, and the parts of AWS that moto leaves out."""
