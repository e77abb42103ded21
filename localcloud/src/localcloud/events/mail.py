"""E-mail on a laptop: what SNS would send is written to a folder as ``.eml`` files, for people to read."""

from __future__ import annotations

import re
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

SENDER = "AWS Notifications <no-reply@sns.amazonaws.com>"


class Outbox:
    """A folder of messages, one file each, in the order in which they would have been sent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, *, recipient: str, subject: str, body: str, message_id: str, at: datetime) -> Path:
        """Keep one message; returns its file. The same message id for the same recipient is one file."""
        message = EmailMessage()
        message["From"] = SENDER
        message["To"] = recipient
        message["Subject"] = " ".join(subject.split())
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{message_id}@sns.local>"
        message.set_content(body)
        self.directory.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.@+-]+", "-", f"{at:%Y%m%dT%H%M%S}-{recipient}-{message_id}")
        path = self.directory / f"{name}.eml"
        path.write_bytes(bytes(message))
        return path
