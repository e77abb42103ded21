"""Makes the bucket for Pulumi's state and chooses how secrets are encrypted, before the first ``pulumi up``."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from headwater.bootstrap.store import BucketMaker, check_key, who_and_where
from headwater.storage.clients import Clients


class Bootstrapped(BaseModel):
    """The state bucket and the commands that make Pulumi use it."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    region: str
    created: bool
    """False if it was there and only its settings were brought up to date."""
    login: str
    """The backend's URL, as ``pulumi login`` and PULUMI_BACKEND_URL take it."""
    commands: tuple[str, ...]


def bootstrap(stack: str, clients: Clients, *, bucket: str | None = None, kms_key: str | None = None) -> Bootstrapped:
    """Make the state bucket where ``clients`` lead, or bring its settings up to date.

    Versioned, encrypted, closed to the public and to plain text, telling EventBridge of each object.

    Parameters
    ----------
    stack : str
        The stack that the commands are for.
    clients : Clients
    bucket : str, optional
        Its name; by default ``headwater-state-<account>-<region>``, because names are shared by everyone on AWS.
    kms_key : str, optional
        Id, ARN or alias of the KMS key that encrypts the stack's secrets; by default a passphrase does.

    Raises
    ------
    BucketNotOurs
        The name is taken by another account, or the bucket is in another region.
    KeyNotFound
        There is no such key, or it can't encrypt.
    """
    account, region, partition = who_and_where(clients)
    if kms_key is not None:
        check_key(kms_key, clients)
    name = bucket or f"headwater-state-{account}-{region}"
    created = BucketMaker(name, clients, region, account, partition).make()
    login = f"s3://{name}?region={region}"
    if clients.endpoint_url:
        host = urlsplit(clients.endpoint_url)
        tls = "" if host.scheme == "https" else "&disableSSL=true"
        login += f"&endpoint={host.netloc}{tls}&s3ForcePathStyle=true"
    secrets = f"'awskms:///{kms_key}?region={region}'" if kms_key and kms_key.startswith("arn:") else (
        f"'awskms://{kms_key}?region={region}'" if kms_key else "passphrase"
    )  # fmt: skip
    commands = (
        f"pulumi login '{login}'",
        f"pulumi stack init {stack} --secrets-provider={secrets}",
        f"pulumi config set --stack {stack} headwater:stateBucket {name}",
    )
    return Bootstrapped(bucket=name, region=region, created=created, login=login, commands=commands)
