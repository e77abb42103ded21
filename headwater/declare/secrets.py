"""References to secrets: a declaration says where one is kept, and never what it is."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

Secret = Annotated[
    str, StringConstraints(pattern=r"^(ssm:/[A-Za-z0-9_./-]{1,1000}|secretsmanager:[A-Za-z0-9_/+=.@-]{1,512})$")
]
"""Where a secret is kept: ``ssm:/path`` (a SecureString parameter) or ``secretsmanager:name``; never the secret."""
