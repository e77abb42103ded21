"""For tests: a local cloud in a process of its own, and small Pulumi programs that are deployed on it.

Moto's state belongs to its process, and every `mock_aws` there wipes it: such tests run beside any others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from localcloud import engine
from localcloud.account import ACCOUNT_ID
from localcloud.ports import is_free
from localcloud.provider import Aws

_SERVE = """
import gc, json, sys
from datetime import timedelta
from pathlib import Path
from localcloud import service_models
service_models.share_with_moto()
gc.set_threshold(10_000, 20, 20)
from localcloud.cloud import Cloud
with Cloud(Path(sys.argv[1])) as cloud:
    gc.collect()
    gc.freeze()
    print(json.dumps(cloud.environment()), flush=True)
    for seconds in sys.stdin:
        print(cloud.clock.advance(timedelta(seconds=float(seconds))).isoformat(), flush=True)
"""


def fixed_port() -> int:
    """A port of 127.0.0.1 that nobody has, for a test that gives it up and takes it again.

    It is below the ephemeral ports of every usual system (gVisor's begin at 16,000), so that no other process of the
    machine is handed it in between, and each of the processes that run tests begins its search elsewhere.
    """
    return next(port for port in range(10_000 + os.getpid() * 97 % 5_000, 16_000) if is_free(port))


class CloudBeside:
    """The way to a cloud in another process.

    Parameters
    ----------
    environment : mapping of str to str
        The variables that lead there.
    ask : callable
        Writes a line to the cloud's process; its answer.
    """

    def __init__(self, environment: Mapping[str, str], ask: Callable[[str], str]) -> None:
        self._aws, self._ask = Aws(environment), ask
        self.region = self._aws.region
        self.account_id = ACCOUNT_ID

    def environment(self) -> dict[str, str]:
        """The variables that lead any AWS client there."""
        return dict(self._aws.environment)

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        return self._aws.client(service)

    def advance(self, by: timedelta) -> datetime:
        """Move the cloud's clock; its time then."""
        return datetime.fromisoformat(self._ask(f"{by.total_seconds()}"))


@contextmanager
def cloud_beside(directory: Path) -> Iterator[CloudBeside]:
    """A local cloud that ends with the block; its files and its log are in ``directory``."""
    log = directory / "cloud.log"
    directory.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(directory / "cloud")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the cloud's process has no pipes")
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(log.read_text())
            into, out = process.stdin, process.stdout

            def ask(told: str) -> str:
                into.write(f"{told}\n")
                into.flush()
                return out.readline().strip()

            yield CloudBeside(json.loads(line), ask)
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=30)


@dataclass
class Program:
    """A small Pulumi project, and what was seen of its deployments."""

    root: Path
    name: str
    environment: Mapping[str, str]
    events: list[engine.ResourceEvent] = field(default_factory=list)
    stacks: set[str] = field(default_factory=set)

    def write(self, text: str) -> Program:
        """Replace the program."""
        (self.root / "infra" / "__main__.py").write_text("import pulumi, pulumi_aws as aws\n" + textwrap.dedent(text))
        return self

    def deploy(self, stack: str = "local", **config: str) -> engine.Deployment:
        """``pulumi up``; the events of this run are in `events` afterwards."""
        self.stacks.add(stack)
        self.events.clear()
        return engine.deploy(self.root, stack, environment=self.environment, config=config, on_event=self.events.append)

    def preview(self, stack: str = "local") -> engine.Deployment:
        """``pulumi preview``."""
        self.events.clear()
        return engine.preview(self.root, stack, environment=self.environment, on_event=self.events.append)

    def destroy(self, stack: str = "local") -> engine.Deployment:
        """``pulumi destroy``."""
        self.events.clear()
        return engine.destroy(self.root, stack, environment=self.environment, on_event=self.events.append)

    def resources(self, stack: str = "local") -> tuple[engine.ResourceState, ...]:
        """What the state holds."""
        return engine.resources(self.root, stack, environment=self.environment)

    def deploy_names(self, stack: str = "local") -> list[str]:
        """Logical names of what AWS has of the state."""
        return [state.name for state in self.resources(stack) if state.type.startswith("aws:")]

    def did(self, *operations: str) -> list[str]:
        """The steps that were done, in their order, such as ``create Queue jobs``."""
        wanted = operations or ("create", "update", "replace", "delete")
        return [
            f"{event.operation} {event.type.split(':')[-1]} {event.name}"
            for event in self.events
            if event.status == "done" and event.operation in wanted and event.type.startswith("aws:")
        ]

    @classmethod
    @contextmanager
    def named(cls, test: str, root: Path, environment: Mapping[str, str]) -> Iterator[Program]:
        """An empty project in ``root``, named after a test; its stacks are destroyed with the block."""
        name = test[5:35].strip("_").replace("_", "-")
        (root / "infra").mkdir()
        (root / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\nmain: infra\n")
        made = cls(root, name, environment)
        yield made
        for stack in made.stacks:
            made.destroy(stack)
            if left := made.resources(stack):
                raise RuntimeError(f"{stack}: destroying it left {', '.join(resource.urn for resource in left)}")
