"""The bundles, where Lambda and Spark fetch them: in the artifacts bucket, named by what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from headwater.infra.bundles.build import SPARK, SPARK_PYTHON, VERIFICATION, Bundle, build, build_all
from headwater.infra.bundles.bytecode import interpreter
from headwater.infra.bundles.packages import PLATFORMS, Target
from headwater.infra.platform.buckets import PrivateBucket
from headwater.infra.platform.config import Config
from headwater.infra.platform.tags import tags
from headwater.project import project


@dataclass(frozen=True, kw_only=True)
class Code:
    """One bundle where Lambda can fetch it."""

    bundle: Bundle
    bucket: pulumi.Output[str]
    key: pulumi.Output[str]


class Bundles(pulumi.ComponentResource):
    """Each bundle as an object; a change in code is a new key, and only the functions on it are updated."""

    def __init__(
        self,
        name: str,
        *,
        config: Config,
        bucket: PrivateBucket,
        spark: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Build and upload, also for Spark if ``spark``."""
        super().__init__("headwater:index:Bundles", name, {}, opts)
        platform = None if config.bundle_platform == "host" else PLATFORMS[config.architecture]
        target = Target(python=config.python, platform=platform)
        built = build_all(target, project=project(), without=() if config.verify else (VERIFICATION,))
        if spark:
            python = config.python if platform is None else SPARK_PYTHON
            target = Target(python=python, platform=platform, compiled=False)
            built[SPARK.name] = build(SPARK, target, project=project())
        if interpreter(config.python) is None:
            pulumi.log.warn(
                f"no Python {config.python} here, and uv can't fetch one: the bundles hold sources alone, which each "
                f"cold start compiles. Install it (uv python install {config.python}) or set pythonVersion",
                resource=self,
            )
        self.code: Mapping[str, Code]
        """By the bundle's name."""
        code = {}
        for bundle in built.values():
            uploaded = aws.s3.BucketObjectv2(
                f"bundle-{bundle.name}",
                bucket=bucket.ready,
                key=bundle.key,
                source=pulumi.FileAsset(str(bundle.path)),
                content_type="application/zip",
                tags=tags(capability="code"),
                opts=pulumi.ResourceOptions(parent=self),
            )
            code[bundle.name] = Code(bundle=bundle, bucket=uploaded.bucket, key=uploaded.key)
        self.code = code
        self.register_outputs({})
