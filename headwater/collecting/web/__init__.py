"""Records of addresses."""
