"""Universal targets: a schedule may call any operation of any AWS service, and so may one here, through boto3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.events.delivery import DeliveryFailed
from localcloud.events.targets import translate

if TYPE_CHECKING:
    from localcloud.context import CloudContext

# Universal targets name services as the AWS SDK for Java does.
_BOTO_NAMES = {
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sfn": "stepfunctions",
    "sagemakerruntime": "sagemaker-runtime",
    "cognitoidentityprovider": "cognito-idp",
    "apigatewayv2": "apigatewayv2",
    "elasticloadbalancingv2": "elbv2",
}


def call(cloud: CloudContext, target: str, body: str) -> None:
    """Call ``target`` (such as ``"sqs:sendMessage"``) with ``body``, the operation's parameters as JSON.

    Raises
    ------
    DeliveryFailed
        There is no such operation, the parameters are wrong, or the call failed.
    """
    service, _, action = target.partition(":")
    try:
        parameters = json.loads(body)
        client = cloud.client(_BOTO_NAMES.get(service, service))
        method = xform_name(action[:1].upper() + action[1:])
        operation = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    except (ValueError, KeyError, BotoCoreError) as error:
        raise DeliveryFailed("INVALID_PARAMETER", f"{target}: {error}") from error
    try:
        getattr(client, method)(**_fit(operation.input_shape, parameters))
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error


def _fit(shape: Any, value: Any) -> Any:
    """Spell the names of members as boto3 does; schedules write ``StateMachineArn`` where boto3 has a small s."""
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {name.lower(): name for name in shape.members}
        return {
            names.get(key.lower(), key): _fit(shape.members.get(names.get(key.lower(), key)), member)
            for key, member in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_fit(shape.member, member) for member in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _fit(shape.value, member) for key, member in value.items()}
    return value
