"""The Python client: everything that the command line does, on any stack.

>>> import headwater
>>> stack = headwater.connect()                       # the local cloud that runs in this project, or HEADWATER_STACK
>>> stack.upload("flights", "flights-2013-01.csv")    # doctest: +SKIP
"""

from __future__ import annotations

from headwater.client.description import Description, find
from headwater.client.stack import Stack

__all__ = ["Description", "Stack", "connect"]


def connect(stack: str | None = None) -> Stack:
    """Connect to a deployed stack.

    Parameters
    ----------
    stack : str, optional
        Its name; by default what HEADWATER_STACK says, else the local cloud that runs in this project.

    Raises
    ------
    NoStack
        There is no such stack where the AWS credentials lead; the message says what to do.
    """
    return Stack(*find(stack))
