"""The state of the code that is deployed, kept beside the bundles: git's commit, whether it was clean, and the diff."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from pathlib import Path

import pulumi
import pulumi_aws as aws

from headwater.code.service import describe
from headwater.code.types import Described
from headwater.infra.platform.buckets import PrivateBucket
from headwater.infra.platform.tags import tags
from headwater.project import home, project

CACHE = Path(".headwater/code")
"""Where a project keeps the files that are uploaded."""


class DeployedCode(pulumi.ComponentResource):
    """The project's state as an object that is named by its contents, and the diff if the tree wasn't clean.

    Functions and images don't depend on it: another commit of the same code is another object here and nothing else. A
    state that is replaced stays in the bucket, because earlier updates refer to it.
    """

    def __init__(self, name: str, *, bucket: PrivateBucket, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:DeployedCode", name, {}, opts)
        described = describe(project(), without=_written_to(project()))
        self.state = described.state
        if described.state.reason:
            tell = pulumi.log.warn if described.state.findings else pulumi.log.info
            more = f"; {described.state.reason}" if described.state.commit else ""
            tell(f"code: {described.state}{more}", resource=self)
        state, diff = _files(described, project() / CACHE)
        if diff is not None:
            self._upload(f"{name}-diff", described.state.diff_key, diff, "application/gzip", bucket)
        self._upload(f"{name}-state", described.state.key, state, "application/json", bucket)
        self.register_outputs({"state": described.state.sha256})

    def _upload(self, name: str, key: str, path: Path, content_type: str, bucket: PrivateBucket) -> None:
        aws.s3.BucketObjectv2(
            name,
            bucket=bucket.ready,
            key=key,
            # A file: Pulumi's state holds its hash alone.
            source=pulumi.FileAsset(str(path)),
            content_type=content_type,
            tags=tags(capability="code"),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )


def _written_to(folder: Path) -> list[str]:
    """The local cloud's own folder, if HEADWATER_HOME puts it into the project."""
    with suppress(ValueError):
        inside = home(folder).relative_to(folder).as_posix()
        return [inside] if inside != "." else []
    return []


def _files(described: Described, cache: Path) -> tuple[Path, Path | None]:
    """The state's file, and the diff's if it is to be kept."""
    cache.mkdir(parents=True, exist_ok=True)
    state = cache / f"{described.state.sha256}.json"
    state.write_bytes(described.state.document)
    if not described.state.is_diff_kept:
        return state, None
    diff = cache / f"{described.state.diff}.patch.gz"
    if not diff.exists():
        # Packed once: another zlib would pack the same otherwise, and what is uploaded would seem to have changed.
        written = diff.with_suffix(f".{os.getpid()}")
        written.write_bytes(gzip.compress(described.diff, mtime=0))
        written.replace(diff)
    return state, diff
