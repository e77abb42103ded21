"""Clients of services where they are: in another region, or as a role of another account."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from headwater.errors import NotAllowed
from headwater.storage.clients import Clients, client, error_code, new_session


class RoleRefused(NotAllowed):
    """A role can't be assumed."""


def client_as(
    service: str, role_arn: str | None, *, caller: str, external_id: str | None = None, region: str | None = None
) -> Any:
    """The client of a service, as a role if there is one.

    Parameters
    ----------
    service : str
        Such as ``"s3"``.
    role_arn : str or None
    caller : str
        Name of the role's session, which the other account's trail shows.
    external_id : str, optional
    region : str, optional
        By default the stack's.

    Raises
    ------
    RoleRefused
    """
    if role_arn is None:
        return client.in_use.elsewhere(service, region) if region else client(service)
    asked = {"ExternalId": external_id} if external_id else {}
    try:
        answer = client("sts").assume_role(RoleArn=role_arn, RoleSessionName=caller[:64], **asked)
    except ClientError as error:
        raise RoleRefused(f"{role_arn} can't be assumed: {error_code(error)}") from None
    keys = answer["Credentials"]

    def session() -> Any:
        made = new_session(region)
        made.set_credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return made

    return Clients(session, endpoint_url=client.in_use.endpoint_url)(service)
