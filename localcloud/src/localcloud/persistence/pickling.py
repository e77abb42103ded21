"""How the cloud's objects become bytes: what lives elsewhere is referred to, what can't be copied is made anew.

A reference is one of: a collection with rows of its own, a blob, an object that the next cloud has anyway (a backend, a
emulator, one of AWS's own policies), or a record that is written apart (an execution with its history).
"""

from __future__ import annotations

import io
import marshal
import pickle
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import CellType, FunctionType, MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from moto.iam.models import AWSManagedPolicy
from moto.s3.models import FakeKey
from moto.stepfunctions.parser.backend.execution import Execution

from localcloud.persistence import backends, instruments
from localcloud.persistence.blobs import LARGE, Blobs, Body
from localcloud.persistence.collections import Growing, ObjectVersions, TableItems
from localcloud.persistence.given import Given

_COLLECTIONS: Mapping[type, str] = {ObjectVersions: "versions", TableItems: "items", Growing: "growing"}
_MAKE: Mapping[str, Callable[[], Any]] = {"versions": ObjectVersions, "items": TableItems, "growing": Growing}
_PLAIN = frozenset({str, int, float, bool, type(None), dict, list, tuple, set, type})
# Bytes whose blobs are known without hashing them again; remembering them keeps them in memory.
_REMEMBERED = 32 * 1024 * 1024


@dataclass
class Pickled:
    """The bytes of an object, and what they refer to."""

    data: bytes
    blobs: frozenset[str]
    collections: list[Any] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)


class Names:
    """The objects that every cloud has: they are referred to by name."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[str, Any]] = {}
        self._by_name: dict[str, Any] = {}

    def set(self, name: str, value: Any) -> None:
        """Let ``name`` mean ``value``."""
        self._by_id[id(value)] = (name, value)
        self._by_name[name] = value

    def of(self, value: Any) -> str | None:
        """The name of an object, if it has one."""
        found = self._by_id.get(id(value))
        return found[0] if found is not None and found[1] is value else None

    def value(self, name: str) -> Any:
        """The object of that name; raises `LookupError`."""
        return self._by_name[name] if name in self._by_name else backends.find(name)


class Codec:
    """Pickles and reads what was pickled.

    Parameters
    ----------
    blobs : Blobs
        Where large bytes go.
    names : Names
        What is referred to.
    managed_policies : callable
        AWS's own policies, by ARN.
    """

    def __init__(self, blobs: Blobs, names: Names, managed_policies: Callable[[], Mapping[str, Any]]) -> None:
        self.blobs, self.names, self.managed_policies = blobs, names, managed_policies
        self.rows: Callable[[str], Iterable[tuple[str, Any]]] = lambda _: ()
        self.record: Callable[[str], Any] = lambda _: None
        self._blobs_of: dict[int, tuple[bytes, str]] = {}
        self._remembered = 0
        self._collections: dict[str, Any] = {}
        self._policies: dict[str, Any] = {}
        names.set("blobs", blobs)

    def dump(self, value: Any) -> Pickled:
        """Pickle ``value``; raises what pickle raises."""
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self)
        pickler.dump(value)
        return Pickled(buffer.getvalue(), frozenset(pickler.blobs), pickler.collections, pickler.records)

    def load(self, data: bytes) -> Any:
        """Read what `dump` wrote, with the collections and records that it refers to."""
        return _Unpickler(io.BytesIO(data), self).load()

    def blob(self, data: bytes) -> str:
        """The blob of ``data``, which is put once for each object."""
        known = self._blobs_of.get(id(data))
        if known is not None and known[0] is data:
            return known[1]
        name = self.blobs.put(data)
        self._remembered += len(data)
        if self._remembered > _REMEMBERED:
            self._blobs_of.clear()
            self._remembered = len(data)
        self._blobs_of[id(data)] = (data, name)
        return name

    def managed_policy(self, arn: str) -> Any:
        """AWS's own policy of that ARN."""
        self._policies = self._policies or dict(self.managed_policies())
        return self._policies[arn]

    def collection(self, kind: str, uid: str) -> Any:
        """The collection of that id, filled from its rows."""
        if uid not in self._collections:
            made = self._collections[uid] = _MAKE[kind]()
            made.uid = uid
            made.load(self.rows(uid))
            if kind != "growing":
                instruments.note(made)
        return self._collections[uid]


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, codec: Codec) -> None:
        super().__init__(buffer, protocol=5)
        self._codec = codec
        self.blobs: set[str] = set()
        self.collections: list[Any] = []
        self.records: list[Any] = []

    def persistent_id(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return None
        if kind is bytes:
            if len(value) < LARGE:
                return None
            blob = self._codec.blob(value)
            self.blobs.add(blob)
            return "blob", blob
        if kind in _COLLECTIONS:
            self.collections.append(value)
            return "collection", _COLLECTIONS[kind], value.uid
        if isinstance(value, Execution):
            self.records.append(value)
            return "record", value.exec_arn
        if kind is AWSManagedPolicy:
            return "managed policy", value.arn
        if (name := self._codec.names.of(value)) is not None:
            return ("given", name, *value.changes()) if kind is Given else ("name", name)
        return None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, FakeKey):
            state = {key: held for key, held in vars(value).items() if key not in ("_value_buffer", "lock")}
            body = value._value_buffer
            if not isinstance(body, Body):
                raise pickle.PicklingError(f"the body of {value.name} isn't kept by this cloud")
            if body.name:
                self.blobs.add(body.name)
            return _object, (type(value), state, body.inline, body.name, self._codec.blobs)
        if type(value) is Body:
            if value.name:
                self.blobs.add(value.name)
            return Body, (self._codec.blobs, value.inline, value.name)
        if type(value) is FunctionType and "<locals>" in value.__qualname__:
            # Moto's defaultdicts have such factories. `marshal` is read by the same Python only, as `versions` checks.
            closure = tuple(cell.cell_contents for cell in value.__closure__ or ())
            return _function, (marshal.dumps(value.__code__), value.__module__, value.__defaults__, closure)
        if isinstance(value, defaultdict) and type(value) is not defaultdict:
            # Its own `__reduce__` calls the class with the factory, which a subclass needn't take.
            state = dict(vars(value))
            return _default_dict, (type(value), value.default_factory), state, None, iter(dict.items(value))
        if type(value).__module__.startswith("cryptography.") and hasattr(value, "private_bytes"):
            der = value.private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
            )  # the file is its owner's alone
            return _private_key, (der,)
        make = _MADE_ANEW.get(type(value))
        if make is not None:
            return make(value)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, codec: Codec) -> None:
        super().__init__(buffer)
        self._codec = codec

    def persistent_load(self, reference: Any) -> Any:
        match reference:
            case ("blob", name):
                return self._codec.blobs.get(name)
            case ("collection", kind, uid):
                return self._codec.collection(kind, uid)
            case ("record", arn):
                return self._codec.record(arn)
            case ("managed policy", arn):
                return self._codec.managed_policy(arn)
            case ("name", name):
                return self._codec.names.value(name)
            case ("given", name, gone, added):
                given = self._codec.names.value(name)
                given.apply(gone, added)
                return given
        raise pickle.UnpicklingError(f"unknown reference {reference!r}")


