"""A transaction that is sent twice is done once: TransactWriteItems with a client token, for ten minutes as on AWS.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html; botocore adds a token to
each call, so a retry after a lost answer is such a repetition. Moto ignores the token and refuses the retry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler, DynamoResult

from localcloud.moto_patches.patches import Patches

_REMEMBERED = timedelta(minutes=10)


class _ParameterMismatch(DynamodbException):
    error_type = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"

    def __init__(self) -> None:
        super().__init__(
            self.error_type,
            "The request uses the same client token as a previous, but non-identical request. Do not reuse a client "
            "token with different requests, unless the requests are identical",
        )


def apply(patches: Patches, now: Callable[[], datetime]) -> None:
    """Let moto honour tokens, as old as the cloud's clock says they are."""
    done: dict[str, tuple[datetime, str]] = {}
    write = DynamoHandler.transact_write_items

    def transact_write_items(self: Any) -> Any:
        token = self.body.get("ClientRequestToken")
        if not token:
            return write(self)
        moment = now()
        for old in [name for name, (when, _) in done.items() if moment - when > _REMEMBERED]:
            del done[old]
        asked = {name: value for name, value in self.body.items() if name != "ClientRequestToken"}
        key, digest = f"{self.region}/{token}", hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key in done:
            if done[key][1] != digest:
                raise _ParameterMismatch
            return DynamoResult({})
        result = write(self)
        done[key] = (moment, digest)  # a transaction that was cancelled may be tried again
        return result

    patches.set(DynamoHandler, "transact_write_items", transact_write_items)
