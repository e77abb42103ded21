"""The command ``localcloud``: AWS on this machine, without Docker and without an account."""

from localcloud.cli.command import main

__all__ = ["main"]
