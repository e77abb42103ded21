from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.handlers.serving import predict, stage
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE, mocked_aws
from tests.unit.serving.cases import make_cloud

ENVIRONMENT = {
    **predict.Settings.environment(
        registry_table=TABLE,
        features_table="features",
        artifacts_bucket="artifacts",
        predictions_bucket="predictions",
        alias_refresh_seconds="0",
    ),
    **stage.Settings.environment(
        registry_table=TABLE, artifacts_bucket="artifacts", predict_function="headwater-test-predict"
    ),
}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mocked_aws(monkeypatch):
        make_cloud()
        for once in (predict.services, stage.staging):
            once.cache_clear()  # type: ignore[attr-defined]
        yield Registry(Table(TABLE, CLIENTS), pause=lambda _: None)
