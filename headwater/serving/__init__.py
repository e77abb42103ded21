"""Answering prediction requests: which version serves, what it needs, and what it said.

Needs onnxruntime, numpy and boto3, and nothing heavier: no scikit-learn, no pandas, no code of the user's, no pickle.
"""
