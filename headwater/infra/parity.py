"""The daily check that the online store holds what the offline rows say, and its alarm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pulumi

import headwater.handlers.features.parity
from headwater.infra.alarms import Threshold
from headwater.infra.buckets import PrivateBucket
from headwater.infra.function import METRICS_NAMESPACE, Foundation, Function, FunctionArgs
from headwater.infra.lake import ARRIVED, FEATURES, grant_read_sources
from headwater.infra.tables import MODELS, VIEWS, Table
from headwater.infra.tags import physical_name
from headwater.infra.training import RUNS

CAPABILITY = "features"
# Not rate(1 day): that fires first when it is deployed, before there is any data.
DAILY = "cron(40 5 * * ? *)"
MAX_TIMEOUT = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class FeatureParityArgs:
    """What is compared."""

    foundation: Foundation
    lake: PrivateBucket
    artifacts: PrivateBucket
    registry: Table
    features: Table


class FeatureParity(pulumi.ComponentResource):
    """A function that compares a sample of online items with the offline rows each day, and an alarm on a difference.

    The alarm lasts until a day's check finds none. It only reads, but for offline rows and statistics that were lost.
    """

    def __init__(self, name: str, args: FeatureParityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:FeatureParity", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.function = Function(
            name,
            FunctionArgs(
                foundation=args.foundation,
                capability=CAPABILITY,
                handler=headwater.handlers.features.parity,
                settings={
                    "lake_bucket": args.lake.ready,
                    "artifacts_bucket": args.artifacts.ready,
                    "registry_table": args.registry.name,
                    "features_table": args.features.name,
                },
                bundle="data",
                memory_mib=3008,
                disk_mib=4096,
                timeout=MAX_TIMEOUT,
                grants=[
                    grant_read_sources(args.lake, args.registry),
                    # Whether rows that were streamed wait for their commit.
                    args.lake.grant_read(FEATURES, ARRIVED),
                    args.lake.grant_write(FEATURES),
                    args.registry.grant_read(VIEWS, MODELS),
                    # The packages say which definitions a model looks up.
                    args.artifacts.grant_read(RUNS),
                    args.features.grant_read(),
                ],
            ),
            opts=child,
        )
        self.function.call_regularly(
            name,
            DAILY,
            target="parity",
            capability=CAPABILITY,
            description="Compares online features with offline ones.",
            dead_letters=args.foundation.dead_letters,
            parent=self,
        )
        args.foundation.topic.watch(
            f"{name}-differences",
            capability=CAPABILITY,
            namespace=METRICS_NAMESPACE,
            metric="FeatureParityDifferences",
            dimensions={"service": CAPABILITY},
            # Off within minutes, and until the next day's check: 288 periods are the day that CloudWatch allows.
            threshold=Threshold(above=0, statistic="Maximum", period=timedelta(minutes=5), periods=288),
            says="Online features differ from offline ones. The function's log names view, entity, feature and both "
            f"values: /aws/lambda/{physical_name(name, 'function')}",
            parent=self,
        )
        self.register_outputs({"function": self.function.name})
