"""The way to the cloud: boto3 clients to one endpoint, from AWS_* variables."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

# A function that is invoked by `aws.lambda_.Invocation` may build a container: 15 minutes, and some for the answer.
_READ_TIMEOUT = 960
# What AWS's services look like takes a tenth of a second each to read: all sessions share it.
_LOADER = Loader()


class Aws:
    """Clients for one account and region.

    Parameters
    ----------
    environment : mapping of str to str
        AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION; nothing else is read.
    default_tags : mapping of str to str
        Tags for every resource that takes tags.
    """

    def __init__(self, environment: Mapping[str, str], *, default_tags: Mapping[str, str] | None = None) -> None:
        self.environment = environment
        self.default_tags = dict(default_tags or {})
        self.region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        self.partition = "aws"
        self.dns_suffix = "amazonaws.com"
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @cached_property
    def account_id(self) -> str:
        """The account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """An ARN in this account."""
        region = self.region if regional else ""
        return f"arn:{self.partition}:{service}:{region}:{self.account_id}:{resource}"

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        # Making clients isn't thread-safe in boto3, using them is.
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    @cached_property
    def _session(self) -> boto3.Session:
        # Neither a profile nor files of the person's own may reach a cloud that is given by these variables alone.
        nothing = (None, None, os.devnull, None)
        variables = {"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
        session = botocore.session.Session(variables)
        session.register_component("data_loader", _LOADER)
        return boto3.Session(
            botocore_session=session,
            aws_access_key_id=self.environment.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self.environment.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self.environment.get("AWS_SESSION_TOKEN"),
            region_name=self.region,
        )

    def _make(self, service: str) -> Any:
        return self._session.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.environment.get("AWS_ENDPOINT_URL"),
            config=Config(
                retries={"total_max_attempts": 1},
                max_pool_connections=32,
                read_timeout=_READ_TIMEOUT,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
