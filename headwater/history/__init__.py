"""The infrastructure history: every Pulumi update of a stack, what existed after it, and who brought it about."""
