"""DynamoDB's endpoint for the lineage index, in a process of its own: queries, gets and batches of puts, in memory."""

from __future__ import annotations

import argparse
import asyncio
import json
from bisect import bisect_left, insort
from typing import Any

from benchmarks.features.online_stub import serve

PAGE = 1 << 20
"""Bytes of a page of a query, as DynamoDB cuts it."""

Item = dict[str, Any]


class Sorted:
    """Items by ``pk``, sorted by ``sk``."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Item]] = {}
        self.keys: dict[str, list[str]] = {}

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """What DynamoDB says."""
        if operation == "BatchWriteItem":
            for requests in body["RequestItems"].values():
                for request in requests:
                    self._put(request["PutRequest"]["Item"])
            return {"UnprocessedItems": {}}
        if operation == "GetItem":
            found = self.items.get(body["Key"]["pk"]["S"], {}).get(body["Key"]["sk"]["S"])
            return {"Item": found} if found else {}
        if operation == "Query":
            return self._query(body)
        raise SystemExit(f"nobody asks for {operation} here")

    def _put(self, item: Item) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        there = self.items.setdefault(pk, {})
        if sk not in there:
            insort(self.keys.setdefault(pk, []), sk)
        there[sk] = item

    def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        values = {name: value["S"] for name, value in body["ExpressionAttributeValues"].items()}
        pk, prefix = values[":pk"], values[":prefix"]
        keys, there = self.keys.get(pk, []), self.items.get(pk, {})
        start = body.get("ExclusiveStartKey")
        place = bisect_left(keys, prefix) if start is None else bisect_left(keys, start["sk"]["S"]) + 1
        found, size = [], 0
        while place < len(keys) and keys[place].startswith(prefix):
            if len(found) >= body.get("Limit", 1000) or size > PAGE:
                return {
                    "Items": found,
                    "Count": len(found),
                    "LastEvaluatedKey": {"pk": {"S": pk}, "sk": found[-1]["sk"]},
                }
            found.append(there[keys[place]])
            size += len(json.dumps(found[-1]))
            place += 1
        return {"Items": found, "Count": len(found)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().milliseconds / 1000, Sorted()))
