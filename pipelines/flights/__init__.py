"""The reference product: will a flight arrive more than 15 minutes late, asked two hours before departure."""
