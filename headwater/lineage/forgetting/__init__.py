"""Reports on personal data: where in a stack data of an entity lies, and the effect of removing it."""
