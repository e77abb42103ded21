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
from headwater.infra.platform.function import MAX_TIMEOUT, Function, FunctionArgs
from headwater.infra.platform.keys import MODEL_DATA, MODELS, RUNS, SOURCE_DATA, STREAMED_DATA
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import StateMachine, StateMachineArgs
from headwater.infra.platform.uses import commit_datasets, compute_features
from headwater.infra.serving import Serving

CAPABILITY = "training"


class Training(pulumi.ComponentResource):
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
        super().__init__("headwater:index:Training", name, {}, opts)
        self._platform, self._serving = platform, serving
        self._child = pulumi.ResourceOptions(parent=self)
        self.machine = StateMachine(
            name,
            StateMachineArgs(
                platform=platform,
                capability=CAPABILITY,
                definition=Path(__file__).with_name("training.asl.json"),
                steps={
                    "Prepare": self._prepare(),
                    "Register": self._register(),
                    "Stage": self._stage(),
                    "Promote": self._promote(),
                },
                uses=[containers.run()],
                setting="training_arn",
            ),
            opts=self._child,
        )
        self.register_outputs({"arn": self.machine.arn})

    def _prepare(self) -> Function:
        platform = self._platform
        return Function(
            "training-prepare",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.training.prepare,
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=MAX_TIMEOUT,
                uses=[
                    compute_features(platform),
                    platform.artifacts.read(RUNS),
                    platform.artifacts.write(RUNS),
                    start_spark(platform),
                ],
            ),
            opts=self._child,
        )

    def _register(self) -> Function:
        platform = self._platform
        return Function(
            "registry-register",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.registry.register,
                # The trees of commits are Parquet files.
                bundle="data",
                memory_mib=512,
                timeout=timedelta(minutes=2),
                uses=[
                    platform.artifacts.read(RUNS),
                    platform.registry.write(MODELS),
                    commit_datasets(platform, MODEL_DATA),
                    # Tags what the version learnt from.
                    platform.registry.write(SOURCE_DATA, STREAMED_DATA),
                ],
            ),
            opts=self._child,
        )

    def _stage(self) -> Function:
        platform = self._platform
        return Function(
            "serving-stage",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.serving.stage,
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=5),
                uses=[
                    platform.artifacts.read(RUNS),
                    platform.registry.write(MODELS),
                    # The alias of a first version that fails its golden requests is withdrawn.
                    platform.registry.delete(MODELS),
                    self._serving.predict.invoke(),
                ],
            ),
            opts=self._child,
        )

    def _promote(self) -> Function:
        platform = self._platform
        return Function(
            "registry-promote",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.registry.promote,
                bundle="control",
                memory_mib=512,
                timeout=timedelta(minutes=1),
                uses=[platform.registry.write(MODELS)],
            ),
            opts=self._child,
        )
