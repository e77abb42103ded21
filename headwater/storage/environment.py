"""The clients that the environment of this process leads to: for programs, which are not given any.

Programs are the handlers, a container's task, an application of Spark and a command. What they call is given `CLIENTS`.
"""

from __future__ import annotations

from headwater.storage.clients import Clients

CLIENTS = Clients()
"""One of each service for the whole process."""
