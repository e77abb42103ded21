"""What tests of the infrastructure share: the deployed stack as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.engine import Deployment, ResourceState, preview

ROOT = Path(__file__).resolve().parents[2]
STACK = "local"
CONFIG = {
    "headwater:alarmEmails": '["on-call@example.com"]',
    "headwater:alarmWebhooks": '["https://chat.example.com/hook"]',
    "headwater:tags": '{"CostCentre": "42"}',
    # What a stack may leave out is there, too.
    "headwater:spark": "true",
}


def previewed(
    folder: Path, stack: str, change: str, environment: Mapping[str, str], **config: str
) -> list[ResourceState]:
    """Everything of this project's stack as its program declares it, once ``change`` was made to its products.

    Parameters
    ----------
    folder : Path
        An empty one, for the project.
    change : str
        ``module:function`` that takes and gives a catalog; the program, a process of its own, imports it.
    config : str
        More of the settings.
    """
    module, _, function = change.partition(":")
    (folder / "Pulumi.yaml").write_text("name: headwater\nruntime: python\n")
    (folder / "infra").mkdir()
    (ROOT / ".headwater").mkdir(exist_ok=True)
    for part in ("pipelines", "functions", ".headwater"):
        (folder / part).symlink_to(ROOT / part)
    (folder / "__main__.py").write_text(
        f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import runpy
from headwater.declare import load_catalog
from headwater.infra.platform import products
from {module} import {function} as change

products.check_products = lambda: change(load_catalog())
runpy.run_path({str(ROOT / "infra" / "__main__.py")!r})
"""
    )
    return list(preview(folder, stack, environment=environment, config={**CONFIG, **config}).resources)


@dataclass(frozen=True)
class Graph:
    """The resources of a deployment."""

    deployment: Deployment
    inventory: Mapping[str, list[str]]
    """What the cloud had right after it."""

    def all(self, kind: str) -> list[ResourceState]:
        """Those of one type, such as ``aws:s3/bucket:Bucket``; a rule about none would be no rule."""
        found = [resource for resource in self.deployment.resources if resource.type == kind]
        assert found, f"the stack has no {kind}"
        return found

    def beside(self, resource: ResourceState, kind: str) -> ResourceState:
        """The resource of type ``kind`` with the same parent and name."""
        found = [other for other in self.all(kind) if (other.parent, other.name) == (resource.parent, resource.name)]
        assert len(found) == 1, f"{resource.name} has {len(found)} {kind} beside it"
        return found[0]

    def custom(self) -> list[ResourceState]:
        """Everything that AWS knows of."""
        return [
            resource
            for resource in self.deployment.resources
            if resource.custom and not resource.type.startswith("pulumi:")
        ]

    def outputs(self, kind: str) -> dict[str, dict[str, Any]]:
        """The outputs of each resource of a type, by its name."""
        return {resource.name: resource.plain_outputs for resource in self.all(kind)}
