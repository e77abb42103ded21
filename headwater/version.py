"""The version of both distributions; `make release` changes it."""

__version__ = "0.2.0.dev0"
