"""Streamed features: a route of the API and a queue in front of one function, another that commits the rows."""

from __future__ import annotations

from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.features.commit_stream
import headwater.handlers.features.stream
from headwater.declare import Schedule
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import allow
from headwater.infra.platform.keys import ARRIVED, STREAMED, STREAMED_DATA
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import tags
from headwater.infra.platform.uses import commit_datasets
from headwater.infra.serving import Serving
from headwater.routes import STREAM_ROWS

CAPABILITY = "features"
TIMEOUT = timedelta(seconds=29)
TRIES = 5
# If nothing was streamed: one listing.
HOURLY = Schedule(cron="13 * * * ? *")


class Streaming(Component):
    """Rows that bypass ingestion: the function keeps them and brings them online at once, whoever sent them.

    The API answers what became of them. From the queue a message that fails comes again, alone, and after five times
    lies among the stack's dead letters. Another function makes commits of what was kept, every hour.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        self.queue = self._queue(name, capability=CAPABILITY, timeout=TIMEOUT, tries=TRIES)
        receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        uses = [platform.features.write_batches(), platform.lake.write(ARRIVED), allow(receive, self.queue.arn)]
        handler = headwater.handlers.features.stream
        self.function = self._function(name, handler, "data", memory_mib=1024, timeout=TIMEOUT, uses=uses)
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
        serving.route(name, STREAM_ROWS, self.function)
        self._collect("features-collect", platform)
        self.register_outputs({"queue": self.queue.url})

    def _collect(self, name: str, platform: Platform) -> None:
        uses = [
            platform.lake.read(ARRIVED, STREAMED),
            platform.lake.write(STREAMED),
            # What a commit holds needn't wait any more.
            platform.lake.delete(ARRIVED),
            commit_datasets(platform, STREAMED_DATA),
        ]
        handler = headwater.handlers.features.commit_stream
        collect = self._function(name, handler, "data", memory_mib=2048, disk_mib=2048, uses=uses)
        platform.regular.call(name, HOURLY, collect)
