"""Both loops on one deployed stack, by a model that learnt from winter: July makes it worse, and isn't like winter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import headwater.client.description
from headwater.client import Stack, connect
from headwater.client.models import ModelCard
from headwater.client.waiting import wait_for
from headwater.demo.flights import change, month_departures, month_files
from headwater.demo.summer import SENSOR, STUCK_AT, ask
from headwater.retraining.errors import RetrainingRefused
from headwater.retraining.types import Decision, Phase, Verdict
from headwater.schedules.types import TickRecord, TickStatus
from localcloud import daemon
from tests.e2e.conftest import Winter
from tests.projects import Project

pytestmark = pytest.mark.cloud

MODEL, YEAR, MONTH = "flight_delay", 2013, 7
EVERY = 3
"""As the demo's slice."""
HOUR = timedelta(hours=1)
COMPACTED, LOOKED, DECIDED = "monitoring-compact", "monitoring-watch", "retraining-decide"
MINUTES = {COMPACTED: 7, LOOKED: 20, DECIDED: 40}
"""Of each hour, when the stack does it by itself."""
PATIENCE = 300.0
DEBOUNCE = 1.1
"""Seconds, a little more than those of the policies: before that a reason only waits."""
OVER = frozenset({Verdict.PROMOTED, Verdict.STAGED, Verdict.REJECTED, Verdict.FAILED})
"""What becomes of a run."""
POLICY = "    retraining="
BY_PERFORMANCE = 'reasons=("schedule", "performance"), debounce="1s", worse=1, windows=1'
BY_DRIFT = 'reasons=("schedule", "drift"), debounce="1s"'


