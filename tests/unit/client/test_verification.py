"""How checks are judged, one verification at a time, and what is taken away afterwards."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headwater.client import Stack
from headwater.client.errors import RunFailed
from headwater.client.prices import DOLLARS
from headwater.client.verification import NoVerification, Outcome, VerificationRunning, costs
from headwater.client.verification.models import quota_advice
from headwater.client.verification.place import SILENCE, VerificationPlace
from headwater.client.verification.runner import _judge, silently, verify
from headwater.client.verification.storage import bucket, refuses_plain_text
from headwater.client.verification.types import Check, CheckFailed, CheckResult, NotApplicable, Work
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.verification.rows import Sample
from tests.unit.registry.cases import candidate

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def work(stack: Stack) -> Work:
    return Work(stack=stack, sample=Sample("abc", NOW), started_at=NOW)


def judged(work: Work, *checks: Check) -> list[tuple[Outcome, str]]:
    results: dict[str, CheckResult] = {}
    for check in checks:
        results[check.name] = _judge(work, check, results, silently)
    return [(result.outcome, result.detail) for result in results.values()]


def test_a_check_fails_with_its_reason_and_what_needs_it_is_skipped(work: Work) -> None:
    def fails(_: Work) -> str:
        raise CheckFailed("two rows, expected three")

    def inapplicable(_: Work) -> str:
        raise NotApplicable("no state bucket")

    found = judged(
        work,
        Check("one", "the first", lambda _: "all there"),
        Check("two", "the second", fails, needs=("one",)),
        Check("three", "the third", lambda _: "never asked", needs=("two",)),
        Check("four", "the fourth", inapplicable),
        Check("five", "the fifth", lambda _: "never asked", needs=("four",)),
    )
    assert found == [
        (Outcome.OK, "all there"),
        (Outcome.FAILED, "two rows, expected three"),
        (Outcome.SKIPPED, "needs the second"),
        (Outcome.SKIPPED, "no state bucket"),
        (Outcome.SKIPPED, "needs the fourth"),
    ]


def test_a_refusal_of_aws_is_a_failed_check_that_names_call_and_code(work: Work) -> None:
    def asks(_: Work) -> str:
        CLIENTS("dynamodb").describe_table(TableName="nosuch")
        return ""

    ((outcome, detail),) = judged(work, Check("one", "the first", asks))
    assert outcome is Outcome.FAILED
    assert detail.startswith("AWS answered ResourceNotFoundException to DescribeTable:")


def test_a_second_verification_is_told_who_runs_the_first(stack: Stack) -> None:
    store = Table("registry", CLIENTS)
    assert VerificationPlace(store, "one").take() is None
    with pytest.raises(VerificationRunning, match="another verification of this stack runs since"):
        VerificationPlace(store, "two").take()


def test_the_place_of_a_killed_verification_is_taken_after_a_silence(stack: Stack) -> None:
    store = Table("registry", CLIENTS)
    VerificationPlace(store, "one", now=lambda: NOW).take()
    soon, late = NOW + SILENCE, NOW + SILENCE + timedelta(seconds=1)
    with pytest.raises(VerificationRunning):
        VerificationPlace(store, "two", now=lambda: soon).take()
    left = VerificationPlace(store, "two", now=lambda: late).take()
    assert left is not None
    assert (left.id, left.why) == ("one", "killed")


def test_what_was_kept_is_left_to_the_next_and_a_released_place_is_free(stack: Stack) -> None:
    store = Table("registry", CLIENTS)
    first = VerificationPlace(store, "one")
    first.take()
    first.keep()
    second = VerificationPlace(store, "two")
    left = second.take()
    assert left is not None
    assert (left.id, left.why) == ("one", "kept")
    # Whoever lost the place doesn't free it.
    first.release()
    with pytest.raises(VerificationRunning):
        VerificationPlace(store, "three").take()
    second.release()
    assert VerificationPlace(store, "three").take() is None


def test_a_stack_without_the_product_is_refused_before_anything_is_done(stack: Stack) -> None:
    with pytest.raises(NoVerification, match="without the product"):
        verify(stack)
    assert Table("registry", CLIENTS).get("VERIFICATION#", "CURRENT") is None


@pytest.fixture
def deployed(stack: Stack) -> Stack:
    """A stack with empty buckets, tables and state machines, that knows the verification's product."""
    for name in ("artifacts", "predictions"):
        CLIENTS("s3").create_bucket(Bucket=name)
    CLIENTS("dynamodb").create_table(
        TableName="features",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    definition = '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'
    role = "arn:aws:iam::123456789012:role/machine"
    for name in ("ingestion", "training"):
        CLIENTS("stepfunctions").create_state_machine(name=f"headwater-dev-{name}", definition=definition, roleArn=role)
    return Stack(stack.description.model_copy(update={"verify": "yes"}), stack.clients)


def put_something(work: Work) -> str:
    """What a verification may have put into a stack when it ends."""
    for name, key in (("lake", "landing/headwater_verify_rows/a.csv"), ("predictions", "headwater_verify/a.json")):
        CLIENTS("s3").put_object(Bucket=name, Key=key, Body=b"x")
    key = f"headwater_verify_unit|{work.sample.units[0]}"
    CLIENTS("dynamodb").put_item(TableName="features", Item={"pk": {"S": key}})
    registry = Registry(Table("registry", CLIENTS))
    own = candidate(f"run-{work.sample.run_id}").model_copy(update={"model": "headwater_verify"})
    version = registry.register(own).version
    registry.promote("headwater_verify", alias="production", to=version, expected=None)
    return "something was put"


def left() -> list[object]:
    """What is still there of it."""
    versions = CLIENTS("s3").list_object_versions(Bucket="lake", Prefix="landing/")
    return [
        *versions.get("Versions", ()),
        *versions.get("DeleteMarkers", ()),
        *CLIENTS("s3").list_objects_v2(Bucket="predictions").get("Contents", ()),
        *CLIENTS("dynamodb").scan(TableName="features")["Items"],
        *Registry(Table("registry", CLIENTS)).aliases("headwater_verify"),
    ]


def test_what_a_verification_put_there_is_gone_afterwards(deployed: Stack) -> None:
    CLIENTS("s3").put_object(Bucket="lake", Key="landing/rows/mine.csv", Body=b"x")
    report = verify(deployed, checks=[Check("one", "the first", put_something)])
    assert [(entry.name, entry.outcome) for entry in report.results] == [
        ("one", Outcome.OK), ("clean", Outcome.OK), ("cost", Outcome.OK),
    ]  # fmt: skip
    assert [entry["Key"] for entry in left()] == ["landing/rows/mine.csv"]  # type: ignore[index]
    assert Table("registry", CLIENTS).get("VERIFICATION#", "CURRENT") is None


def test_an_interrupted_verification_cleans_up(deployed: Stack) -> None:
    def interrupted(work: Work) -> str:
        put_something(work)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(deployed, checks=[Check("one", "the first", interrupted)])
    assert left() == []
    assert Table("registry", CLIENTS).get("VERIFICATION#", "CURRENT") is None


def test_what_was_kept_is_removed_by_the_next_verification(deployed: Stack) -> None:
    kept = verify(deployed, keep=True, checks=[Check("one", "the first", put_something)])
    assert len(left()) == 4
    report = verify(deployed, checks=[])
    assert report.results[0].name == "leftover"
    assert f"of verification {kept.id} (kept)" in report.results[0].detail
    assert left() == []


def test_its_model_and_view_stand_in_no_list_of_the_products(stack: Stack) -> None:
    registry = Registry(Table("registry", CLIENTS))
    own = candidate("run-1")
    registry.register(own)
    registry.register(own.model_copy(update={"model": "headwater_verify"}))
    assert [entry.model for entry in stack.models.list()] == ["delays"]


def test_a_bucket_that_lacks_everything_says_what_it_lacks(stack: Stack) -> None:
    CLIENTS("s3").create_bucket(Bucket="bare")
    with pytest.raises(CheckFailed) as raised:
        bucket("bare", CLIENTS)
    for words in ("not private", "versioning is off", "without TLS"):
        assert words in raised.value.message


def test_only_a_denial_of_everything_without_tls_counts() -> None:
    def policy(effect: str, action: str, secure: str) -> str:
        return (
            f'{{"Statement": {{"Effect": "{effect}", "Action": "{action}", "Resource": "*", '
            f'"Condition": {{"Bool": {{"aws:SecureTransport": "{secure}"}}}}}}}}'
        )

    assert refuses_plain_text(policy("Deny", "*", "false"))
    assert not refuses_plain_text(policy("Allow", "*", "false"))
    assert not refuses_plain_text(policy("Deny", "s3:GetObject", "false"))
    assert not refuses_plain_text(policy("Deny", "*", "true"))
    assert not refuses_plain_text("{}")


def test_a_run_without_room_on_fargate_says_which_quota_to_ask_for() -> None:
    told = RunFailed("run x failed: You've reached the limit on the number of vCPUs you can run concurrently").message
    assert "Fargate On-Demand vCPU resource count" in quota_advice(told)
    assert quota_advice("run x failed: ValueError: no rows") == "run x failed: ValueError: no rows"


def test_the_prices_are_those_of_the_page_on_costs() -> None:
    words = {
        "API requests": "HTTP API $1.00 a million",
        "Lambda requests": "Lambda $0.20 a million",
        "Lambda GB-seconds": "$0.0000166667 a GB-second",
        "Fargate vCPU-hours": "Fargate $0.0405 a vCPU-hour",
        "Fargate GB-hours": "$0.0044 a GB-hour",
        "public IPv4 hours": "public IPv4 $0.005 an hour",
        "state transitions": "state transitions $0.025 a thousand",
        "S3 writes and lists": "$5 a million writes and lists",
        "S3 reads": "$0.40 a million reads",
        "DynamoDB units": "$0.625 a million write units",
    }
    page = (Path(__file__).parents[3] / "docs" / "cost.md").read_text()
    for unit, said in words.items():
        assert said in page
        amount, many = re.search(r"\$([\d.]+) an? (\S+)", said).groups()  # type: ignore[union-attr]
        assert DOLLARS[unit] == pytest.approx(float(amount) / {"million": 1e6, "thousand": 1e3}.get(many, 1))


def test_calls_that_cost_money_are_counted_and_priced(stack: Stack) -> None:
    used: dict[str, float] = {}

    def use(unit: str, amount: float) -> None:
        used[unit] = used.get(unit, 0) + amount

    counted = costs.counting(stack.clients, use)
    counted("s3").create_bucket(Bucket="counted")
    counted("s3").put_object(Bucket="counted", Key="a", Body=b"x")
    counted("s3").get_object(Bucket="counted", Key="a")
    assert used["S3 writes and lists"] == 1
    found = costs.lines({"S3 writes and lists": 2, "Fargate vCPU-hours": 0.5})
    assert [line.what for line in found] == ["Fargate vCPU-hours", "S3 writes and lists"]
    assert found[0].dollars == pytest.approx(0.5 * 0.0405)
