"""Answering prediction requests: which version serves, what it needs, and what it said.

Needs onnxruntime, numpy and botocore, and nothing heavier: no scikit-learn, pandas, pickle or code of the user's.
"""
