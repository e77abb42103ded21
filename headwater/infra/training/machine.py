"""Training: from pinned data to a staged, promoted model, and when it happens by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pulumi

import headwater.handlers.registry.promote
import headwater.handlers.registry.register
import headwater.handlers.serving.stage
import headwater.handlers.training.prepare
from headwater.infra.containers.cluster import Containers
from headwater.infra.features.spark import start_spark
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function
from headwater.infra.platform.keys import MODEL_DATA, MODELS, RUNS, SOURCE_DATA, STREAMED_DATA
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.uses import commit_datasets, compute_features
from headwater.infra.serving import Serving

CAPABILITY = "training"
DEFINITION = Path(__file__).with_name("training.asl.json")


class Training(Component):
    """The machine that makes versions: data pinned, trained in a container, judged, registered, staged, promoted."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        containers: Containers,
        serving: Serving,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, platform, opts)
        steps = {
            "Prepare": self._prepare(),
            "Register": self._register(),
            "Stage": self._stage(serving),
            "Promote": self._promote(),
        }
        uses = [containers.run()]
        self.machine = self._machine(name, CAPABILITY, DEFINITION, steps, uses=uses, setting="training_arn")
        self.register_outputs({"arn": self.machine.arn})

    def _prepare(self) -> Function:
        uses = [
            compute_features(self._platform),
            self._platform.artifacts.read(RUNS),
            self._platform.artifacts.write(RUNS),
            start_spark(self._platform),
        ]
        handler = headwater.handlers.training.prepare
        return self._function("training-prepare", handler, "data", memory_mib=3008, disk_mib=4096, uses=uses)

    def _register(self) -> Function:
        registry = self._platform.registry
        uses = [
            self._platform.artifacts.read(RUNS),
            registry.write(MODELS),
            commit_datasets(self._platform, MODEL_DATA),
            # Tags what the version learnt from.
            registry.write(SOURCE_DATA, STREAMED_DATA),
        ]
        handler, timeout = headwater.handlers.registry.register, timedelta(minutes=2)
        # The trees of commits are Parquet files.
        return self._function("registry-register", handler, "data", timeout=timeout, uses=uses)

    def _stage(self, serving: Serving) -> Function:
        registry = self._platform.registry
        uses = [
            self._platform.artifacts.read(RUNS),
            registry.write(MODELS),
            # The alias of a first version that fails its golden requests is withdrawn.
            registry.delete(MODELS),
            serving.predict.invoke(),
        ]
        handler, timeout = headwater.handlers.serving.stage, timedelta(minutes=5)
        return self._function("serving-stage", handler, "control", timeout=timeout, uses=uses)

    def _promote(self) -> Function:
        handler, timeout = headwater.handlers.registry.promote, timedelta(minutes=1)
        uses = [self._platform.registry.write(MODELS)]
        return self._function("registry-promote", handler, "control", timeout=timeout, uses=uses)
