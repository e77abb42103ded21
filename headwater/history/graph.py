"""The canonical resource graph of a checkpoint, so that equal infrastructure has an equal digest.

Left out as volatile: timestamps, source positions, outputs, what the engine filled in by default (random names among
it), versions of providers, ids that AWS assigns, ciphertexts (a new nonce each time) and paths of assets. Where an
input holds an output of a resource that it depends on, the output's name stands instead: two VPCs made alike have
different ids, and the subnets in them are the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from headwater.history.errors import FileUnreadable
from headwater.history.types import Resource

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that marks what JSON has no word for (pulumi/sdk/go/common/resource/properties.go)."""
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type's signature
_ASSETS = {"c44067f5952c0a294b673a41bacd8c17": "asset", "0def7320c3a5731c473e5ecbe6d01bc7": "archive"}
_REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
_PROVIDER = "pulumi:providers:"
_DEFAULT_PROVIDER = re.compile(r"::default_[0-9][^:]*$")
_ASSIGNED = re.compile(r"(?=.*\d).{6,}")
"""Ids, ARNs, addresses, random names. Words (`ENABLED`) and short texts would be found where they don't come from."""
_PLACES = {"region", "ownerId", "registryId", "accountId"}
"""Where the infrastructure is makes a difference."""

SECRET_MARK: Mapping[str, str] = {SIGNATURE: _SECRET}
"""The mark in a secret's place."""


class Graph:
    """The resources of one state, sorted by URN."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(sorted(resources, key=lambda each: (each.urn, each.condemned, each.id)))

    @property
    def digest(self) -> str:
        """The sha256 of all but the ids; the same for equal infrastructure."""
        documents = [resource.model_dump(mode="json", exclude={"id"}) for resource in self.resources]
        return hashlib.sha256(_json(documents)).hexdigest()

    def pack(self) -> tuple[str, bytes]:
        """Its name, which is the sha256 of what is packed, and the bytes to keep."""
        text = _json([resource.model_dump(mode="json", exclude_defaults=True) for resource in self.resources])
        return hashlib.sha256(text).hexdigest(), gzip.compress(text, mtime=0)

    @classmethod
    def unpack(cls, name: str, packed: bytes) -> Graph:
        """The graph behind ``packed``; raises `FileUnreadable` if it isn't what was kept under ``name``."""
        try:
            text = gzip.decompress(packed)
            if hashlib.sha256(text).hexdigest() != name:
                raise FileUnreadable(f"the stored graph {name} has other contents than its name says")
            return cls(map(Resource.model_validate, json.loads(text)))
        except (OSError, EOFError, ValueError) as error:
            raise FileUnreadable(f"the stored graph {name} can't be read: {error}") from error


def graph_of(checkpoint: Any) -> Graph:
    """The canonical graph of a checkpoint file.

    Parameters
    ----------
    checkpoint : Any
        The file's JSON, ``{"version": 3, "checkpoint": {"latest": ...}}``.

    Raises
    ------
    FileUnreadable
        It isn't a checkpoint of version 3.
    """
    try:
        spelled = latest_of(checkpoint).get("resources") or []
        known = {each["urn"]: each for each in spelled if not each.get("delete")}
        return Graph(_resource(each, known) for each in spelled)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileUnreadable(f"not a checkpoint of Pulumi: {type(error).__name__} {error}") from error


def latest_of(checkpoint: Any) -> Mapping[str, Any]:
    """The deployment in a checkpoint file, empty if the stack was never deployed; raises `FileUnreadable`."""
    if not isinstance(checkpoint, Mapping) or not isinstance(checkpoint.get("checkpoint"), Mapping):
        raise FileUnreadable("not a checkpoint of Pulumi: it has no `checkpoint`")
    if checkpoint.get("version") != 3:
        raise FileUnreadable(f"a checkpoint of version {checkpoint.get('version')!r}; 3 is known")
    found = checkpoint["checkpoint"].get("latest")
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise FileUnreadable("not a checkpoint of Pulumi: `latest` is no object")
    return found


