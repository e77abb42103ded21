"""An item holds 400 KB, which are 409,600 bytes of names and values; moto stops at 405,000.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-items
"""

from __future__ import annotations

from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict

from localcloud.moto_patches.patches import Patches

_ITEM_BYTES = 409_600


def apply(patches: Patches) -> None:
    """Let moto's items be as large as DynamoDB's."""

    def set_attribute(self: LimitedSizeDict, name: str, value: Any) -> None:
        others = sum(_bytes(key) + _bytes(one) for key, one in self.items() if key != name)
        if others + _bytes(name) + _bytes(value) > _ITEM_BYTES:
            raise ItemSizeTooLarge
        dict.__setitem__(self, name, value)

    patches.set(LimitedSizeDict, "__setitem__", set_attribute)


def _bytes(part: Any) -> int:
    return int(part.size()) if type(part) is DynamoType else len(str(part).encode())
