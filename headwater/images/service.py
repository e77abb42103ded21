"""Building an image: at most once for each tag, however often and however late one asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from headwater.images.errors import BuildFailed, BuildUnfinished
from headwater.images.store import Builder, Repository
from headwater.images.types import Build, BuildRequest
from headwater.storage.clients import Clients

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
"""Seconds between two looks at a build."""


class Images:
    """Images of one repository, built by one project.

    Parameters
    ----------
    repository_uri : str
        Where images are pushed, such as ``123456789012.dkr.ecr.eu-west-1.amazonaws.com/headwater-dev-training``.
    project : str
        The CodeBuild project's name.
    clients : Clients
    pause : callable
        Called with seconds between two looks at a running build: soon at first, as nothing may be left to build.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        repository_uri: str,
        project: str,
        clients: Clients,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._uri = repository_uri
        self._repository = Repository(repository_uri.partition("/")[2], clients)
        self._builder = Builder(project, clients)
        self._pause, self._clock = pause, clock

    def build(self, request: BuildRequest, *, within: timedelta) -> str:
        """The image of ``request``, by digest; built now unless it is there or already being built.

        The caller's connection may break while a build runs and its retry come minutes later: it joins the build.

        Parameters
        ----------
        request : BuildRequest
            The context and its tag.
        within : timedelta
            How long to wait.

        Returns
        -------
        str
            ``<repository uri>@sha256:<64 hex digits>``.

        Raises
        ------
        BuildFailed
            The build ended without an image.
        BuildUnfinished
            It still runs.
        """
        if digest := self._repository.find(request.tag):
            return f"{self._uri}@{digest}"
        until = self._clock() + within.total_seconds()
        build = self._builder.find_running(request.tag) or self._builder.start(request)
        seconds = _FIRST_PAUSE
        while build.is_running:
            if self._clock() >= until:
                raise BuildUnfinished(
                    f"image build {build.id} still runs ({build.phase}) after {within}",
                    next_steps=["pulumi up again: it waits for the same build", f"its output: {build.logs}"],
                )
            self._pause(seconds)
            seconds = min(2 * seconds, _LONGEST_PAUSE)
            build = self._builder.read(build.id)
        return f"{self._uri}@{self._digest(request, build)}"

    def _digest(self, request: BuildRequest, build: Build) -> str:
        # Also after a failure: of two builds of a tag the slower one fails to push, for tags are immutable.
        digest = self._repository.find(request.tag)
        if digest is None:
            outcome = build.status if build.status != "SUCCEEDED" else "SUCCEEDED, but pushed no image"
            why = build.reason or f"It ended in {build.phase}"
            raise BuildFailed(f"image build {build.id}: {outcome}. {why}. Its output: {build.logs}")
        return digest
