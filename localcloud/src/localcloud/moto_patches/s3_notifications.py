"""GetBucketNotificationConfiguration tells that a bucket's events go to EventBridge, which moto knows and leaves out.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
"""

from __future__ import annotations

from typing import Any

from moto.s3.responses import S3Response

from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let moto's S3 tell it."""
    original = S3Response.get_bucket_notification

    def get_bucket_notification(self: Any) -> Any:
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is None or configuration.event_bridge is None:
            return original(self)
        serialized = self.serialized

        def with_event_bridge(answer: Any) -> Any:
            answer.result["EventBridgeConfiguration"] = {}
            return serialized(answer)

        self.serialized = with_event_bridge
        try:
            return original(self)
        finally:
            del self.serialized

    patches.set(S3Response, "get_bucket_notification", get_bucket_notification)
