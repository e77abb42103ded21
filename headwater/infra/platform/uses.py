"""Grants that several functions share: to read sources, commit datasets, compute features, ingest uploads, and to sign
and verify feedback tokens."""

from __future__ import annotations

import pulumi

from headwater.infra.platform import keys
from headwater.infra.platform.grants import Grant, allow, merge, use_key
from headwater.infra.platform.platform import Platform
from headwater.serving.feedback.tokens import parameter_name


def commit_datasets(platform: Platform, datasets: str) -> Grant:
    """To read datasets whose items begin with ``datasets``, and to move their branches and tags."""
    lake = platform.lake
    return merge(
        lake.read(keys.VERSIONS), lake.write(keys.VERSIONS), platform.registry.write(datasets, keys=[keys.DATASETS])
    )


def read_sources(platform: Platform) -> Grant:
    """To pin the commits of sources and streamed rows, and to read what they hold."""
    return merge(
        platform.lake.read(keys.CURATED, keys.STAGED, keys.STREAMED, keys.STAGED_ROWS, keys.VERSIONS),
        # Beside the commits, a source's first definition: files from before definitions were recorded count as its.
        platform.registry.read(keys.SOURCE_DATA, keys.STREAMED_DATA, keys.SOURCES),
    )


def compute_features(platform: Platform) -> Grant:
    """To read sources, and to keep the offline rows of feature views that are computed from them."""
    return merge(read_sources(platform), platform.lake.read(keys.FEATURES), platform.lake.write(keys.FEATURES))


def ingest_uploads(platform: Platform) -> Grant:
    """To ingest an upload: the same for the function and the container."""
    return merge(
        platform.lake.read(keys.LANDING, keys.CURATED, keys.STAGED, keys.QUARANTINE.prefix),
        platform.lake.write(keys.CURATED, keys.QUARANTINE.prefix),
        platform.registry.write(keys.SOURCES),
        commit_datasets(platform, keys.SOURCE_DATA),
    )


def verify_feedback(platform: Platform) -> Grant:
    """To read the keys that sign feedback tokens."""
    return read_signing_keys(platform, parameter_name(pulumi.get_project(), pulumi.get_stack()), "feedback_key")


def sign_feedback(platform: Platform) -> Grant:
    """To read the keys that sign feedback tokens, and to make the first one; never to replace it."""
    name = parameter_name(pulumi.get_project(), pulumi.get_stack())
    return make_signing_keys(platform, name, "feedback_key", "feedback_kms_key")


def read_signing_keys(platform: Platform, name: str, setting: str) -> Grant:
    """To read the keys in the parameter called ``name``.

    The functions make the parameter themselves, so that no key stands in Pulumi's state. AWS's own key for SSM lets
    whoever may read a parameter of the account decrypt it; a key of the user's doesn't.
    """
    config, account = platform.config, platform.account
    return merge(
        allow(["ssm:GetParameter"], account.arn("ssm", f"parameter{name}"), settings={setting: name}),
        use_key(config.kms_key_arn, "ssm", account.region, ["kms:Decrypt"]),
    )


def make_signing_keys(platform: Platform, name: str, setting: str, kms_setting: str) -> Grant:
    """The same, and to make the first key; never to replace it."""
    config, account = platform.config, platform.account
    return merge(
        read_signing_keys(platform, name, setting),
        allow(
            ["ssm:PutParameter"],
            account.arn("ssm", f"parameter{name}"),
            conditions={"StringNotEquals": {"ssm:Overwrite": "true"}},
            settings={kms_setting: config.kms_key_arn},
        ),
        use_key(config.kms_key_arn, "ssm", account.region, ["kms:Encrypt"]),
    )
