"""The page behind a link in a notification: shows a group, and lets its reader acknowledge it.

Programs follow links in messages (mail scanners, previews of chat programs), so that opening the page changes nothing:
only its form's POST does. The page asks nobody for anything: no script, no picture, no font, one style of its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape

from headwater.alarms.messages import plain
from headwater.alarms.types import Group, GroupStatus, Instance

HOURS = (1, 4, 24)
"""Choices of how long somebody is at it."""
LONGEST_NAME, LONGEST_NOTE = 80, 300
_SHOWN = 20
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 40rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
.state { margin: 0 0 1rem; }
.said { border-left: .25rem solid #2a7d46; padding: .25rem .75rem; }
.refused { border-left-color: #b3261e; }
ul { list-style: none; margin: 0 0 1rem; padding: 0; }
li { border: 1px solid #8886; border-radius: .5rem; margin: 0 0 .5rem; padding: .5rem .75rem; }
li p { margin: .25rem 0 0; }
small { opacity: .8; }
form { border-top: 1px solid #8886; padding-top: 1rem; }
label, fieldset { display: block; margin: 0 0 .75rem; }
fieldset { border: 0; padding: 0; }
fieldset label { display: inline-block; margin: 0 1rem 0 0; min-height: 2rem; }
input[type=text] { box-sizing: border-box; display: block; font: inherit; padding: .5rem; width: 100%; }
button { background: #1f5fae; border: 0; border-radius: .5rem; color: #fff; font: inherit; min-height: 2.75rem;
  padding: .5rem 1rem; width: 100%; }
button:focus-visible, input:focus-visible { outline: .2rem solid #e0a800; outline-offset: .1rem; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # The address holds the token.
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def of_group(
    group: Group, instances: Sequence[Instance], now: datetime, token: str, *, said: str = "", refused: str = ""
) -> str:
    """The page of a group.

    Parameters
    ----------
    group : Group
    instances : sequence of Instance
        Its alarms.
    now : datetime
        The time, UTC.
    token : str
        Of the link; the form sends it again.
    said, refused : str
        What became of the form, in words.
    """
    firing = sorted((one for one in instances if one.fires(now) and not one.is_message), key=lambda one: one.since)
    names = list(dict.fromkeys(one.name for one in firing)) or [group.labels.get("alarmname", "Nothing fires")]
    head = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    parts = [f"<h1>{_text(head)}</h1>", f'<p class="state">{_text(_state(group, len(firing)))}</p>']
    parts += [f'<p class="said" role="status">{_text(said)}</p>'] if said else []
    parts += [f'<p class="said refused" role="alert">{_text(refused)}</p>'] if refused else []
    parts += ["<ul>", *map(_alarm, firing[:_SHOWN]), "</ul>"] if firing else []
    parts += [f"<p>and {len(firing) - _SHOWN} more</p>"] if len(firing) > _SHOWN else []
    if group.status is not GroupStatus.CLOSED and not said:
        parts.append(_form(group, token))
    parts.append(f"<p><small>Group {_text(group.id)}, generation {group.generation}. Times are UTC.</small></p>")
    return _page(head, parts)


def of_refusal(message: str) -> str:
    """The page of whoever may not see the group."""
    return _page("Link refused", [f'<p class="said refused" role="alert">{_text(message)}</p>'])


def _state(group: Group, firing: int) -> str:
    count = f"{firing} alarm{'s' * (firing != 1)} firing"
    if group.status is GroupStatus.CLOSED:
        return "Over: nothing fires."
    if group.status.is_quiet and group.until is not None:
        word = "Acknowledged" if group.status is GroupStatus.ACKED else "Snoozed"
        said = f" They say: {group.note}" if group.note else ""
        return f"{word} by {group.by} until {group.until:%Y-%m-%d %H:%M}; {count}.{said}"
    return f"Nobody has acknowledged it; {count}."


def _alarm(one: Instance) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(one.labels.items()) if name != "alarmname")
    lines = [f"<strong>{_text(one.name)}</strong> since {one.since:%Y-%m-%d %H:%M}"]
    lines += [f"<p><small>{_text(labels)}</small></p>"] if labels else []
    lines += [f"<p>{_text(words)}</p>" for words in (one.description, one.reason) if words]
    return f"<li>{''.join(lines)}</li>"


def _form(group: Group, token: str) -> str:
    choices = "".join(
        f'<label><input type="radio" name="hours" value="{hours}"{" checked" if hours == HOURS[1] else ""}> '
        f"{hours} hour{'s' * (hours != 1)}</label>"
        for hours in HOURS
    )
    return f"""<form method="post">
<input type="hidden" name="token" value="{_text(token)}">
<input type="hidden" name="generation" value="{group.generation}">
<label>Your name <input type="text" name="name" maxlength="{LONGEST_NAME}" autocomplete="name" required></label>
<label>Note (optional) <input type="text" name="note" maxlength="{LONGEST_NOTE}"></label>
<fieldset><legend>For how long</legend>{choices}</fieldset>
<button type="submit">Acknowledge: I am at it</button>
<p><small>Nobody is reminded until then, or until another alarm of the group goes off.</small></p>
</form>"""


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _text(words: str) -> str:
    return escape(plain(words), quote=True)
