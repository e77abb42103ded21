"""A stack whose one view was declared twice, with a model trained on the first definition: something to find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from headwater.declare import Catalog, Feature, FeatureView, Product, catalog, category
from headwater.features.online.store import OnlineStore
from headwater.features.service import Features
from headwater.lake.service import Lake
from headwater.registry.service import Registry
from headwater.registry.types import (
    PACKAGE_FILE,
    PROFILE_FILE,
    Candidate,
    NumberProfile,
    Output,
    Package,
    PackageFeature,
    Profile,
)
from headwater.storage.clients import Clients
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.values import Pointer
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.features.test_materialise import OTHER, SALES
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World
from tests.unit.registry.cases import candidate

NOW = datetime(2013, 1, 1, 9, 30, tzinfo=UTC)
FIRST = FeatureView(
    name="last_sale",
    description="What a shop sold last.",
    owner="shops",
    entity=("shop",),
    sources=("sales",),
    sql="""
        SELECT shop, sold AS event_time, sold + INTERVAL 1 HOUR AS available_time, amount, amount * 2 AS twice
        FROM sales
    """,
    features=(Feature(name="amount", description="Money taken, in euros"), Feature(name="twice")),
    ttl="6h",
    freshness="12h",
)
SECOND = FIRST.model_copy(
    update={
        "sql": (FIRST.sql or "").replace("amount * 2 AS twice", "amount * 3 AS thrice"),
        "features": (Feature(name="amount", description="Money taken, in euros", minimum=0), Feature(name="thrice")),
        "ttl": timedelta(hours=8),
    }
)
UNSEEN = FeatureView(
    name="unseen", entity=("shop",), sources=("other",), sql="FROM other", features=(Feature(name="amount"),),
    ttl="6h",
)  # fmt: skip
COMMITTED = datetime(2013, 1, 1, tzinfo=UTC)
"""When what lands counts, unless a test says otherwise: before anybody asks."""
FILES = {
    "1.csv": "shop,sold,amount\na,2013-01-01T00:00:00,1\nb,2013-01-01T02:00:00,2\n",
    "2.csv": "shop,sold,amount\na,2013-01-01T03:00:00,30\nb,2013-01-01T04:00:00,\nc,2013-01-01T05:00:00,60\n",
}


def products(view: FeatureView = SECOND) -> Catalog:
    """What is declared, with one of the two definitions."""
    return catalog([Product(sources=(SALES, OTHER), views=(view, UNSEEN))])


def features(view: FeatureView = SECOND, now: datetime = NOW) -> Features:
    """The feature store with one of the two definitions."""
    lake = Lake(products(view), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    return Features(products(view), lake, online=OnlineStore(FEATURES, CLIENTS, pause=lambda _: None), now=lambda: now)


def land(world: World, name: str, *, at: datetime = COMMITTED) -> None:
    """Ingest one of `FILES`."""
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda: at)
    lake.ingest(world.upload(f"landing/sales/{name}", FILES[name]))


def fill(world: World) -> None:
    """Two files, two definitions, two materialisations, and a model version on the first."""
    describe("dev", {**OUTPUTS, "region": "eu-central-1", "views": "last_sale,unseen"})
    land(world, "1.csv")
    features(FIRST, NOW - timedelta(hours=1)).materialise("last_sale")
    register("habit", FIRST)
    land(world, "2.csv")
    features().materialise("last_sale")


def register(
    model: str,
    view: FeatureView,
    run_id: str = "run-1",
    *,
    artifacts: str = ARTIFACTS,
    table: str = REGISTRY,
    serves: bool = True,
    clients: Clients = CLIENTS,
) -> Candidate:
    """A model version that looks up the first feature of ``view`` and learnt from 0 to 256, each once; and serves."""
    names = [f"{view.name}.{view.features[0].name}"]
    columns = (*view.entity, *(name.replace(".", "__") for name in names))
    learnt = NumberProfile(missing=0.0, quantiles=tuple(map(float, range(257))), mean=128.0)
    package = Package(
        model=model,
        run_id=run_id,
        task="regression",
        inputs=tuple(category(key) for key in view.entity),
        columns=columns,
        categories=view.entity,
        features=(PackageFeature.of(view, view.features[0].name),),
        onnx=Pointer(bucket=ARTIFACTS, key="model.onnx", version_id="1"),
        sha256="0" * 64,
        output=Output(name="value"),
        data_version="d" * 64,
        metrics={},
        code_version="abc",
        created_at=NOW,
    )
    profile = Profile(
        model=model, run_id=run_id, rows=257, numbers={columns[-1]: learnt}, categories={}, label=learnt,
        predictions=learnt,
    )  # fmt: skip
    files = {}
    for name, value in ((PACKAGE_FILE, package), (PROFILE_FILE, profile)):
        key = f"runs/{model}/{run_id}/{name}"
        answer = clients("s3").put_object(Bucket=artifacts, Key=key, Body=value.model_dump_json().encode())
        files[name] = Pointer(bucket=artifacts, key=key, version_id=answer["VersionId"])
    made = candidate(run_id, model=model, package=files.pop(PACKAGE_FILE), files=files)
    registry = Registry(Table(table, clients))
    version = registry.register(made).version
    if serves:
        registry.promote(model, alias="production", to=version, expected=None)
    return made
