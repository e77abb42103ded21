"""docs/reference/settings.md: every key of a stack's configuration and every variable that is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from headwater.infra.platform.config import NAMESPACE, Config
from tools.reference.source import bullet, fields, markdown

_HEAD = f"""\
<!-- Written by `make reference` from headwater/infra/platform/config.py: don't edit it. -->
# Settings of a stack

A stack's settings stand in `Pulumi.<stack>.yaml` under `{NAMESPACE}:`, or are set by `pulumi config set`:

    pulumi config set {NAMESPACE}:logRetentionDays 365
    pulumi config set {NAMESPACE}:alarmEmails '["on-call@example.com"]'

Whatever isn't text is written as JSON. A key that doesn't exist or a value that can't be used stops the program before
anything is made; the message names all of them at once. Every setting has a default that is safe in production.
"""


def render() -> str:
    """The page."""
    return "\n".join([_HEAD, *_entries(), ""])


def undocumented() -> list[str]:
    """Settings without a text below them."""
    return [entry.name for entry in fields(Config) if not entry.text]


def _entries() -> Iterator[str]:
    properties: Mapping[str, Any] = Config.model_json_schema(by_alias=True)["properties"]
    texts = {entry.name: entry.text for entry in fields(Config)}
    for name, field in Config.model_fields.items():
        key = field.alias or name
        schema = properties[key]
        default = json.dumps(field.get_default(call_default_factory=True))
        yield bullet(f"`{key}` ({type_of(schema)}; default `{default}`)", markdown(texts[name]))


def type_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type, in words."""
    if "anyOf" in schema:
        return " or ".join(type_of(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "null":
        return "`null`"
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if kind == "object":
        return f"object of {type_of(schema['additionalProperties'])}"
    if "pattern" in schema:
        return f"{kind} like `{schema['pattern']}`"
    return f"{kind}{''.join(_bounds(schema))}"


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, words in (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("multipleOf", "a multiple of"),
    ):
        if key in schema:
            yield f", {words} {schema[key]:,}"
