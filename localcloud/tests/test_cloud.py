"""The skeleton: one door for all of AWS."""

from __future__ import annotations

from localcloud.cloud import Cloud


def test_an_ordinary_client_finds_moto_behind_the_front_door(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Account"] == cloud.account_id
