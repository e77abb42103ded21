"""The environment variables by which a Pulumi CLI works on the local cloud, and on nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from localcloud.engine.bucket import BUCKET
from localcloud.plugin import launcher

_PASSPHRASE: Final = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a variable's name

_HOW: Final = frozenset({"PULUMI_EXPERIMENTAL", "PULUMI_SKIP_CHECKPOINTS"})
"""How a CLI writes its state while it works, which a person may choose; where it works is ours to say."""


def pulumi_variables(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What leads a Pulumi CLI to the local cloud: its state, its secrets, and PATH with our provider in front.

    Parameters
    ----------
    environment : mapping of str to str
        The AWS_* variables of the local cloud, and its passphrase.
    folder : Path
        Where the local cloud keeps its files; the plugin's launcher is written there.
    """
    plugin = str(launcher(folder / "plugin"))
    others = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry != plugin]
    return {
        "PULUMI_BACKEND_URL": backend_url(environment),
        _PASSPHRASE: environment.get(_PASSPHRASE, ""),
        # Moto sends no checksums; without this the CLI's S3 client complains of each answer.
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        # A copy of the state before each of its hundreds of writes: the bucket keeps its versions anyway.
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PATH": os.pathsep.join([plugin, *others]),
    }


def backend_url(environment: Mapping[str, str]) -> str:
    """Pulumi's address of the bucket ``state`` on the local cloud."""
    where = urlsplit(environment["AWS_ENDPOINT_URL"])
    options = {
        "endpoint": where.netloc,
        "disableSSL": "true" if where.scheme == "http" else "false",
        "s3ForcePathStyle": "true",
        "region": environment.get("AWS_REGION", "us-east-1"),
    }
    return f"s3://{BUCKET}?{urlencode(options, safe=':')}"


def cli_environment(environment: Mapping[str, str], folder: Path, program: Path) -> dict[str, str]:
    """The whole environment of a CLI that we start ourselves: nothing of the person's own AWS or Pulumi settings."""
    foreign = ("AWS_", "PULUMI_")
    inherited = {name: value for name, value in os.environ.items() if name in _HOW or not name.startswith(foreign)}
    variables = {**inherited, **environment, **pulumi_variables(environment, folder)}
    return {
        **variables,
        "PATH": os.pathsep.join([str(program.parent), variables["PATH"]]),
        "PULUMI_HOME": str(folder / "pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A plugin that isn't found is a mistake here, nothing to be downloaded.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "ERROR",
    }
