"""A deployed stack and its verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.client.alarms.service import Alarms
from headwater.client.collectors import Collectors
from headwater.client.connection import Connection
from headwater.client.description import Description
from headwater.client.features.service import Features
from headwater.client.feedback import Feedback
from headwater.client.infrastructure import Infrastructure
from headwater.client.ingestions import Ingestions, SentFile, upload
from headwater.client.labels import Labels
from headwater.client.lineage.service import Lineage
from headwater.client.logs import Logs
from headwater.client.models import Models
from headwater.client.monitor import Monitor
from headwater.client.prediction_log import LoggedPredictions
from headwater.client.predictions import Predictions, predict
from headwater.client.retraining import Retraining
from headwater.client.runs import Run, Runs, train
from headwater.client.schedules import Schedules
from headwater.client.sources import Sources
from headwater.storage.clients import Clients
from headwater.versions.service import Versions

if TYPE_CHECKING:
    from headwater.client.verification import Report
    from headwater.client.verification.runner import Follow


class Stack:
    """A deployed stack; made by `headwater.connect`. Safe to share among threads.

    Parameters
    ----------
    description : Description
        The stack's description.
    clients : Clients
        AWS clients for the stack.

    Attributes
    ----------
    description : Description
        The stack's name, version, products and resources.
    clients : Clients
        The AWS clients for this stack: ``stack.clients("s3")``.
    ingestions : Ingestions
        Ingestions of uploaded files: list, show, wait, quarantine.
    sources : Sources
        Sources: list, show, reingest, wait.
    data : Versions
        Data version control: datasets, their commits, branches and tags, and gc.
    features : Features
        Feature views: list, show, lineage, stats, diff, search; online, historical; ingest, materialise; parity, skew.
    runs : Runs
        Training runs: list, get, watch, stop.
    models : Models
        Registered models: list, show, serving, promote, rollback, training_set.
    schedules : Schedules
        Schedules: list, next, history, pause, resume, run, backfill.
    collectors : Collectors
        Collectors: list, show, history, run, wait, reset.
    retraining : Retraining
        Retraining policies: status, why, run, pause, resume, policy.
    alarms : Alarms
        Alarms: list, show, ack, unack, snooze, close, mute, unmute, mutes, beat, heartbeats, route, test, send,
        replay.
    logs : Logs
        Logs of functions, tasks and machines: groups, read.
    infra : Infrastructure
        The infrastructure's history: history, show, diff, at, sync, restore_plan.
    feedback : Feedback
        What end users say of predictions: list, show, summary, send, rotate_key.
    monitor : Monitor
        Watching models: statuses, status, drift, quality, segments, explain, replay.
    labels : Labels
        What really happened after predictions: add, upload, list, coverage, of.
    lineage : Lineage
        What was made from what: why, up, down, path, impact, diff, at, facts, search, sync, verify, rebuild.
    """

    def __init__(self, description: Description, clients: Clients) -> None:
        self.description, self.clients = description, clients
        self._connection = connection = Connection(description, clients)
        self.ingestions = Ingestions(connection)
        self.sources = Sources(connection)
        self.runs = Runs(connection)
        self.models = Models(connection)
        self.schedules = Schedules(connection)
        self.collectors = Collectors(connection, self.schedules)
        self.retraining = Retraining(connection)
        self.alarms = Alarms(connection)
        self.logs = Logs(connection)
        self.infra = Infrastructure(connection)
        self.lineage = Lineage(connection)
        self.monitor = Monitor(connection)
        self.feedback = Feedback(connection)
        self.labels = Labels(connection)

    @cached_property
    def data(self) -> Versions:
        """The datasets of the lake."""
        return Versions(self.description.lake_bucket, self._connection.table, self.clients)

    @cached_property
    def features(self) -> Features:
        """The feature store."""
        return Features(self._connection)

    def upload(self, source: str, path: str | Path, *, name: str | None = None) -> SentFile:
        """Upload a file to a source; its ingestion starts by itself.

        Parameters
        ----------
        source : str
            Source that a product declares.
        path : path
            CSV, Parquet or JSON lines; at most 5 GiB.
        name : str, optional
            File name in the lake; a file uploaded under the same name again replaces the rows of the first.

        Raises
        ------
        BadUpload
            There is no such file, or it is too large.
        NotDeclared
            The stack has no such source.
        """
        return upload(self._connection, source, Path(path), name)

    def train(self, model: str, *, reason: str = "by hand") -> Run:
        """Start a training run; it goes on by itself, and `Runs.watch` waits for its end.

        Parameters
        ----------
        model : str
            Model that a product declares.
        reason : str
            Kept with the run.

        Raises
        ------
        NotDeclared
            The stack has no such model.
        """
        return train(self._connection, model, reason)

    def predict(
        self,
        model: str,
        instances: Sequence[Mapping[str, Any]],
        *,
        as_of: datetime | None = None,
        alias: str | None = None,
        features: Sequence[Mapping[str, float | str | None]] | None = None,
        explain: bool = False,
        feedback: bool = False,
    ) -> Predictions:
        """Ask the API for predictions.

        Parameters
        ----------
        model : str
            Model that serves.
        instances : sequence of mapping
            1 to 100 requests: input name to value. NumPy's and pandas' values count as Python's, and NaN, NaT and NA as
            missing.
        as_of : datetime, optional
            The time at which features are looked at (with its time zone); by default now.
        alias : str, optional
            Which version answers; by default ``production``.
        features : sequence of mapping, optional
            ``view.feature`` to value for each instance, instead of the online look-up.
        explain : bool
            Whether each prediction carries ``views``: the status and age of each view's look-up.
        feedback : bool
            Whether each prediction carries ``feedback_token``, by which an end user may tell what it was worth.

        Returns
        -------
        Predictions
            The version that answered, and one prediction for each instance, in their order.

        Raises
        ------
        PredictionRefused
            The request is malformed, or no version serves; `reason` and `status` are the API's.
        NotJson
            JSON can't hold a value; the message names the instance and the field.
        """
        rows = None if features is None else list(features)
        options = {"as_of": as_of, "features": rows, "explain": explain, "feedback": feedback}
        return predict(self._connection.api, model, instances, alias=alias, **options)

    def predictions(
        self, model: str, since: datetime, until: datetime, *, columns: Sequence[str] | None = None
    ) -> LoggedPredictions:
        """The predictions that a model answered, from the prediction log.

        Parameters
        ----------
        model : str
            Registered model.
        since, until : datetime
            With their time zones; ``until`` itself isn't part of it.
        columns : sequence of str, optional
            Some of the columns; by default all.

        Returns
        -------
        LoggedPredictions
            ``frames()`` gives frames in the order of receipt, which fit into memory however many predictions there
            are; ``frame()`` gives one, ``count()`` the number. Nothing is read before.

        Raises
        ------
        BadRange
            A time has no time zone, or ``since`` isn't before ``until``.
        NoSuchColumn
            Predictions have no such column; the message names those that they have.
        ModelNotRegistered
            No such model is registered.
        BadTarget
            DuckDB or pandas isn't installed.
        """
        return LoggedPredictions(self._connection, model, since, until, columns)

    def verify(self, *, keep: bool = False, follow: Follow | None = None) -> Report:
        """Try every capability and permission with the library's own small product, and clean up; minutes, some cents.

        Parameters
        ----------
        keep : bool
            Whether to leave the verification's data in the stack until the next verification.
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
