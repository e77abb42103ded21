"""Zones are chosen by what AWS tells of them: their type, and their id, which is the same in every account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from localcloud.provider import LocalProvider
from localcloud.testing import CloudBeside, cloud_beside

from headwater.infra.containers.network import WITHOUT_FARGATE

ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    with cloud_beside(tmp_path_factory.mktemp("zones")) as cloud:
        yield cloud


@pytest.mark.parametrize("region", ["us-east-1", "us-west-1", "ap-northeast-1", "ca-central-1", "eu-central-1"])
def test_two_zones_with_fargate_are_left(cloud: CloudBeside, region: str) -> None:
    provider = LocalProvider({**cloud.environment(), "AWS_REGION": region})
    ordinary = [{"name": "zone-type", "values": ["availability-zone"]}]
    found = provider.invoke(ZONES, {"state": "available", "filters": ordinary, "excludeZoneIds": list(WITHOUT_FARGATE)})
    assert not set(found["zoneIds"]) & set(WITHOUT_FARGATE)
    assert len(found["names"]) >= 2
    everything = provider.invoke(ZONES, {})
    assert set(everything["zoneIds"]) - set(found["zoneIds"]) <= set(WITHOUT_FARGATE)
    none = provider.invoke(ZONES, {"filters": [{"name": "zone-type", "values": ["local-zone"]}]})
    assert none["names"] == []
    assert everything["names"][0] not in provider.invoke(ZONES, {"excludeNames": everything["names"][:1]})["names"]
