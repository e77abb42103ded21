"""A deployed stack and its verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.client.connection import Connection
from headwater.client.description import Description
from headwater.storage.clients import Clients

if TYPE_CHECKING:
    from headwater.client.alarms.service import Alarms
    from headwater.client.collectors import Collectors
    from headwater.client.features.service import Features
    from headwater.client.feedback import Feedback
    from headwater.client.infrastructure import Infrastructure
    from headwater.client.ingestions import Ingestions, SentFile
    from headwater.client.labels import Labels
    from headwater.client.lineage.service import Lineage
    from headwater.client.logs import Logs
    from headwater.client.models import Models
    from headwater.client.monitor import Monitor
    from headwater.client.prediction_log import LoggedPredictions
    from headwater.client.predictions import Predictions
    from headwater.client.retraining import Retraining
    from headwater.client.runs import Run, Runs
    from headwater.client.schedules import Schedules
    from headwater.client.sources import Sources
    from headwater.client.verification import Report
    from headwater.client.verification.runner import Follow
    from headwater.versions.service import Versions


class Stack:
    """A deployed stack; made by `headwater.connect`. Safe to share among threads.

    Its groups of verbs are imported when they are first asked for: a command needs one of them.

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
    """

    def __init__(self, description: Description, clients: Clients) -> None:
        self.description, self.clients = description, clients
        self._connection = Connection(description, clients)

    @cached_property
    def ingestions(self) -> Ingestions:
        """Ingestions of uploaded files: list, show, wait, quarantine."""
        from headwater.client.ingestions import Ingestions

        return Ingestions(self._connection)

    @cached_property
    def sources(self) -> Sources:
        """Sources: list, show, reingest, wait."""
        from headwater.client.sources import Sources

        return Sources(self._connection)

    @cached_property
    def data(self) -> Versions:
        """Data version control: datasets, their commits, branches and tags, and gc."""
        from headwater.versions.service import Versions

        return Versions(self.description.lake_bucket, self._connection.table, self.clients)

    @cached_property
    def features(self) -> Features:
        """Feature views: list, show, lineage, stats, diff, search; online, historical; ingest, materialise; parity,
        skew."""
        from headwater.client.features.service import Features

        return Features(self._connection)

    @cached_property
    def runs(self) -> Runs:
        """Training runs: list, get, watch, stop."""
        from headwater.client.runs import Runs

        return Runs(self._connection)

    @cached_property
    def models(self) -> Models:
        """Registered models: list, show, serving, promote, rollback, training_set."""
        from headwater.client.models import Models

        return Models(self._connection)

    @cached_property
    def schedules(self) -> Schedules:
        """Schedules: list, next, history, pause, resume, run, backfill."""
        from headwater.client.schedules import Schedules

        return Schedules(self._connection)

    @cached_property
    def collectors(self) -> Collectors:
        """Collectors: list, show, history, run, wait, reset."""
        from headwater.client.collectors import Collectors

        return Collectors(self._connection, self.schedules)

    @cached_property
    def retraining(self) -> Retraining:
        """Retraining policies: status, why, run, pause, resume, policy."""
        from headwater.client.retraining import Retraining

        return Retraining(self._connection)

    @cached_property
    def alarms(self) -> Alarms:
        """Alarms: list, show, ack, unack, snooze, close, mute, unmute, mutes, beat, heartbeats, route, test, send,
        replay."""
        from headwater.client.alarms.service import Alarms

        return Alarms(self._connection)

    @cached_property
    def logs(self) -> Logs:
        """Logs of functions, tasks and machines: groups, read."""
        from headwater.client.logs import Logs

        return Logs(self._connection)

    @cached_property
    def infra(self) -> Infrastructure:
        """The infrastructure's history: history, show, diff, at, sync, restore_plan."""
        from headwater.client.infrastructure import Infrastructure

        return Infrastructure(self._connection)

    @cached_property
    def feedback(self) -> Feedback:
        """Feedback of end users on predictions: list, show, summary, send, rotate_key."""
        from headwater.client.feedback import Feedback

        return Feedback(self._connection)

    @cached_property
    def monitor(self) -> Monitor:
        """Watching models: statuses, status, drift, quality, segments, explain, replay."""
        from headwater.client.monitor import Monitor

        return Monitor(self._connection)

    @cached_property
    def labels(self) -> Labels:
        """Labels, which say what really happened after predictions: add, upload, list, coverage, of."""
        from headwater.client.labels import Labels

        return Labels(self._connection)

    @cached_property
    def lineage(self) -> Lineage:
        """Lineage of all that was made: why, up, down, path, impact, diff, at, facts, search, sync, verify, rebuild."""
        from headwater.client.lineage.service import Lineage

        return Lineage(self._connection)

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
        from headwater.client.ingestions import upload

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
        from headwater.client.runs import train

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
        from headwater.client.predictions import predict

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
        from headwater.client.prediction_log import LoggedPredictions

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
