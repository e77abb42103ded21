"""Runs the checks one after the other, and cleans up whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from headwater.client.stack import Stack
from headwater.client.verification import costs
from headwater.client.verification.checks import CHECKS
from headwater.client.verification.cleaning import STAYS, clean
from headwater.client.verification.place import Leftover, VerificationPlace
from headwater.client.verification.types import (
    Check,
    CheckResult,
    NotApplicable,
    NoVerification,
    Outcome,
    Report,
    Stage,
    Work,
)
from headwater.errors import HeadwaterError
from headwater.storage.clients import error_code
from headwater.storage.table import Table
from headwater.verification import MODEL, SOURCE, VIEW
from headwater.verification.rows import Sample

Follow = Callable[[str, str], AbstractContextManager[Stage]]
LONGEST = 600
"""Characters of a reason."""


class _Silent:
    def update(self, detail: str) -> None:
        """Nobody listens."""


@contextmanager
def silently(name: str, title: str) -> Iterator[Stage]:
    """Follow a check without showing anything."""
    del name, title
    yield _Silent()


class CouldNot(HeadwaterError):
    """Carries a check's failure through what shows the progress."""


def verify(stack: Stack, *, keep: bool = False, follow: Follow = silently, checks: Sequence[Check] = CHECKS) -> Report:
    """Try every capability of a stack with the library's own small product, and clean up.

    Parameters
    ----------
    stack : Stack
    keep : bool
        Whether to leave what was put into the stack there, to be looked at; the next verification removes it.
    follow : callable
        Called with a check's name and title, gives a context in which the check runs and that is told what it is doing.
    checks : sequence of Check
        In their order.

    Raises
    ------
    VerificationRunning
        Another verification is under way.
    NoVerification
        The stack was deployed without the product that is needed (``headwater:verify`` is false, or an older version).
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    if not stack.description.verify:
        raise NoVerification(
            f"stack {stack.description.name!r} was deployed without the product that a verification needs",
            next_steps=["pulumi config set headwater:verify true", "deploy it again with this version"],
        )
    sample = Sample(secrets.token_hex(4), started_at)
    work = Work(stack=stack, sample=sample, started_at=started_at)
    clients = costs.counting(stack.clients, work.use)
    own = stack.description.model_copy(update={"models": (MODEL,), "sources": (SOURCE,), "views": (VIEW,)})
    work.stack = Stack(own, clients)
    place = VerificationPlace(Table(own.registry_table, clients), sample.run_id)
    leftover = place.take()
    with place.alive():
        results = _checked(work, checks, place, leftover, keep=keep, follow=follow)
    return Report(
        id=sample.run_id,
        stack=own.name,
        account=work.account,
        region=own.region,
        started_at=started_at,
        seconds=round(time.monotonic() - began, 1),
        results=tuple(results),
        costs=costs.lines(work.used),
        prices=costs.PRICES,
        kept=keep,
        stays=STAYS,
    )


def _checked(
    work: Work, checks: Sequence[Check], place: VerificationPlace, leftover: Leftover | None, *, keep: bool,
    follow: Follow,
) -> list[CheckResult]:  # fmt: skip
    results: list[CheckResult] = []
    try:
        if leftover is not None:
            results.append(_judge(work, _removing(leftover), {}, follow))
        for check in checks:
            results.append(_judge(work, check, {result.name: result for result in results}, follow))
    finally:
        # Also if a person has pressed Ctrl-C.
        if keep:
            place.keep()
        else:
            results.append(_judge(work, Check("clean", "cleaning up", _clean), {}, follow))
            if results[-1].outcome is Outcome.OK:
                place.release()
            else:
                place.abandon()
    # After the cleaning up, whose requests cost something, too.
    results.append(_judge(work, Check("cost", "cost", _count), {}, follow))
    return results


def _removing(leftover: Leftover) -> Check:
    def run(work: Work) -> str:
        return f"of verification {leftover.id} ({leftover.why}): {_cleaned(work, leftover.id)}"

    return Check("leftover", "removing a leftover", run)


def _clean(work: Work) -> str:
    return _cleaned(work, work.sample.run_id)


def _cleaned(work: Work, run_id: str) -> str:
    return clean(work.stack, Sample(run_id, work.started_at).units, work.tell)


def _count(work: Work) -> str:
    costs.count_runs(work)
    return f"at most ${sum(line.dollars for line in costs.lines(work.used)):.4f}"


def _judge(work: Work, check: Check, before: dict[str, CheckResult], follow: Follow) -> CheckResult:
    """Run a check unless what it needs isn't there, and say how it ended."""
    began = time.monotonic()

    def result(outcome: Outcome, detail: str) -> CheckResult:
        text = " ".join(detail.split())
        text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
        seconds = round(time.monotonic() - began, 1)
        return CheckResult(name=check.name, title=check.title, outcome=outcome, seconds=seconds, detail=text)

    if lacking := [name for name in check.needs if name not in before or before[name].outcome is not Outcome.OK]:
        titles = ", ".join(before[name].title if name in before else name for name in lacking)
        return result(Outcome.SKIPPED, f"needs {titles}")
    try:
        with follow(check.name, check.title) as stage:
            work.tell = stage.update
            try:
                detail, outcome = check.run(work), Outcome.OK
            except NotApplicable as error:
                detail, outcome = error.message, Outcome.SKIPPED
            except Exception as error:
                detail = words_of(error)
                stage.update(detail.split("\n")[0])
                raise CouldNot(detail) from error
            stage.update(detail if outcome is Outcome.OK else f"skipped: {detail}")
    except CouldNot as error:
        return result(Outcome.FAILED, error.message)
    return result(outcome, detail)


def words_of(error: Exception) -> str:
    """The failure, in the words of its source."""
    if isinstance(error, HeadwaterError):
        return error.message
    told: dict[str, Any] = getattr(error, "response", None) or {}
    if code := error_code(error):
        said = told.get("Error", {}).get("Message") or error
        return f"AWS answered {code} to {getattr(error, 'operation_name', 'a call')}: {said}"
    return f"{type(error).__name__}: {error}"
