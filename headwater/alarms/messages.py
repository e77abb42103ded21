"""Notifications in words: the subject and text that people read, and the document that programs read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headwater.alarms.events import UNPARSED
from headwater.alarms.types import AlarmLine, Kind, Notice

_WORDS = {
    Kind.FIRING: "ALARM",
    Kind.UPDATED: "ALARM, in part over",
    Kind.REMINDER: "STILL ALARM",
    Kind.ESCALATED: "NOT ACKNOWLEDGED",
    Kind.RECOVERED: "OK again",
    Kind.TEST: "TEST",
}
_SHOWN = 20


def title(notice: Notice) -> str:
    """One line: why people are told, and of which alarms."""
    names = list(dict.fromkeys(line.name for line in notice.lines if line.name))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    nothing = "nothing is wrong" if notice.kind is Kind.TEST else notice.group
    count = max(notice.firing, notice.resolved)
    many = f" ({count} alarms)" if count > 1 else ""
    return plain(f"{_WORDS[notice.kind]}: {shown or nothing}{many}")


def subject(notice: Notice) -> str:
    """The same in plain ASCII, at most 100 characters: what SNS takes as an e-mail's subject."""
    return title(notice).encode("ascii", "replace").decode()[:100]


def plain(text: str) -> str:
    """Text without control characters: one line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def text(notice: Notice, runbooks: str) -> str:
    """A few lines for people, without markup.

    Parameters
    ----------
    notice : Notice
        To be told.
    runbooks : str
        Beginning of the addresses of runbooks.
    """
    lines = [notice.note] if notice.note else []
    for line in notice.lines[:_SHOWN]:
        lines += [*_paragraph(line, runbooks), ""]
    if (left := notice.firing + notice.resolved - min(len(notice.lines), _SHOWN)) > 0:
        lines += [f"and {left} more", ""]
    if notice.kind in {Kind.FIRING, Kind.UPDATED, Kind.REMINDER, Kind.ESCALATED} and any(
        line.name != UNPARSED for line in notice.lines
    ):
        lines.append(f"acknowledge: {notice.ack_url or f'headwater alarms ack {notice.group}'}")
    return "\n".join(lines).strip()


def _paragraph(line: AlarmLine, runbooks: str) -> list[str]:
    if line.name == UNPARSED:
        return ["A message came that is no CloudWatch alarm", line.reason]
    labels = ", ".join(f"{name}={value}" for name, value in sorted(line.labels.items()) if name != "alarmname")
    said = [f"{line.name} is {line.state.value} since {line.since:%Y-%m-%d %H:%M:%S} UTC"]
    said += [labels] if labels else []
    said += [words for words in (line.description, line.reason) if words]
    said += [f"runbook: {runbook(line, runbooks)}"] if line.runbook else []
    return said


def runbook(line: AlarmLine, runbooks: str) -> str:
    """Address of the page about an alarm; empty if there is none."""
    return f"{runbooks}{line.runbook}.md" if line.runbook else ""


def document(notice: Notice, runbooks: str) -> dict[str, Any]:
    """The JSON that a webhook and an event bus get; ``text`` is what chat programs show."""
    return {
        "version": 2,
        "group": notice.group,
        "generation": notice.generation,
        "kind": notice.kind.value,
        "labels": dict(notice.labels),
        "firing": notice.firing,
        "resolved": notice.resolved,
        "note": notice.note,
        "at": notice.at.isoformat(),
        "opened_at": _iso(notice.opened_at),
        "acknowledge_url": notice.ack_url or None,
        "alarms": [
            {
                "alarm": line.name,
                "state": line.state.value,
                "since": line.since.isoformat(),
                "labels": dict(line.labels),
                "reason": line.reason,
                "description": line.description,
                "runbook": runbook(line, runbooks),
                "fingerprint": line.fingerprint,
            }
            for line in notice.lines
        ],
        "text": f"{title(notice)}\n{text(notice, runbooks)}",
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
