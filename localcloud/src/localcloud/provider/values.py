"""Property values as Pulumi means them, and their two spellings: protobuf on the wire, JSON in the state.

Plain values are ``None``, booleans, numbers, strings, lists and dictionaries. What JSON has no word for is marked by a
signature key, the same on the wire and in the state (pulumi/sdk/go/common/resource/properties.go).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type's signature, not a secret
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_ON_THE_WIRE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


class Unknown:
    """The value of what a preview can't know yet; one instance, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the state keeps encrypted and that no output may show."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class ResourceReference:
    """A resource given as a property's value."""

    urn: str
    id: Any = None


@dataclass(frozen=True)
class Asset:
    """A file, a text or an archive given as a property's value; equal if the contents are.

    ``path`` is kept as the program wrote it and read relative to ``base``, the program's directory.
    """

    kind: str  # the signature: ASSET or ARCHIVE
    path: str = field(default="", compare=False)
    text: str | None = field(default=None, compare=False)
    assets: Mapping[str, Any] | None = field(default=None, compare=False)
    base: Path | None = field(default=None, compare=False, repr=False)
    hash: str = ""

    def contents(self) -> bytes:
        """The bytes of the file or the text; raises `FileNotFoundError` if there is no such file."""
        if self.text is not None:
            return self.text.encode()
        return self.file().read_bytes()

    def file(self) -> Path:
        """Where the file or folder is; raises `FileNotFoundError` if it isn't there."""
        file = (self.base or Path()) / self.path
        if not file.exists():
            raise FileNotFoundError(f"no such file: {file}")
        return file

    def hashed(self) -> Asset:
        """The same asset with the hash of its contents, by which a change is seen."""
        return replace(self, hash=self._digest().hexdigest())

    def _digest(self) -> Any:
        digest = hashlib.sha256()
        if self.assets is not None:
            for name in sorted(self.assets):
                digest.update(f"{name}\0{self.assets[name].hashed().hash}\0".encode())
        elif self.text is None and self.file().is_dir():
            folder = self.file()
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = file.relative_to(folder).as_posix()
                digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
        else:
            digest.update(self.contents())
        return digest

    def spelled(self) -> Properties:
        """The signed dictionary that stands for it on the wire and in the state."""
        spelling: Properties = {SIGNATURE: self.kind, "hash": self.hash}
        if self.path:
            spelling["path"] = self.path
        if self.text is not None:
            spelling["text"] = self.text
        if self.assets is not None:
            spelling["assets"] = {name: asset.spelled() for name, asset in self.assets.items()}
        return spelling


def contains(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether ``test`` holds for the value or for anything in it."""
    if test(value):
        return True
    if isinstance(value, Mapping):
        return any(contains(item, test) for item in value.values())
    if isinstance(value, list):
        return any(contains(item, test) for item in value)
    return isinstance(value, Secret) and contains(value.value, test)


def has_unknown(value: Any) -> bool:
    """Whether any part of the value isn't known yet."""
    return contains(value, lambda part: part is UNKNOWN)


def has_secret(value: Any) -> bool:
    """Whether any part of the value is secret."""
    return contains(value, lambda part: isinstance(part, Secret))


def plain(value: Any) -> Any:
    """The value without the marks of secrecy; references become ids, as a provider wants them."""
    match value:
        case Secret():
            return plain(value.value)
        case ResourceReference():
            return value.urn if value.id is None else value.id
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value


def decode(value: Any, *, base: Path | None = None, decrypt: Callable[[str], Any] | None = None) -> Any:
    """The value behind its spelling in JSON.

    Parameters
    ----------
    value : Any
        Plain JSON, with signed dictionaries for what JSON has no word for.
    base : Path, optional
        Where relative paths of assets start.
    decrypt : callable, optional
        Gives the value behind a secret's ciphertext; needed for states with secrets only.
    """

    def inner(item: Any) -> Any:
        return decode(item, base=base, decrypt=decrypt)

    if value == UNKNOWN_ON_THE_WIRE:
        return UNKNOWN
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)  # every number is a double on the wire
    if isinstance(value, list):
        return [inner(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(SIGNATURE):
        case None:
            return {key: inner(item) for key, item in value.items()}
        case str(kind) if kind == SECRET:
            if "ciphertext" in value and decrypt is not None:
                return Secret(inner(decrypt(value["ciphertext"])))
            return Secret(inner(value.get("value")))
        case str(kind) if kind in (ASSET, ARCHIVE):
            if value.get("uri"):
                raise ValueError(f"the local AWS provider reads no remote asset: {value['uri']}")
            assets = value.get("assets")
            return Asset(
                kind,
                path=value.get("path", ""),
                text=value.get("text"),
                assets=None if assets is None else inner(assets),
                base=base,
                hash=value.get("hash", ""),
            )
        case str(kind) if kind == RESOURCE:
            return ResourceReference(value["urn"], inner(value.get("id")))
        case str(kind) if kind == OUTPUT:
            known = inner(value["value"]) if "value" in value else UNKNOWN
            return Secret(known) if value.get("secret") else known
    raise ValueError(f"a value has a signature that isn't known: {value[SIGNATURE]}")


def encode(value: Any, *, encrypt: Callable[[Any], str] | None = None) -> Any:
    """The value's spelling in JSON; ``encrypt`` gives a secret's ciphertext, without it the secret travels in clear."""

    def inner(item: Any) -> Any:
        return encode(item, encrypt=encrypt)

    match value:
        case Unknown():
            return UNKNOWN_ON_THE_WIRE
        case Secret() if encrypt is not None:
            return {SIGNATURE: SECRET, "ciphertext": encrypt(encode(value.value))}
        case Secret():
            return {SIGNATURE: SECRET, "value": inner(value.value)}
        case Asset():
            return value.spelled()
        case ResourceReference():
            reference = {SIGNATURE: RESOURCE, "urn": value.urn}
            return reference if value.id is None else {**reference, "id": inner(value.id)}
        case Mapping():
            return {key: inner(item) for key, item in value.items()}
        case list() | tuple():
            return [inner(item) for item in value]
    return value


def from_struct(struct: struct_pb2.Struct, *, base: Path | None = None) -> Properties:
    """The properties in a protobuf message."""
    decoded: Properties = decode(json_format.MessageToDict(struct), base=base)
    return decoded


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The protobuf message of the properties, secrets in clear but marked."""
    struct = struct_pb2.Struct()
    struct.update(encode(properties))
    return struct
