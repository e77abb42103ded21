"""What every resource type of the local AWS provider is made of.

A type is a class with its properties declared and four verbs over boto3. Everything that holds for all types lives
here: names, defaults, tags, check, diff, and what the outputs are made of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.provider.aws import Aws
from localcloud.provider.drift import says, told_tags
from localcloud.provider.values import UNKNOWN, Asset, Properties, has_unknown

REGISTRY: dict[str, Resource] = {}
META = "__meta"  # what the official provider keeps beside the outputs
DEFAULTS = "__defaults"  # names of the inputs that the check filled in, as the real provider keeps them


class ProviderError(Exception):
    """What the provider refuses or AWS refused, in one line."""


@dataclass(frozen=True)
class CheckFailure:
    """An input that can't be right: which one (or "") and why."""

    property: str
    reason: str


@dataclass(frozen=True)
class Diff:
    """What changed: each property with whether it makes a new resource."""

    changes: Mapping[str, bool] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        """Properties that can't be changed in place."""
        return [name for name, replaces in self.changes.items() if replaces]


@dataclass(frozen=True)
class Name:
    """How a type's physical name comes about when the program gives none: ``name-1a2b3c4``."""

    property: str = "name"
    limit: int = 0  # characters; 0 is no limit
    prefix: str = ""
    suffix: Callable[[Properties], str] = lambda _: ""
    lower: bool = False
    unique: bool = True  # whether the cloud has one resource of the type of that name

    def make(self, logical: str, inputs: Properties, seed: bytes) -> str:
        """The name; the same seed gives the same name."""
        base = f"{logical.lower() if self.lower else logical}-"
        name = f"{self.prefix}{base}{hashlib.sha256(seed).hexdigest()[:7]}{self.suffix(inputs)}"
        if self.limit and len(name) > self.limit:
            raise ProviderError(f"name {base!r} plus 7 random characters is longer than {self.limit}")
        return name


@dataclass
class Call:
    """One verb on one resource: the cloud, what is wanted, and what is known."""

    aws: Aws
    service: str
    inputs: Properties
    id: str = ""
    old: Properties = field(default_factory=dict)  # inputs before an update
    outputs: Properties = field(default_factory=dict)  # as last known

    @property
    def client(self) -> Any:
        """The boto3 client of the type's own service."""
        return self.aws.client(self.service)

    @property
    def tags(self) -> dict[str, str]:
        """The tags to set: the program's and the provider's default ones."""
        return dict(self.inputs.get("tagsAll") or {})

    def get(self, *names: str) -> Properties:
        """Those of the inputs that were given."""
        return {name: self.inputs[name] for name in names if self.inputs.get(name) is not None}

    def changed(self, *names: str) -> bool:
        """Whether an update changes any of these inputs."""
        return any(self.inputs.get(name) != self.old.get(name) for name in names)

    def keep(self, identity: str) -> str:
        """Note that the resource exists from here on, so that a later failure in the same create doesn't lose it."""
        self.id = identity
        return identity

    def removed_tags(self) -> list[str]:
        """Tags of the old inputs that the new ones don't have."""
        return sorted(set(self.old.get("tagsAll") or {}) - set(self.tags))

    def retag(self, named: str, thing: str, tags: Any) -> None:
        """Set ``tags``, in the service's form, and take away those that the inputs no longer have.

        Most services have the same two verbs; ``named`` is the argument that says which ``thing`` is meant.
        """
        kind, keys = ("tags", "tagKeys") if named[0].islower() else ("Tags", "TagKeys")
        if self.tags:
            self.client.tag_resource(**{named: thing, kind: tags})
        if gone := self.removed_tags():
            self.client.untag_resource(**{named: thing, keys: gone})


