"""Clients of services where they are: in another region, or as a role of another account."""

from __future__ import annotations

from typing import Any

from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError

from headwater.errors import NotAllowed
from headwater.storage.clients import Clients, error_code, new_session


class RoleRefused(NotAllowed):
    """A role can't be assumed."""


def client_as(
    service: str,
    role_arn: str | None,
    clients: Clients,
    *,
    caller: str,
    external_id: str | None = None,
    region: str | None = None,
) -> Any:
    """The client of a service, as a role if there is one.

    Parameters
    ----------
    service : str
        Such as ``"s3"``.
    role_arn : str or None
    clients : Clients
        Those of the stack, which assume the role.
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
        return clients.elsewhere(service, region) if region else clients(service)
    asked = {"RoleArn": role_arn, "RoleSessionName": caller[:64]} | ({"ExternalId": external_id} if external_id else {})
    keys = _Keys(clients("sts"), asked)

    def session() -> Any:
        made = new_session(region)
        made.register_component("credential_provider", keys)
        return made

    return Clients(session, endpoint_url=clients.endpoint_url)(service)


class _Keys:
    """Keys of a role, which hold for an hour and are asked for again before they expire."""

    def __init__(self, sts: Any, asked: dict[str, str]) -> None:
        self._sts, self._asked = sts, asked

    def load_credentials(self) -> RefreshableCredentials:
        """As botocore asks a provider for them."""
        made: RefreshableCredentials = RefreshableCredentials.create_from_metadata(
            metadata=self._ask(), refresh_using=self._ask, method="assume-role"
        )
        return made

    def _ask(self) -> dict[str, str]:
        try:
            keys = self._sts.assume_role(**self._asked)["Credentials"]
        except ClientError as error:
            raise RoleRefused(f"{self._asked['RoleArn']} can't be assumed: {error_code(error)}") from None
        return {
            "access_key": keys["AccessKeyId"],
            "secret_key": keys["SecretAccessKey"],
            "token": keys["SessionToken"],
            "expiry_time": keys["Expiration"].isoformat(),
        }