def providers_of(checkpoint: Any) -> dict[str, str]:
    """The version of each provider in a checkpoint, by its package's name."""
    found: dict[str, set[str]] = {}
    for each in latest_of(checkpoint).get("resources") or []:
        version = (each.get("inputs") or {}).get("version")
        if str(each.get("type")).startswith(_PROVIDER) and isinstance(version, str):
            found.setdefault(each["type"].removeprefix(_PROVIDER), set()).add(version)
    return {package: ", ".join(sorted(versions)) for package, versions in sorted(found.items())}


def is_secret(value: Any) -> bool:
    """Whether a canonical value is what is left of a secret."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == _SECRET


def _resource(spelled: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Resource:
    inputs = spelled.get("inputs") or {}
    if spelled["type"].startswith(_PROVIDER):
        inputs = {name: value for name, value in inputs.items() if name not in ("version", "pluginDownloadURL")}
    depends = spelled.get("dependencies") or ()
    of_property = spelled.get("propertyDependencies") or {}
    canonical = {}
    for name, value in _given(inputs).items():
        urns = sorted({*(of_property.get(name) or ()), *depends})
        canonical[name] = _named(_plain(value), _outputs(urns, known))
    provider, _, _ = str(spelled.get("provider") or "").rpartition("::")
    return Resource(
        urn=_anonymous(spelled["urn"]),
        type=spelled["type"],
        id=str(spelled.get("id") or ""),
        custom=bool(spelled.get("custom")),
        parent=spelled.get("parent") or "",
        provider=_anonymous(provider),
        dependencies=tuple(sorted(set(spelled.get("dependencies") or ()))),
        inputs=canonical,
        protect=bool(spelled.get("protect")),
        condemned=bool(spelled.get("delete")),
    )


def _anonymous(urn: str) -> str:
    # The SDK names the provider that nobody declared after its version: default_7_12_0.
    return _DEFAULT_PROVIDER.sub("::default", urn)


def _given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The program's inputs: without defaults, which the engine marks, and without the engine's own notes."""
    defaults = set(inputs.get("__defaults") or ())
    return {name: value for name, value in inputs.items() if name not in defaults and not name.startswith("__")}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    signature = value.get(SIGNATURE)
    if signature is None:
        return {name: _plain(item) for name, item in _given(value).items() if item is not None}
    if signature == _SECRET:
        return dict(SECRET_MARK)
    if signature in _ASSETS:
        return {_ASSETS[signature]: value.get("hash", "")}
    if signature == _REFERENCE:
        return {"resource": value.get("urn", "")}
    return {name: _plain(item) for name, item in value.items()}


def _outputs(urns: Iterable[str], known: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The outputs of the resources ``urns`` that can be told apart in a text, and the name of each; longest first."""
    found: dict[str, str] = {}
    for urn in urns:
        each = known.get(urn)
        if each is None:
            continue
        given = {value for value in _given(each.get("inputs") or {}).values() if isinstance(value, str)}
        outputs = {"id": each.get("id"), **dict(sorted((each.get("outputs") or {}).items()))}
        for name, value in outputs.items():
            if (
                name not in _PLACES
                and not name.startswith("__")
                and isinstance(value, str)
                and _ASSIGNED.match(value)
                and value not in given
            ):
                found.setdefault(value, f"${{{_anonymous(urn).split('::', 2)[-1]}.{name}}}")
    return sorted(found.items(), key=lambda entry: (-len(entry[0]), entry[1]))


def _named(value: Any, outputs: list[tuple[str, str]]) -> Any:
    """``value`` with the names of outputs instead of what they happened to be."""
    if isinstance(value, str):
        for text, name in outputs:
            value = value.replace(text, name)
        return value
    if isinstance(value, list):
        return [_named(item, outputs) for item in value]
    if isinstance(value, Mapping) and SIGNATURE not in value:
        return {key: _named(item, outputs) for key, item in value.items()}
    return value


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
