"""Signed requests to AWS without botocore's work, for the few calls that are made by the thousand.

Used for bulk commits, and for the look-up of a prediction. There urllib3 in place of the sockets costs a warm request
60 to 84% more CPU, botocore's session 125% more (`python -m benchmarks.predict.transport`; decision 53).
"""
