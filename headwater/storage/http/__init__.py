"""Signed requests to AWS without botocore's work: for the few calls that are made by the thousand."""
