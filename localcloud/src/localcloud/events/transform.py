"""What a rule's target gets to see: the event, a part of it, a constant, or a template filled from it.

After https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html and what AWS was seen to
do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_STEP = re.compile(r"\.([\w\-]+)|\[(\d+|\*)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_PREDEFINED = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event",
        "aws.events.event.json",
        "aws.events.event.ingestion-time",
    }
)

Event = dict[str, Any]


class InputInvalid(ValueError):
    """A target's input can't be made: AWS refuses the target, or accepts it and drops the event."""


def dump(value: Any) -> str:
    """JSON as AWS writes it: no blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def check_target(target: Mapping[str, Any]) -> None:
    """Refuse what PutTargets refuses; raises `InputInvalid` with AWS's text."""
    target_id = target["Id"]
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name)]
    if len(given) > 1:
        raise InputInvalid(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target_id}."
        )
    if transformer := target.get("InputTransformer"):
        known = set(transformer.get("InputPathsMap") or {}) | _PREDEFINED
        for name in _PLACEHOLDER.findall(transformer.get("InputTemplate", "")):
            if name not in known:
                raise InputInvalid(f"InputTemplate for target {target_id} contains invalid placeholder {name}.")


def target_input(target: Mapping[str, Any], event: Event, *, rule_arn: str, ingested: str) -> str:
    """The text that ``target`` is sent for ``event``.

    Parameters
    ----------
    target : mapping
        As given to PutTargets.
    event : dict
        The event, its time as text.
    rule_arn : str
        The rule that matched.
    ingested : str
        When EventBridge got the event, ISO 8601.

    Raises
    ------
    InputInvalid
        The filled template isn't JSON, or the path leads nowhere.
    """
    if target.get("Input"):
        return str(target["Input"])
    if path := target.get("InputPath"):
        found = look_up(event, path)
        if found is None:
            raise InputInvalid(f"InputPath {path} leads nowhere in the event")
        return dump(found)
    if transformer := target.get("InputTransformer"):
        values: dict[str, Any] = {
            "aws.events.rule-arn": rule_arn,
            "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
            "aws.events.event.json": event,
            "aws.events.event": _without_detail(event, ingested),
            "aws.events.event.ingestion-time": ingested,
        }
        values |= {name: look_up(event, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
        return fill(transformer.get("InputTemplate", ""), values)
    return dump(event)


def look_up(event: Any, path: str) -> Any:
    """The value at a JSON path such as ``$.detail.items[0]``; None if there is none."""
    value, position = event, 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return None
        name = step[1] or step[3] or step[4]
        try:
            if name is not None:
                value = [item[name] for item in value] if isinstance(value, list) else value[name]
            elif step[2] != "*":
                value = value[int(step[2])]
        except (KeyError, IndexError, TypeError):
            return None
        position = step.end()
    return value


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Replace each ``<name>`` in ``template``.

    Between quotation marks a value loses its own; a template that is one quoted text takes objects too, written without
    any quotation marks, while inside a JSON template they break the JSON and with it the delivery, as on AWS.
    """
    is_text = template.lstrip().startswith('"')
    parts: list[str] = []
    position, quoted = 0, False
    for placeholder in _PLACEHOLDER.finditer(template):
        before = template[position : placeholder.start()]
        parts.append(before)
        quoted ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
        position = placeholder.end()
        if placeholder[1] not in values:
            parts.append(placeholder[0])
            continue
        parts.append(_written(values[placeholder[1]], quoted=quoted, is_text=is_text))
    text = "".join(parts) + template[position:]
    if not is_text:
        try:
            json.loads(text)
        except ValueError as error:
            raise InputInvalid(f"the filled InputTemplate is not JSON: {error}") from error
    return text


def _written(value: Any, *, quoted: bool, is_text: bool) -> str:
    if value is None:
        return "" if quoted else '""'
    if not quoted:
        return dump(value)
    if isinstance(value, str):
        return dump(value)[1:-1]
    return dump(value).replace('"', "") if is_text else dump(value)


def _without_detail(event: Event, ingested: str) -> Event:
    """``<aws.events.event>``: the event's envelope, in a spelling of its own."""
    envelope = {key: value for key, value in event.items() if key not in ("detail", "detail-type")}
    return envelope | {"detailType": event.get("detail-type"), "time": ingested}
