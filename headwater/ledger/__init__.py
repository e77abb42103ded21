"""The infrastructure ledger: every Pulumi update of a stack, what existed after it, and who brought it about."""
