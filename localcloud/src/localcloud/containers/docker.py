"""What a buildspec calls ``docker`` and ``aws``: small commands that build into the image store and push to ECR's API.

Run as ``python -m localcloud.containers.docker docker build …`` by the shims that a build has on its PATH.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from localcloud.containers.build import Builder
from localcloud.containers.store import ImageStore

STORE_VARIABLE, STATE_VARIABLE = "LOCALCLOUD_BUILD_STORE", "LOCALCLOUD_BUILD_STATE"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_REPOSITORY = re.compile(
    r"(?P<registry>(\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com)/(?P<name>[^:@]+)(:(?P<tag>[\w.-]+))?"
)


class Refused(Exception):
    """The command can't be done; its text is what the user reads."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def install_shims(folder: Path) -> None:
    """Put ``docker`` and ``aws`` into ``folder``, run by this interpreter whatever the caller's environment is."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).resolve().parents[2]
    for name in ("docker", "aws"):
        shim = folder / name
        module = f"{__spec__.name if __spec__ else __name__} {name}"
        # -P: a build context may have packages of the same names as ours, and a build runs inside it.
        shim.write_text(f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -P -m {module} \"$@\"\n")
        shim.chmod(0o755)


def build(arguments: Sequence[str]) -> None:
    """``docker build [-t TAG]… [-f FILE] [--build-arg A=B]… [--target STAGE] CONTEXT``."""
    parser = argparse.ArgumentParser("docker build", allow_abbrev=False)
    parser.add_argument("-t", "--tag", action="append", default=[])
    parser.add_argument("-f", "--file")
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("--target")
    for ignored in ("--platform", "--progress", "--provenance", "--sbom", "--network", "--cache-from"):
        parser.add_argument(ignored)
    for ignored in ("--pull", "--load", "--rm", "-q", "--quiet"):
        parser.add_argument(ignored, action="store_true")
    parser.add_argument("context")
    given = parser.parse_args(arguments)
    context = Path(given.context)
    file = Path(given.file) if given.file else context / "Dockerfile"
    if not file.is_file():
        raise Refused(f"there is no Dockerfile at {file}")
    values = {}
    for pair in given.build_arg:
        name, equals, value = pair.partition("=")
        values[name] = value if equals else os.environ.get(name, "")
    store = _store()
    image = Builder(store, context, _say).build(file.read_text(), arguments=values, target=given.target)
    for tag in given.tag:
        store.tag(tag, image)
    _say(f"Successfully built sha256:{image}")


def tag(arguments: Sequence[str]) -> None:
    """``docker tag SOURCE TARGET``."""
    source, target = _positional("docker tag", arguments, "source", "target")
    store = _store()
    store.tag(target, store.tagged(source))


def login(arguments: Sequence[str]) -> None:
    """``docker login --username AWS --password-stdin REGISTRY``: remembered for this build only."""
    parser = argparse.ArgumentParser("docker login")
    parser.add_argument("-u", "--username", required=True)
    parser.add_argument("--password-stdin", action="store_true", required=True)
    parser.add_argument("registry")
    given = parser.parse_args(arguments)
    if not sys.stdin.read().strip():
        raise Refused("no password on stdin")
    registry = given.registry.removeprefix("https://").rstrip("/")
    _logins(registry).touch()
    _say("Login Succeeded")


def push(arguments: Sequence[str]) -> None:
    """``docker push REPOSITORY[:TAG]``: uploads the configuration and a manifest; the files stay in the store."""
    (name,) = _positional("docker push", arguments, "name")
    match = _REPOSITORY.fullmatch(name)
    if match is None:
        raise Refused(
            f"{name} isn't in a registry that the local cloud has: <account>.dkr.ecr.<region>.amazonaws.com/<name>"
        )
    if not _logins(match["registry"]).exists():
        raise Refused("no basic auth credentials")
    store = _store()
    image = store.image(store.tagged(name))
    ecr = boto3.client("ecr", region_name=match["region"])
    configuration = image.configuration().encode()
    layer = json.dumps({"layer": image.layer}).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(configuration, "application/vnd.docker.container.image.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        },
        sort_keys=True,
    )
    sha256 = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    try:
        _upload(ecr, match["name"], [configuration, layer])
        ecr.put_image(
            repositoryName=match["name"],
            imageManifest=manifest,
            imageManifestMediaType=_MANIFEST,
            imageTag=match["tag"] or "latest",
            imageDigest=sha256,
        )
    except ClientError as error:
        known = error.response.get("Error", {})
        # The very same image under the very same tag: a push of it has nothing to do.
        if known.get("Code") != "ImageAlreadyExistsException" or sha256 not in known.get("Message", ""):
            raise Refused(str(error)) from None
    _say(f"{match['tag'] or 'latest'}: digest: {sha256} size: {len(manifest)}")


def _upload(ecr: Any, repository: str, blobs: Sequence[bytes]) -> None:
    """Bring blobs to the registry as its protocol does, so that the role needs the permissions that it needs on AWS."""
    digests = {"sha256:" + hashlib.sha256(blob).hexdigest(): blob for blob in blobs}
    known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=list(digests))["layers"]
    for layer_digest, blob in digests.items():
        if any(layer["layerDigest"] == layer_digest for layer in known):
            continue
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=repository, uploadId=upload, partFirstByte=0, partLastByte=len(blob) - 1, layerPartBlob=blob
        )
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[layer_digest])


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(blob), "digest": "sha256:" + hashlib.sha256(blob).hexdigest()}


def password(arguments: Sequence[str]) -> None:
    """``aws ecr get-login-password [--region REGION]``."""
    parser = argparse.ArgumentParser("aws ecr get-login-password")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"))
    given = parser.parse_args(arguments)
    try:
        answer = boto3.client("ecr", region_name=given.region).get_authorization_token()
    except ClientError as error:
        raise Refused(str(error)) from None
    _say(base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().partition(":")[2])


def _store() -> ImageStore:
    return ImageStore(Path(os.environ[STORE_VARIABLE]))


def _logins(registry: str) -> Path:
    return Path(os.environ[STATE_VARIABLE], f"login-{registry.replace('/', '_')}")


def _positional(program: str, arguments: Sequence[str], *names: str) -> list[str]:
    parser = argparse.ArgumentParser(program)
    for name in names:
        parser.add_argument(name)
    return [getattr(parser.parse_args(arguments), name) for name in names]


_COMMANDS: Mapping[tuple[str, ...], Any] = {
    ("docker", "build"): build,
    ("docker", "buildx", "build"): build,
    ("docker", "tag"): tag,
    ("docker", "login"): login,
    ("docker", "push"): push,
    ("aws", "ecr", "get-login-password"): password,
}


def main(words: Sequence[str]) -> int:
    """Run one shim's command line; returns the exit code."""
    if words[1:2] in (["--version"], ["version"]):
        _say(f"{words[0]}: the local cloud's")
        return 0
    for length in (3, 2):
        if command := _COMMANDS.get(tuple(words[:length])):
            try:
                command(words[length:])
            except (Refused, ValueError, LookupError, OSError) as error:
                sys.stderr.write(f"{words[0]}: {error}\n")
                return 1
            return 0
    known = ", ".join(" ".join(name[1:]) for name in _COMMANDS if name[0] == words[0])
    sys.stderr.write(f"{words[0]}: the local cloud knows only: {known}; asked for {' '.join(words[1:4])}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
