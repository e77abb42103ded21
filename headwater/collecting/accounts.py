"""Clients of services where they are: in another region, or as a role of another account."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from headwater.collecting.errors import CollectFailed
from headwater.storage.clients import Clients, client, error_code, new_session


def client_of(service: str, collector: str, role_arn: str | None, external_id: str | None, region: str | None) -> Any:
    """The client of a service, as the role if there is one; raises `CollectFailed` if it can't be assumed."""
    if role_arn is None:
        return client.in_use.elsewhere(service, region) if region else client(service)
    asked = {"ExternalId": external_id} if external_id else {}
    try:
        given = client("sts").assume_role(RoleArn=role_arn, RoleSessionName=f"headwater-{collector}"[:64], **asked)
    except ClientError as error:
        raise CollectFailed(f"{role_arn} can't be assumed: {error_code(error)}") from None
    keys = given["Credentials"]

    def session() -> Any:
        made = new_session(region)
        made.set_credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return made

    return Clients(session, endpoint_url=client.in_use.endpoint_url)(service)
