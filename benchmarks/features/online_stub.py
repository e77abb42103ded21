"""DynamoDB's endpoint in a process of its own: keeps items in memory and answers after so many milliseconds.

Knows what Feast and Headwater ask of it, and no more: BatchGetItem, BatchWriteItem of puts, BatchExecuteStatement of
the two statements of `headwater.features.online.store`, DescribeTable, CreateTable. Signatures aren't looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import zlib
from typing import Any, Protocol

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *[\w]+\.(\w+)", re.IGNORECASE)
_SETS = re.compile(r"SET \"(\w+)\" = \?")
_FIELDS = re.compile(r"'(\w+)': \?")

Item = dict[str, Any]


class Answers(Protocol):
    """Keeps items and answers for DynamoDB."""

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """What DynamoDB says."""


class Tables:
    """All tables' items, by table and key."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Item]] = {}

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """What DynamoDB says."""
        if operation == "BatchGetItem":
            found = {}
            for table, request in body["RequestItems"].items():
                there = self.items.get(table, {})
                items = [item for key in request["Keys"] if (item := there.get(_key(key))) is not None]
                if names := request.get("ProjectionExpression"):
                    aliases = request.get("ExpressionAttributeNames", {})
                    # Of a part of an attribute (Feast's #vals.#f0) all of it: that is only more to send.
                    wanted = {
                        aliases.get(name, name) for path in names.split(",") for name in [path.strip().split(".")[0]]
                    }
                    items = [{name: item[name] for name in wanted if name in item} for item in items]
                found[table] = items
            return {"Responses": found, "UnprocessedKeys": {}}
        if operation == "BatchWriteItem":
            for table, requests in body["RequestItems"].items():
                there = self.items.setdefault(table, {})
                for request in requests:
                    item = request["PutRequest"]["Item"]
                    there[str(item["entity_id"]["S"])] = item
            return {"UnprocessedItems": {}}
        if operation == "BatchExecuteStatement":
            return {
                "Responses": [self._execute(entry["Statement"], entry["Parameters"]) for entry in body["Statements"]]
            }
        if operation in ("DescribeTable", "CreateTable", "UpdateTable"):
            table = {
                "TableName": body["TableName"],
                "TableStatus": "ACTIVE",
                "TableArn": "arn:aws:dynamodb:x:1:table/t",
            }
            return {"Table": table, "TableDescription": table}
        if operation in ("DescribeContinuousBackups", "ListTagsOfResource"):
            return {"Tags": []}
        raise SystemExit(f"nobody asks for {operation} here")

    def _execute(self, statement: str, parameters: list[Item]) -> dict[str, Any]:
        table = statement.split('"')[1]
        there = self.items.setdefault(table, {})
        if statement.startswith("INSERT"):
            item = dict(zip(_FIELDS.findall(statement), parameters, strict=True))
            key = str(item["pk"]["S"])
            if key in there:
                return {"Error": {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}}
            there[key] = item
            return {"TableName": table}
        names = _SETS.findall(statement)
        # One writer is measured: its conditions hold.
        there[str(parameters[len(names)]["S"])] |= dict(zip(names, parameters, strict=False))
        return {"TableName": table}


class Connection(asyncio.Protocol):
    """One client's connection: a request after the other."""

    def __init__(self, tables: Answers, delay: float) -> None:
        self._tables, self._delay, self._data = tables, delay, b""

    def connection_made(self, transport: Any) -> None:
        """Remember where to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            if b"100-continue" in head.lower():
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = _LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < stop:
                return
            target = _TARGET.search(head)
            body = json.loads(self._data[end + 4 : stop] or b"{}")
            self._data = self._data[stop:]
            answer = json.dumps(self._tables.answer(target[1].decode() if target else "", body)).encode()
            packet = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-crc32: %d\r\n"
                b"content-length: %d\r\n\r\n" % (zlib.crc32(answer), len(answer)) + answer
            )
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, packet)
            else:
                self._transport.write(packet)


async def serve(delay: float, tables: Answers) -> None:
    """Serve until killed; prints the port."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(tables, delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _key(key: Item) -> str:
    return str(next(iter(key.values()))["S"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().milliseconds / 1000, Tables()))
