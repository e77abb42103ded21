"""The command ``localcloud``: AWS on this machine, without Docker and without an account."""

from localcloud.cli.main import main

__all__ = ["main"]
