"""A stack's code after an update, read from the update's resource graph: bundles, image, and the code's state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from headwater.history.graph import Graph
from headwater.history.types import Resource

_OBJECT, _TASK = "aws:s3/bucketObjectv2:BucketObjectv2", "aws:ecs/taskDefinition:TaskDefinition"
_BUNDLE = re.compile(r"code/(?P<name>[a-z0-9][a-z0-9_-]*)-(?P<sha256>[0-9a-f]{64})\.zip")
_STATE = re.compile(r"code/state/[0-9a-f]{64}\.json")
_OUTPUT = re.compile(r"\$\{[^}]*\}")
"""An output's name where the graph doesn't keep its value, such as the region in an image's address."""
_IMAGE = re.compile(r"(?P<uri>[^\s@\"]+)@(?P<digest>sha256:[0-9a-f]{64})")


class BundleVersion(NamedTuple):
    """A bundle that functions or Spark run from."""

    name: str
    sha256: str

    @property
    def key(self) -> str:
        """The bundle's object in the artifacts bucket."""
        return f"code/{self.name}-{self.sha256}.zip"


class ImageVersion(NamedTuple):
    """The image that containers run from."""

    repository: str
    """The repository's name in its registry, such as ``flights-dev-training``."""
    digest: str
    """``sha256:...``, as a candidate's ``code_version`` says it."""


class Contents(NamedTuple):
    """The code in a stack."""

    bundles: tuple[BundleVersion, ...] = ()
    """By name."""
    image: ImageVersion | None = None
    """None if the stack has no container."""
    code_state: str = ""
    """Key of the `headwater.code.types.CodeState` in the artifacts bucket; empty before there was one."""

    @property
    def code_state_sha256(self) -> str:
        """The state's name; empty before there was one."""
        return self.code_state.rpartition("/")[2].removesuffix(".json")


def contents_of(graph: Graph) -> Contents:
    """The code that a stack had in the state that ``graph`` tells; what waits for its deletion doesn't count."""
    standing = [resource for resource in graph.resources if not resource.condemned]
    keys = [str(resource.inputs.get("key") or "") for resource in standing if resource.type == _OBJECT]
    bundles = sorted(BundleVersion(found["name"], found["sha256"]) for found in map(_BUNDLE.fullmatch, keys) if found)
    states = sorted(filter(_STATE.fullmatch, keys))
    return Contents(tuple(bundles), next(_images(standing), None), states[0] if states else "")


def _images(resources: list[Resource]) -> Iterator[ImageVersion]:
    """The images of task definitions; Headwater's own come first."""
    ours = sorted(
        (each for each in resources if each.type == _TASK), key=lambda each: (_parent(each) != "Containers", each.urn)
    )
    for resource in ours:
        for container in _containers(resource):
            if found := _IMAGE.fullmatch(_OUTPUT.sub("x", str(container.get("image") or ""))):
                host, _, path = found["uri"].partition("/")
                is_registry = path and ("." in host or ":" in host)
                yield ImageVersion(path if is_registry else found["uri"], found["digest"])


def _parent(resource: Resource) -> str:
    """The class of the component that the resource belongs to, such as ``Containers``."""
    return resource.parent.rpartition("headwater:index:")[2].partition("::")[0]


def _containers(resource: Resource) -> list[dict[str, object]]:
    given = resource.inputs.get("containerDefinitions")
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
