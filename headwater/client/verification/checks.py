"""The checks of a verification, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headwater.client.verification import data, models, storage
from headwater.client.verification.permissions import permissions
from headwater.client.verification.types import Check, Work


def _bucket(kind: str) -> Callable[[Work], str]:
    return lambda work: storage.bucket(getattr(work.stack.description, f"{kind}_bucket"), work.clients)


def _table(kind: str) -> Callable[[Work], str]:
    return lambda work: storage.table(getattr(work.stack.description, f"{kind}_table"), work.clients)


CHECKS: Sequence[Check] = (
    Check("identity", "identity and region", storage.identity),
    Check("stack", "the stack's description", storage.description),
    *(Check(f"bucket-{kind}", f"bucket: {kind}", _bucket(kind)) for kind in ("lake", "artifacts", "predictions")),
    *(Check(f"table-{kind}", f"table: {kind}", _table(kind)) for kind in ("features", "registry")),
    Check("functions", "functions are ready", storage.functions),
    Check("permissions", "permissions", permissions),
    Check("alarms", "alarms", storage.alarms),
    Check("history", "infrastructure history", storage.history),
    Check("upload", "upload and ingestion", data.upload),
    Check("quarantine", "a bad row is rejected", data.quarantine, needs=("upload",)),
    Check("commit", "data version", data.commit, needs=("upload",)),
    Check("online", "features online", data.online, needs=("upload",)),
    Check("point-in-time", "features in time", data.point_in_time, needs=("upload",)),
    Check("parity", "features: parity", data.parity, needs=("online",)),
    Check("training", "training run", models.train, needs=("upload",)),
    Check("gates", "gates and registration", models.gates, needs=("training",)),
    Check("staging", "staging, golden requests", models.staging, needs=("gates",)),
    Check("production", "production alias", models.production, needs=("staging",)),
    Check("predict", "a prediction", models.predict, needs=("online", "production")),
    Check("bad-request", "a bad request", models.bad_request, needs=("production",)),
    Check("unsigned", "an unsigned request", models.unsigned_request),
    Check("logged", "the prediction's log", models.logged, needs=("predict",)),
    Check("lineage", "lineage of the prediction", models.lineage, needs=("logged",)),
    Check("moves", "promote and roll back", models.moves, needs=("predict",)),
    Check("stream", "a streamed row", data.stream, needs=("online",)),
)
