"""Streamed features: a route of the API and a queue in front of one function, another that commits the rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.features.collect
import headwater.handlers.features.stream
from headwater.infra.buckets import PrivateBucket
from headwater.infra.function import Foundation, Function, FunctionArgs
from headwater.infra.grants import allow, policy_document, require_tls
from headwater.infra.lake import ARRIVED, STREAMED, grant_commit
from headwater.infra.serving import Serving
from headwater.infra.tables import STREAMED_DATA, Table
from headwater.infra.tags import physical_name, tags

CAPABILITY = "features"
ROUTE = "POST /features/{view}/rows"
TIMEOUT = timedelta(seconds=29)
TRIES = 5
# If nothing was streamed: one listing.
HOURLY = "rate(1 hour)"
MAX_TIMEOUT = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class StreamingArgs:
    """Where rows come from and go to."""

    foundation: Foundation
    serving: Serving
    """Whose API gets the route."""
    features: Table
    lake: PrivateBucket
    registry: Table


class Streaming(pulumi.ComponentResource):
    """Rows that bypass ingestion: the function keeps them and brings them online at once, whoever sent them.

    The API answers what became of them. From the queue a message that fails comes again, alone, and after five times
    lies among the stack's dead letters. Another function makes commits of what was kept, every hour.
    """

    def __init__(self, name: str, args: StreamingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Streaming", name, {}, opts)
        self._child = child = pulumi.ResourceOptions(parent=self)
        self.queue = self._queue(name, args)
        receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        self.function = Function(
            name,
            FunctionArgs(
                foundation=args.foundation,
                capability=CAPABILITY,
                handler=headwater.handlers.features.stream,
                settings={"features_table": args.features.name, "lake_bucket": args.lake.ready},
                bundle="data",
                memory_mib=1024,
                timeout=TIMEOUT,
                grants=[
                    args.features.grant_write_batches(),
                    args.lake.grant_write(ARRIVED),
                    allow(receive, self.queue.arn),
                ],
            ),
            opts=child,
        )
        aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=self.queue.arn,
            function_name=self.function.arn,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
            tags=tags(capability=CAPABILITY),
            # The function's role may read the queue by then.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.function]),
        )
        args.serving.route(name, ROUTE, self.function)
        self._collect("features-collect", args)
        self.register_outputs({"queue": self.queue.url})

    def _collect(self, name: str, args: StreamingArgs) -> None:
        collect = Function(
            name,
            FunctionArgs(
                foundation=args.foundation,
                capability=CAPABILITY,
                handler=headwater.handlers.features.collect,
                settings={"lake_bucket": args.lake.ready, "registry_table": args.registry.name},
                bundle="data",
                memory_mib=2048,
                disk_mib=2048,
                timeout=MAX_TIMEOUT,
                grants=[
                    args.lake.grant_read(ARRIVED, STREAMED),
                    args.lake.grant_write(STREAMED),
                    # What a commit holds needn't wait any more.
                    args.lake.grant_delete(ARRIVED),
                    grant_commit(args.lake, args.registry, STREAMED_DATA),
                ],
            ),
            opts=self._child,
        )
        collect.call_regularly(
            name,
            HOURLY,
            target="collect",
            capability=CAPABILITY,
            description="Makes commits of streamed features.",
            dead_letters=args.foundation.dead_letters,
            parent=self,
        )

    def _queue(self, name: str, args: StreamingArgs) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            name,
            name=physical_name(name, "queue"),
            # Six times the function's timeout: no message is read twice.
            visibility_timeout_seconds=int(TIMEOUT.total_seconds()) * 6,
            sqs_managed_sse_enabled=True,
            redrive_policy=args.foundation.dead_letters.arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": TRIES})
            ),
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        aws.sqs.QueuePolicy(
            name,
            queue_url=queue.url,
            policy=policy_document([{**require_tls(queue.arn), "Action": "sqs:*"}]),
            opts=self._child,
        )
        return queue
