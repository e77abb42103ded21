"""SNS: topics, their policies, subscriptions."""

from __future__ import annotations

from typing import ClassVar

from localcloud.provider.resource import Call, Name, Put, Resource
from localcloud.provider.shape import capitals, renamed, tag_list, tag_map
from localcloud.provider.values import Properties

_TOPIC = capitals(
    "displayName",
    "policy",
    "deliveryPolicy",
    "kmsMasterKeyId",
    "tracingConfig",
    "fifoTopic",
    "contentBasedDeduplication",
)
_SUBSCRIPTION = capitals("filterPolicy", "filterPolicyScope", "rawMessageDelivery", "redrivePolicy", "deliveryPolicy")


def _texts(call: Call, names: dict[str, str]) -> dict[str, str]:
    """Attributes as SNS wants them, all strings; what is false is left out."""
    given = renamed(call.inputs, names)
    return {key: "true" if value is True else str(value) for key, value in given.items() if value is not False}


class Topic(Resource, kind="aws:sns/topic:Topic"):
    service = "sns"
    name = Name(limit=256, suffix=lambda inputs: ".fifo" if inputs.get("fifoTopic") else "")
    optional = tuple(_TOPIC)
    defaults: ClassVar = {"fifoTopic": False, "contentBasedDeduplication": False}
    replace = ("name", "fifoTopic")
    documents = ("policy", "deliveryPolicy")
    tagged = True

    def create(self, call: Call) -> str:
        attributes = _texts(call, _TOPIC)
        made = call.client.create_topic(Name=call.inputs["name"], Attributes=attributes, Tags=tag_list(call.tags))
        return str(made["TopicArn"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_topic_attributes(TopicArn=call.id)["Attributes"]
        read = {
            name: found.get(_TOPIC[name]) or None
            for name in ("displayName", "policy", "kmsMasterKeyId", "deliveryPolicy")
        }
        read |= {name: found.get(_TOPIC[name]) == "true" for name in ("fifoTopic", "contentBasedDeduplication")}
        read["tagsAll"] = tag_map(call.client.list_tags_for_resource(ResourceArn=call.id)["Tags"])
        return {"arn": call.id, "name": call.id.split(":")[-1], "owner": found["Owner"], **read}

    def update(self, call: Call) -> None:
        wanted = _texts(call, _TOPIC)
        for name, api in _TOPIC.items():
            if call.changed(name):
                call.client.set_topic_attributes(
                    TopicArn=call.id, AttributeName=api, AttributeValue=wanted.get(api, "")
                )
        call.retag("ResourceArn", call.id, tag_list(call.tags))

    def delete(self, call: Call) -> None:
        call.client.delete_topic(TopicArn=call.id)


class TopicPolicy(Put, kind="aws:sns/topicPolicy:TopicPolicy"):
    service = "sns"
    required = ("arn", "policy")
    replace = ("arn",)
    documents = ("policy",)

    def put(self, call: Call) -> None:
        call.client.set_topic_attributes(
            TopicArn=call.inputs["arn"], AttributeName="Policy", AttributeValue=call.inputs["policy"]
        )

    def read(self, call: Call) -> Properties:
        found = call.client.get_topic_attributes(TopicArn=call.id)["Attributes"]
        return {"arn": call.id, "policy": found["Policy"], "owner": found["Owner"]}

    def delete(self, call: Call) -> None:
        # SNS has no topic without a policy: the owner's own is what AWS starts with.
        default = (
            '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sns:Publish",'
            f'"Resource":"{call.id}","Condition":{{"StringEquals":{{"AWS:SourceOwner":"{call.aws.account_id}"}}}}}}]}}'
        )
        call.client.set_topic_attributes(TopicArn=call.id, AttributeName="Policy", AttributeValue=default)


class TopicSubscription(Resource, kind="aws:sns/topicSubscription:TopicSubscription"):
    service = "sns"
    required = ("endpoint", "protocol", "topic")
    optional = tuple(_SUBSCRIPTION)
    defaults: ClassVar = {"rawMessageDelivery": False, "endpointAutoConfirms": False, "confirmationTimeoutInMinutes": 1}
    replace = ("endpoint", "protocol", "topic")
    known_by = ("topic", "protocol", "endpoint")
    documents = ("filterPolicy", "redrivePolicy", "deliveryPolicy")

    def create(self, call: Call) -> str:
        made = call.client.subscribe(
            TopicArn=call.inputs["topic"],
            Protocol=call.inputs["protocol"],
            Endpoint=call.inputs["endpoint"],
            Attributes=_texts(call, _SUBSCRIPTION),
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def read(self, call: Call) -> Properties:
        found = call.client.get_subscription_attributes(SubscriptionArn=call.id)["Attributes"]
        documents = {name: found[_SUBSCRIPTION[name]] for name in self.documents if found.get(_SUBSCRIPTION[name])}
        return {
            "arn": call.id,
            "topic": found["TopicArn"],
            "protocol": found["Protocol"],
            "endpoint": found["Endpoint"],
            "ownerId": found.get("Owner", call.aws.account_id),
            "pendingConfirmation": found.get("PendingConfirmation") == "true",
            "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
            "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
            **documents,
        }

    def update(self, call: Call) -> None:
        for name, api in _SUBSCRIPTION.items():
            if call.changed(name):
                value = call.inputs.get(name, "")
                call.client.set_subscription_attributes(
                    SubscriptionArn=call.id,
                    AttributeName=api,
                    AttributeValue=str(value).lower() if isinstance(value, bool) else value,
                )

    def delete(self, call: Call) -> None:
        call.client.unsubscribe(SubscriptionArn=call.id)
