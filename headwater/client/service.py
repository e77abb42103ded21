"""The verbs of a deployed stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.client import lake
from headwater.client.alarms import AlarmView, alarms
from headwater.client.features import Features
from headwater.client.infrastructure import Infrastructure
from headwater.client.logs import LogLine, read_logs
from headwater.client.models import Models
from headwater.client.predictions import Api
from headwater.client.runs import Runs
from headwater.client.sources import Sources
from headwater.client.stack import StackDescription
from headwater.lake.types import Ingestion
from headwater.storage.clients import Clients, using
from headwater.versions.service import Versions

if TYPE_CHECKING:
    from headwater.client.verification import Report
    from headwater.client.verification.runner import Follow


class Headwater:
    """A deployed stack; made by `headwater.connect`. Safe to share among threads.

    Parameters
    ----------
    stack : StackDescription
        The stack's description.
    clients : Clients
        AWS clients for the stack.

    Attributes
    ----------
    runs : Runs
        Training runs: start, list, get, watch, stop.
    sources : Sources
        Sources: list, show, reingest, wait.
    models : Models
        Registered models: list, show, promote, rollback, training_set.
    data : Versions
        Data version control: datasets, their commits, branches and tags, and gc.
    features : Features
        Feature views: list, show, lineage, stats, diff, search; online, historical; ingest, materialise; parity, skew.
    infra : Infrastructure
        The infrastructure's history: history, show, diff, at, sync, restore_plan.
    """

    def __init__(self, stack: StackDescription, clients: Clients) -> None:
        self.stack = stack
        self._clients = clients
        self._api = Api(stack.api_url, clients, stack.region)
        self.runs = Runs(stack, self._using)
        self.models = Models(stack, self._using)
        self.sources = Sources(stack, self._using)
        self.infra = Infrastructure(stack, self._using)

    @cached_property
    def data(self) -> Versions:
        """The datasets of the lake."""
        with self._using():
            return Versions(self.stack.lake_bucket, self.stack.registry_table)

    @cached_property
    def features(self) -> Features:
        """The feature store."""
        return Features(self.stack, self._using, self._api)

    @property
    def clients(self) -> Clients:
        """The AWS clients that lead to this stack."""
        return self._clients

    def _using(self) -> AbstractContextManager[None]:
        return using(self._clients)

    def client(self, service: str) -> Any:
        """The AWS client of ``service`` for this stack."""
        return self._clients(service)

    def upload(self, source: str, path: str | Path, *, name: str | None = None) -> lake.SentFile:
        """Upload a file to a source; its ingestion starts by itself.

        Parameters
        ----------
        source : str
            Source that a product declares.
        path : path
            CSV, Parquet or JSON lines.
        name : str, optional
            File name in the lake; a file uploaded under the same name again replaces the rows of the first.

        Raises
        ------
        BadUpload
            There is no such file, or it is too large.
        NotDeclared
            The stack has no such source.
        """
        with self._using():
            return lake.upload(self.stack, source, Path(path), name)

    def wait(self, sent: lake.SentFile, *, timeout: float = 900) -> Ingestion:
        """Wait until an uploaded file is ingested and the dependent features are online.

        Raises
        ------
        FileRefused, IngestionFailed
            The file wasn't ingested; the message says why.
        TookTooLong
            The ingestion isn't over within ``timeout`` seconds.
        """
        with self._using():
            return lake.wait_for_ingestion(self.stack, sent, timeout)

    def ingestions(self, source: str | None = None) -> tuple[Ingestion, ...]:
        """The ingestion of every upload to ``source``, or to all sources; the newest first."""
        with self._using():
            return lake.ingestions(self.stack, source)

    def ingestion(self, name: str) -> lake.IngestionView:
        """The details of one upload's ingestion, with its first rejected rows.

        Parameters
        ----------
        name : str
            An id from `ingestions` (of the run or of the landed version; the first letters are enough), or the key
            ``<source>/<file>``, which means the newest version.

        Raises
        ------
        UploadNotFound, AmbiguousUpload
        """
        with self._using():
            return lake.ingestion(self.stack, name)

    def quarantine(self, name: str, path: str | Path) -> int:
        """Write an upload's quarantined rows to a CSV, Parquet or JSON lines file, by its suffix. Returns their number.

        Rows are as they landed, with ``row_number`` and ``reasons``; a line that is no row is in ``line``.

        Raises
        ------
        UploadNotFound, BadTarget
            There is no such upload; the upload has no rows in quarantine, or the file can't be written.
        """
        with self._using():
            return lake.write_quarantine(self.stack, name, Path(path))

    def predict(
        self,
        model: str,
        instances: Sequence[Mapping[str, Any]],
        *,
        as_of: datetime | None = None,
        alias: str | None = None,
        features: Sequence[Mapping[str, float | str | None]] | None = None,
        explain: bool = False,
    ) -> dict[str, Any]:
        """Ask the API for predictions.

        Parameters
        ----------
        model : str
            Model that serves.
        instances : sequence of mapping
            1 to 100 requests: input name to value.
        as_of : datetime, optional
            The time at which features are looked at (with its time zone); by default now.
        alias : str, optional
            Which version answers; by default ``production``.
        features : sequence of mapping, optional
            ``view.feature`` to value for each instance, instead of the online look-up.
        explain : bool
            Whether each prediction says of every view that was looked up its ``status`` (FOUND, MISSING, EXPIRED or
            FUTURE) and its ``age_seconds``, under ``views``.

        Returns
        -------
        dict
            ``model``, ``version``, ``alias``, ``request_id`` and ``predictions``, one for each instance.

        Raises
        ------
        PredictionRefused
            The request is malformed, or no version serves; `reason` and `status` are the API's.
        """
        return self._api.predict(model, instances, as_of=as_of, alias=alias, features=features, explain=explain)

    def card(self, model: str) -> dict[str, Any]:
        """The serving version's card, as the API gives it."""
        return self._api.card(model)

    def alarms(self) -> list[AlarmView]:
        """Every alarm of the stack, those that are going off first."""
        with self._using():
            return alarms(self.stack)

    def verify(self, *, keep: bool = False, follow: Follow | None = None) -> Report:
        """Try every capability and permission with the library's own small product, and clean up; minutes, some cents.

        Parameters
        ----------
        keep : bool
            Whether to leave what was put into the stack there, until the next verification.
        follow : callable, optional
            Called with a check's name and title; gives a context that is told what the check is doing.

        Raises
        ------
        VerificationRunning
            Another verification is under way.
        NoVerification
            The stack was deployed without the product that is needed.
        """
        from headwater.client.verification.runner import silently, verify

        return verify(self, keep=keep, follow=follow or silently)

    def logs(self, function: str | None = None, *, since: float = 0) -> list[LogLine]:
        """Lines of the log groups whose name contains ``function``, oldest first.

        Parameters
        ----------
        function : str, optional
            Part of a log group's name; by default all groups of the stack.
        since : float
            Only lines from this time on, seconds since 1970.
        """
        with self._using():
            return read_logs(self.stack, function, since=since)
