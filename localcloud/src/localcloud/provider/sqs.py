"""SQS: queues and their policies."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Put, Resource
from localcloud.provider.values import Properties

_ATTRIBUTES = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "maxMessageSize": "MaximumMessageSize",
    "delaySeconds": "DelaySeconds",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redrivePolicy": "RedrivePolicy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "policy": "Policy",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "fifoQueue": "FifoQueue",
    "contentBasedDeduplication": "ContentBasedDeduplication",
}
_FLAGS = ("sqsManagedSseEnabled", "fifoQueue", "contentBasedDeduplication")


def _attributes(call: Call) -> dict[str, str]:
    return {
        api: str(value).lower() if isinstance(value, bool) else str(value)
        for name, api in _ATTRIBUTES.items()
        if (value := call.inputs.get(name)) is not None and value is not False
    }


class Queue(Resource, kind="aws:sqs/queue:Queue"):
    service = "sqs"
    name = Name(limit=80, suffix=lambda inputs: ".fifo" if inputs.get("fifoQueue") else "")
    optional = tuple(_ATTRIBUTES)
    defaults: ClassVar = {
        "visibilityTimeoutSeconds": 30,
        "messageRetentionSeconds": 345600,
        "delaySeconds": 0,
        "receiveWaitTimeSeconds": 0,
        "fifoQueue": False,
    }
    replace = ("name", "fifoQueue")
    documents = ("policy", "redrivePolicy", "redriveAllowPolicy")
    tagged = True

    def create(self, call: Call) -> str:
        made = call.client.create_queue(QueueName=call.inputs["name"], Attributes=_attributes(call), tags=call.tags)
        return str(made["QueueUrl"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_queue_attributes(QueueUrl=call.id, AttributeNames=["All"])["Attributes"]
        numbers = {name: int(found[api]) for name, api in _ATTRIBUTES.items() if found.get(api, "").isdecimal()}
        texts = {name: found[_ATTRIBUTES[name]] for name in self.documents if _ATTRIBUTES[name] in found}
        texts |= {name: None for name in self.documents if name not in texts and name != "redriveAllowPolicy"}
        # Of a queue that isn't FIFO nothing is told about that.
        flags = {name: found.get(_ATTRIBUTES[name], "false") == "true" for name in _FLAGS}
        told = {**numbers, **texts, **flags, "kmsMasterKeyId": found.get("KmsMasterKeyId") or None}
        told["tagsAll"] = call.client.list_queue_tags(QueueUrl=call.id).get("Tags", {})
        return {**told, "name": found["QueueArn"].split(":")[-1], "arn": found["QueueArn"], "url": call.id}

    def update(self, call: Call) -> None:
        gone = {api: "" for name, api in _ATTRIBUTES.items() if name in call.old and name not in call.inputs}
        call.client.set_queue_attributes(QueueUrl=call.id, Attributes={**_attributes(call), **gone})
        if call.tags:
            call.client.tag_queue(QueueUrl=call.id, Tags=call.tags)
        if call.removed_tags():
            call.client.untag_queue(QueueUrl=call.id, TagKeys=call.removed_tags())

    def delete(self, call: Call) -> None:
        call.client.delete_queue(QueueUrl=call.id)


class _QueueAttribute(Put):
    """One attribute of a queue as a resource of its own; the id is the queue's URL."""

    service = "sqs"
    replace = ("queueUrl",)
    property: ClassVar[str]

    def put(self, call: Call) -> None:
        value: Any = call.inputs[self.property]
        attributes = {_ATTRIBUTES[self.property]: value}
        call.client.set_queue_attributes(QueueUrl=call.inputs["queueUrl"], Attributes=attributes)

    def read(self, call: Call) -> Properties | None:
        name = _ATTRIBUTES[self.property]
        found = call.client.get_queue_attributes(QueueUrl=call.id, AttributeNames=["All"])["Attributes"].get(name)
        if not found:
            return None
        return {"queueUrl": call.id, self.property: found if isinstance(found, str) else json.dumps(found)}

    def delete(self, call: Call) -> None:
        call.client.set_queue_attributes(QueueUrl=call.id, Attributes={_ATTRIBUTES[self.property]: ""})


class QueuePolicy(_QueueAttribute, kind="aws:sqs/queuePolicy:QueuePolicy"):
    schema_version = 1
    property = "policy"
    required = ("queueUrl", "policy")
    documents = ("policy",)


class RedrivePolicy(_QueueAttribute, kind="aws:sqs/redrivePolicy:RedrivePolicy"):
    property = "redrivePolicy"
    required = ("queueUrl", "redrivePolicy")
    documents = ("redrivePolicy",)


class RedriveAllowPolicy(_QueueAttribute, kind="aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"):
    """Which queues may give up into this one: permission only, which the local cloud doesn't judge.

    Moto takes the attribute and forgets it, so what was set lives in the state alone.
    """

    property = "redriveAllowPolicy"
    required = ("queueUrl", "redriveAllowPolicy")
    documents = ("redriveAllowPolicy",)

    def read(self, call: Call) -> Properties:
        call.client.get_queue_attributes(QueueUrl=call.id, AttributeNames=["QueueArn"])
        return {"queueUrl": call.id}