class Resource:
    """A resource type; subclasses declare properties and say what the four verbs do.

    ``create`` returns the id. ``read`` returns what the cloud says (camelCase; a property as None if it could be there
    and isn't; ``tagsAll`` as far as tags are told), None if the resource is gone; the outputs are the inputs overlaid
    with it. A type that leaves out ``update`` has no property that can change in place.
    """

    token: ClassVar[str]
    service: ClassVar[str]
    required: ClassVar[Collection[str]] = ()
    optional: ClassVar[Collection[str]] = ()
    replace: ClassVar[Sequence[str]] = ()  # a change makes a new resource
    defaults: ClassVar[Mapping[str, Any]] = {}
    recomputed: ClassVar[Collection[str]] = ()  # outputs that any update may change
    documents: ClassVar[Collection[str]] = ()  # JSON as a string; compared by meaning
    unordered: ClassVar[Collection[str]] = ()  # lists without an order
    name: ClassVar[Name | None] = None
    tagged: ClassVar[bool] = False
    regional: ClassVar[bool] = True
    known_by: ClassVar[Collection[str]] = ()  # inputs that name the resource where no single one is its name
    within: ClassVar[Collection[str]] = ()  # inputs without which a name, or an id, isn't unique
    schema_version: ClassVar[int] = 0  # of the type in Terraform's AWS provider, on which the official one stands
    shared: ClassVar[bool] = False  # deleting one takes nothing from another one that has its id

    def __init_subclass__(cls, kind: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if kind:
            cls.token = kind
            REGISTRY[kind] = cls()

    def create(self, call: Call) -> str:
        """Make the resource and return its id."""
        raise NotImplementedError

    def read(self, call: Call) -> Properties | None:
        """What the cloud says of the resource ``call.id``, or None if there is none."""
        raise NotImplementedError

    def update(self, call: Call) -> None:
        """Bring the resource from ``call.old`` to ``call.inputs``."""
        raise ProviderError(f"{self.token} {call.id!r} has nothing that can be changed in place")

    def delete(self, call: Call) -> None:
        """Remove the resource; one that is gone already is no error (the caller sees to that)."""
        raise NotImplementedError

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        """What is wrong with the inputs beside missing and unknown ones."""
        del inputs
        return []

    # --- what holds for all types ------------------------------------------------------------------------------------

    def claim(self, call: Call) -> tuple[str, ...] | None:
        """What the cloud knows the resource by before it has an id: two of a type with the same claim are one thing.

        None if the inputs don't tell, or if the cloud takes any number of such resources.
        """
        if self.shared:
            return None
        named = (self.name.property,) if self.name and self.name.unique else ()
        parts = [call.inputs.get(name) for name in (self.known_by or named)]
        return self._within(call.inputs, parts)

    def holds(self, identity: str, inputs: Properties) -> tuple[str, ...] | None:
        """What deleting the resource takes from the cloud: its id, with what makes the id unique; None if nothing."""
        return None if self.shared else self._within(inputs, [identity])

    def _within(self, inputs: Properties, parts: list[Any]) -> tuple[str, ...] | None:
        if not parts or not all(isinstance(part, str) and part for part in parts):
            return None
        around = [inputs.get(name) for name in self.within]
        # What isn't known yet, or is encrypted in another stack's state, can't be compared.
        if not all(part is None or isinstance(part, str) for part in around):
            return None
        return (*parts, *(part or "" for part in around))

    def known_inputs(self) -> set[str]:
        """Names of every input that the type takes."""
        names = {*self.required, *self.optional, *self.defaults}
        if self.name:
            names.add(self.name.property)
        if self.tagged:
            names |= {"tags", "tagsAll"}
        if self.regional:
            names.add("region")
        return names

    def check(
        self, aws: Aws, logical: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[CheckFailure]]:
        """The inputs with defaults and a name, and what is wrong with them."""
        inputs = {name: value for name, value in new.items() if value is not None and name != DEFAULTS}
        failures = [
            CheckFailure(
                name, f"the local AWS provider doesn't know {name!r} of {self.token}: add it in {self.module()}"
            )
            for name in sorted(set(inputs) - self.known_inputs())
        ]
        failures += [
            CheckFailure(name, f"missing required property {name!r}") for name in self.required if name not in inputs
        ]
        region = inputs.get("region", aws.region)
        if self.regional and region not in (aws.region, UNKNOWN):
            failures.append(CheckFailure("region", f"the local cloud is in {aws.region}, not in {region}"))
        filled = [
            name for name, value in self.defaults.items() if inputs.setdefault(name, value) is value and name not in new
        ]
        for name in self.documents:
            if isinstance(inputs.get(name), dict | list) and not has_unknown(inputs[name]):
                inputs[name] = json.dumps(inputs[name])
            failures += _document_problems(name, inputs.get(name))
        if self.name and self.name.property not in inputs:
            filled.append(self.name.property)
            inputs[self.name.property] = (
                old[self.name.property]
                if self.name.property in old.get(DEFAULTS, ())
                else self.name.make(logical, inputs, seed)
            )
        if self.tagged:
            tags: Any = (
                {**aws.default_tags, **inputs["tags"]} if isinstance(inputs.get("tags"), dict) else aws.default_tags
            )
            if inputs.get("tags") is UNKNOWN:
                tags = UNKNOWN
            if tags:
                inputs["tagsAll"] = tags
        if not failures:
            failures = self.problems(inputs)
        if filled:
            inputs[DEFAULTS] = sorted(filled)
        return inputs, failures

    def diff(self, old: Properties, new: Properties) -> Diff:
        """Compare checked inputs."""
        changes = {
            name: name in self.replace or name == "region"
            for name in sorted({*old, *new} - {DEFAULTS, "tags"})
            if self._normal(name, old.get(name)) != self._normal(name, new.get(name))
        }
        # Two resources can't have one name: a given name that stays must be free before the new one is made.
        name = self.name.property if self.name else None
        stays = name is not None and name not in changes and name not in new.get(DEFAULTS, ())
        return Diff(changes, delete_before_replace=stays and any(changes.values()))

    def outputs(self, call: Call) -> Properties | None:
        """All outputs of an existing resource, None if there is none."""
        try:
            found = self.read(call)
        except ClientError as error:
            if not is_missing(error):
                raise
            found = None
        if found is None:
            return None
        outputs = {name: value for name, value in call.inputs.items() if name != DEFAULTS}
        outputs |= {"region": call.aws.region} if self.regional else {}
        if self.tagged:
            told = found.get("tagsAll", call.tags)
            found = {**found, **told_tags(told, call.inputs.get("tags") or {}, call.aws.default_tags)}
        # A property that is told as None was taken away behind Pulumi's back.
        told = {name: value for name, value in {**outputs, **found, "id": call.id}.items() if value is not None}
        return self.stamped(told)

    def stamped(self, outputs: Properties) -> Properties:
        """The outputs with the schema version that they were written by, as the official provider keeps it.

        That one takes outputs of a type of its plugin framework, if they have no version, for version 0 and rewrites
        them. It adds its timeouts by itself.
        """
        if not self.schema_version:
            return outputs
        return {**outputs, META: json.dumps({"schema_version": str(self.schema_version)}, separators=(",", ":"))}

    def observed_inputs(self, inputs: Properties, outputs: Properties) -> Properties:
        """The inputs as the cloud has them: what a refresh or an import finds.

        Without inputs to compare with (an import), everything that the type takes and the cloud tells.
        """
        if not inputs:
            # The region is the provider's: a program that doesn't name it wouldn't be met by a state that does.
            told = {name: outputs[name] for name in sorted(self.known_inputs() & set(outputs) - {"region"})}
            filled = {name: value for name, value in self.defaults.items() if name not in told}
            return {**filled, **told, **({DEFAULTS: sorted(filled)} if filled else {})}
        observed = {name: inputs[name] for name in (DEFAULTS,) if name in inputs}
        for name, value in inputs.items():
            if name in outputs:
                observed[name] = value if self._says(name, outputs[name], value) else outputs[name]
        return observed

    def _says(self, name: str, told: Any, wanted: Any) -> bool:
        told, wanted = self._normal(name, told), self._normal(name, wanted)
        if name in ("tags", "tagsAll", *self.documents):
            return bool(told == wanted)
        return says(told, wanted, unordered=name in self.unordered)

    @classmethod
    def module(cls) -> str:
        """The file to look into, as a person would write it."""
        return cls.__module__.replace(".", "/") + ".py"

    def _normal(self, name: str, value: Any) -> Any:
        if isinstance(value, Asset):
            return value.hash
        if name in self.documents and isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        if name in self.unordered and isinstance(value, list):
            return sorted(value, key=lambda item: json.dumps(item, sort_keys=True, default=str))
        return None if value in ({}, []) else value


class Put(Resource):
    """A type whose create and update are one idempotent call, such as a bucket's settings."""

    def put(self, call: Call) -> None:
        """Bring about what ``call.inputs`` says."""
        raise NotImplementedError

    def identity(self, call: Call) -> str:
        """The id, which follows from the inputs: by default the first of those that no update changes."""
        return str(call.inputs[self.replace[0]])

    def claim(self, call: Call) -> tuple[str, ...] | None:
        """The id, which follows from inputs that no update changes; None while one of them isn't known."""
        if any(not isinstance(call.inputs.get(name), str | None) for name in self.replace):
            return None
        return self._within(call.inputs, [self.identity(call)])

    def create(self, call: Call) -> str:
        """Put, and name."""
        self.put(call)
        return self.identity(call)

    def update(self, call: Call) -> None:
        """Put again."""
        self.put(call)


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that the thing isn't there (each service has its own word for it)."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return (
        code == "404"
        or code.startswith("NoSuch")
        or any(word in code for word in ("NotFound", "DoesNotExist", "NonExistent"))
    )


def document(text: Any) -> Any:
    """A JSON document as a value, whichever way it was given."""
    return json.loads(text) if isinstance(text, str) else text


def _document_problems(name: str, value: Any) -> list[CheckFailure]:
    if not isinstance(value, str):
        return []
    try:
        json.loads(value)
    except ValueError as error:
        return [CheckFailure(name, f"not JSON: {error}")]
    return []
