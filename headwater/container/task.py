"""The container's entry point: what is too long or too large for a function.

python -m headwater.container.task train <model> <run id>
python -m headwater.container.task ingest '<upload as JSON>'
python -m headwater.container.task reingest '<order as JSON>' <run id>
python -m headwater.container.task collect '<order as JSON>'
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from pydantic import ValidationError

from headwater.deployed import deployed_catalog
from headwater.errors import HeadwaterError
from headwater.lake.types import ReingestOrder, Upload
from headwater.settings import LakeSettings
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.collecting.service import Order
    from headwater.lake.service import Lake

USAGE = (
    "usage: python -m headwater.container.task train <model> <run id> | ingest <upload as JSON> | "
    "reingest <order as JSON> <run id> | collect <order as JSON>"
)

COLLECTS_FOR = timedelta(hours=11)
"""How long a run of a collector fetches: the machine stops the task half an hour later, so that a file still lands."""

_SERVICES = {"train": "training", "collect": "collecting"}

LOCK = Path(__file__).resolve().parents[2] / "requirements.txt"
"""The lock of the packages in the image."""


class Settings(LakeSettings):
    """Environment of the container."""

    artifacts_bucket: str
    code_version: str = "unknown"
    """The running code: the image's digest."""


class CollectSettings(LakeSettings):
    """Environment of the container that runs collectors."""

    code_version: str = "unknown"
    """The running code: the image's digest."""


def train(settings: Settings, logger: Logger, model: str, run_id: str) -> None:
    """Train a run that was prepared; on failure leave the reason beside the run's files."""
    from headwater.registry.service import Registry
    from headwater.training.service import Training
    from headwater.training.store import RunFiles
    from headwater.training.types import FAILURE_FILE, Failure

    def tell(step: str, facts: Mapping[str, Any]) -> None:
        logger.info(step, extra=dict(facts))

    training = Training(
        deployed_catalog(),
        Registry.from_settings(settings, CLIENTS),
        settings.artifacts_bucket,
        CLIENTS,
        code_version=settings.code_version,
        lock=LOCK,
        progress=tell,
    )
    try:
        candidate = training.train(model, run_id)
    except Exception as error:
        message = error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
        failure = Failure(error=type(error).__name__, message=" ".join(message.split()))
        RunFiles(settings.artifacts_bucket, model, run_id, CLIENTS).put_value(FAILURE_FILE, failure)
        raise
    logger.info("candidate", extra={"metrics": dict(candidate.metrics), "failures": candidate.failures})


def ingest(settings: Settings, logger: Logger, upload: Upload) -> None:
    """Ingest a file, as the function does with smaller ones."""
    lake = _lake(settings)
    logger.info("file ingested", extra={"ingestion": lake.ingest(upload).model_dump(mode="json")})
    try:
        lake.catch_up(upload.source, upload.id)
    except HeadwaterError as error:
        # The file itself is in; whoever reads the source is told what to do.
        logger.warning(f"older files aren't made again: {error.reason}: {error.message}")


def reingest(settings: Settings, logger: Logger, order: ReingestOrder, run_id: str) -> None:
    """Make a source's files again, however many they are."""
    done = _lake(settings).reingest(order, run_id)
    logger.info("source made again", extra={"reingestion": done.model_dump(mode="json") if done else None})


def collect(settings: CollectSettings, logger: Logger, order: Order) -> None:
    """Run a collector to its end, as the function does in several calls."""
    from headwater.collecting.service import Collecting, Tick
    from headwater.storage.secrets import Secrets

    collector = deployed_catalog().collector(order.collector)
    logger.append_keys(collector=collector.name, source=collector.source)
    deadline = (order.started_at or datetime.now(UTC)) + COLLECTS_FOR
    collecting = Collecting.from_settings(
        collector, settings, CLIENTS, secret=Secrets(CLIENTS), now=lambda: datetime.now(UTC), pause=time.sleep
    )
    outcome = collecting.run(
        order.run_id,
        Tick.given(order.tick),
        seconds_left=lambda: (deadline - datetime.now(UTC)).total_seconds(),
        is_last_call=True,
    )
    logger.info("collected", extra={"outcome": outcome.model_dump(mode="json")})


def _lake(settings: Settings) -> Lake:
    from headwater.lake.service import Lake

    return Lake.from_settings(deployed_catalog(), settings, CLIENTS, code_version=settings.code_version)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; 0 if it is done, 1 if it failed, 2 if they say nothing that is known."""
    logger = Logger(service=_SERVICES.get(next(iter(arguments), ""), "lake"))
    try:
        match list(arguments):
            case ["train", model, run_id]:
                logger.append_keys(run_id=run_id, model=model)
                train(Settings.from_environment(), logger, model, run_id)
            case ["ingest", text]:
                upload = Upload.model_validate_json(text)
                logger.append_keys(run_id=upload.id, source=upload.source)
                ingest(Settings.from_environment(), logger, upload)
            case ["reingest", text, run_id]:
                order = ReingestOrder.model_validate_json(text)
                logger.append_keys(run_id=run_id, source=order.source)
                reingest(Settings.from_environment(), logger, order, run_id)
            case ["collect", text]:
                from headwater.collecting.service import Order

                asked = Order.model_validate_json(text)
                logger.append_keys(run_id=asked.run_id, collector=asked.collector)
                collect(CollectSettings.from_environment(), logger, asked)
            case _:
                logger.error(USAGE)
                return 2
    except HeadwaterError as error:
        traces = getattr(error, "__notes__", [])
        logger.error(f"{error.reason}: {error.message}", extra={"traces": traces} if traces else {})
        return 1
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())
        logger.error(f"not configured, or called wrongly: {problems}")
        return 2
    except Exception as error:
        logger.exception(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