def _object(kind: type[FakeKey], state: dict[str, Any], data: bytes, name: str, blobs: Blobs) -> Any:
    made: Any = kind.__new__(kind)
    vars(made).update(state)
    made._value_buffer = Body(blobs, data, name)
    made.lock = threading.Lock()
    return made


def _function(code: bytes, module: str, defaults: Any, closure: tuple[Any, ...]) -> Any:
    cells = tuple(CellType(value) for value in closure)
    return FunctionType(marshal.loads(code), vars(import_module(module)), None, defaults, cells)  # noqa: S302


def _default_dict(kind: type[defaultdict[Any, Any]], factory: Any) -> Any:
    made = kind.__new__(kind)
    defaultdict.__init__(made, factory)
    return made


def _private_key(der: bytes) -> Any:
    return load_der_private_key(der, None)


def _weak_values(values: dict[Any, Any]) -> Any:
    return weakref.WeakValueDictionary(values)


def _spooled(size: int, data: bytes) -> Any:
    made = tempfile.SpooledTemporaryFile(size)  # noqa: SIM115 - its owner closes it
    made.write(data)
    return made


def _read_spooled(file: Any) -> bytes:
    at = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(at)
    return data


# What holds no state worth keeping, or can't be copied as it is.
_MADE_ANEW: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {
        type(threading.Lock()): lambda _: (threading.Lock, ()),
        type(threading.RLock()): lambda _: (threading.RLock, ()),
        threading.Condition: lambda _: (threading.Condition, ()),
        threading.Event: lambda _: (threading.Event, ()),
        weakref.WeakValueDictionary: lambda it: (_weak_values, (dict(it),)),
        tempfile.SpooledTemporaryFile: lambda it: (_spooled, (it._max_size, _read_spooled(it))),
        type({}.keys()): lambda it: (list, (list(it),)),
        type({}.values()): lambda it: (list, (list(it),)),
    }
)