@pytest.fixture(scope="module")
def project(winter: Winter, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project for the demo's cloud, whose model has a policy."""
    made = replace(Project.copy(tmp_path_factory.mktemp("retraining")), home=winter.project.home)
    # No clock that is moved by hours may meet a week's tick.
    text = product(made).read_text().replace("? * MON *", "1 1 ? *", 1)
    text = text.replace("    Schedule,\n", "    Retraining,\n    Schedule,\n", 1)
    product(made).write_text(text.replace("    retrain=", f"{POLICY}Retraining(),\n    retrain=", 1))
    return made


def product(project: Project) -> Path:
    return project.root / "pipelines" / "flights" / "product.py"


def declare(project: Project, policy: str) -> None:
    """Let the model have another policy, once it is deployed."""
    lines = product(project).read_text().splitlines(keepends=True)
    told = f"{POLICY}Retraining({policy}),\n"
    product(project).write_text("".join(told if line.startswith(POLICY) else line for line in lines))


def client_of(project: Project, patch: pytest.MonkeyPatch) -> Stack:
    patch.chdir(project.root)
    patch.setenv("HEADWATER_HOME", str(project.home))
    for name in ("HEADWATER_STACK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        patch.delenv(name, raising=False)
    return connect(headwater.client.description.LOCAL)


class Summer:
    """The stack that knows winter only, in July: what is asked of it, and its clock, moved from tick to tick."""

    def __init__(self, project: Project, patch: pytest.MonkeyPatch) -> None:
        self._project, self.stack = project, client_of(project, patch)
        cloud = daemon.status(project.home / "local")
        assert cloud is not None
        self._cloud = cloud

    def upload(self, *, broken: Sequence[int] = ()) -> None:
        """July's weather and flights; on some days the hygrometers of all airports say the same."""
        weather, flights = month_files(self._project.home, [MONTH], every=EVERY)
        change(weather, lambda row: int(row["day"]) in broken, lambda _: {SENSOR: STUCK_AT})
        for sent in [self.stack.upload(file.source, file.path) for file in (weather, flights)]:
            self.stack.ingestions.wait(sent, timeout=PATIENCE)

    def ask(self, days: Sequence[int], *, each: int = 1) -> int:
        """Ask about every so manieth flight of some days of July; how many these are."""
        flights = [one for one in month_departures(YEAR, MONTH, every=EVERY)[::each] if one.as_of.day in days]
        return sum(ask(self.stack, MODEL, flights))

    def looked(self) -> None:
        """The hour is over: its records become tables, and the monitor looks at them."""
        hour = self._hour
        # Early in an hour the looks at the one before are still to come.
        for schedule in (COMPACTED, LOOKED):
            if hour + timedelta(minutes=MINUTES[schedule]) > self._now:
                self._reach(schedule, hour)
        self._reach(COMPACTED, hour + HOUR)
        self._reach(LOOKED, hour + HOUR)

    def answered(self) -> Decision:
        """The policy's answer to the alarm, which goes off some minutes after the look."""
        self._cloud.advance(timedelta(minutes=10))
        decisions = self.stack.retraining.why(MODEL, number=100)
        time.sleep(DEBOUNCE)
        return next(one for one in decisions if one.ask_id.startswith("alarm:"))

    def decided(self) -> Decision:
        """What the policy decided when it looked by itself; what it requested may be over by then."""
        self._reach(DECIDED, self._hour)
        return next(one for one in self.stack.retraining.why(MODEL) if one.verdict not in OVER)

    def learnt(self, run_id: str) -> ModelCard:
        """The challenger of a run, once the policy knows what became of it."""
        run = self.stack.runs.watch(run_id, timeout=PATIENCE)
        self._found(lambda one: one.run_id == run_id and one.verdict in OVER, f"the end of run {run_id}")
        return self.stack.models.show(MODEL, run.version)

    def refusal(self) -> str:
        """Why nothing is trained, whoever asks: a person is told so, and a tick is skipped for that reason."""
        with pytest.raises(RetrainingRefused) as refused:
            self.stack.retraining.run(MODEL)
        schedule = f"retrain-{MODEL}"
        at = self.stack.schedules.run(schedule).at
        tick = wait_for(lambda: self._closed(schedule, at), what=f"the tick of {schedule} at {at}", timeout=PATIENCE)
        assert (tick.status, tick.origin) == (TickStatus.SKIPPED, "manual")
        assert refused.value.message.endswith(tick.reason)
        return tick.reason

    @property
    def _now(self) -> datetime:
        return datetime.fromisoformat(self._cloud.now())

    @property
    def _hour(self) -> datetime:
        return self._now.replace(minute=0, second=0, microsecond=0)

    def _reach(self, schedule: str, hour: datetime) -> None:
        at = hour + timedelta(minutes=MINUTES[schedule])
        self._cloud.advance(max(at + timedelta(seconds=1) - self._now, timedelta(0)))
        # What the clock started is done.
        tick = self._closed(schedule, at)
        assert tick is not None
        assert tick.status is TickStatus.DONE

    def _closed(self, schedule: str, at: datetime) -> TickRecord | None:
        """A tick, if it is known what became of it."""
        ticks = self.stack.schedules.history(schedule, number=5)
        return next((one for one in ticks if one.at == at and not one.status.is_open), None)

    def _found(self, wanted: Callable[[Decision], bool], what: str) -> Decision:
        def look() -> Decision | None:
            return next(filter(wanted, self.stack.retraining.why(MODEL, number=100)), None)

        return wait_for(look, what=what, timeout=PATIENCE)


@pytest.fixture
def summer(winter: Winter, project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Summer]:
    """Let July begin, after winter as it was saved, under a policy."""

    def begin(policy: str) -> Summer:
        winter.again(project)
        declare(project, policy)
        project.done("local", "up")
        return Summer(project, monkeypatch)

    return begin


def test_a_model_that_got_worse_is_trained_again_and_the_better_one_promoted(summer: Callable[[str], Summer]) -> None:
    july = summer(BY_PERFORMANCE)
    assert july.stack.retraining.policy(MODEL).reasons == ("schedule", "performance")
    july.upload()
    assert july.ask(range(8, 15)) > 2_000
    july.looked()
    armed = july.answered()
    assert (armed.verdict, armed.kind) == (Verdict.ARMED, "performance")
    assert "realised roc_auc" in armed.words
    requested = july.decided()
    assert (requested.verdict, requested.kind) == (Verdict.REQUESTED, "performance")
    challenger = july.learnt(requested.run_id)
    assert (challenger.version, challenger.reasons) == (3, ())
    assert "production" in challenger.aliases
    (state,) = july.stack.retraining.status(MODEL)
    assert (state.phase, state.factor, len(state.tokens)) == (Phase.COOLDOWN, 1, 1)
    assert (state.tokens[0].dollars or 0) > 0
    # The same data are not trained again.
    assert "the very data that there is now" in july.refusal()
    assert len(july.stack.runs.list(MODEL)) == 3


def test_requests_that_have_changed_are_learnt_but_not_from_a_broken_feed(summer: Callable[[str], Summer]) -> None:
    july = summer(BY_DRIFT)
    assert july.stack.retraining.policy(MODEL).reasons == ("schedule", "drift")
    # A sensor says one value: the alarm goes off, and nothing is learnt from it.
    july.upload(broken=(11, 12))
    assert july.ask(range(1, 13), each=3) > 1_000
    july.looked()
    assert july.answered().verdict is Verdict.ARMED
    blocked = july.decided()
    assert (blocked.verdict, blocked.code) == (Verdict.BLOCKED, "quality")
    assert f"{SENSOR} stuck" in blocked.words
    assert f"{SENSOR} stuck" in july.refusal()
    assert len(july.stack.runs.list(MODEL)) == 2

    # It is mended: the alarm fires all the time, for July isn't winter, and what is new is learnt.
    july.upload()
    assert july.ask(range(13, 16), each=3) > 200
    july.looked()
    requested = july.decided()
    assert (requested.verdict, requested.kind) == (Verdict.REQUESTED, "drift")
    challenger = july.learnt(requested.run_id)
    assert challenger.version == 3
    (state,) = july.stack.retraining.status(MODEL)
    assert state.phase is Phase.COOLDOWN
    assert len(july.stack.runs.list(MODEL)) == 3
    # The policy's own look is a schedule like all others.
    looks = {one.name: one.last for one in july.stack.schedules.list()}
    assert looks[DECIDED] is not None
