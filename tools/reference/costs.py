"""Writes the part of docs/cost.md about an idle stack: what its resources cost in a month, counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.client.prices import DOLLARS, FREE, dollars
from headwater.schedules.store import DEFINITIONS
from headwater.schedules.types import CALL
from tools.reference.stack import ROOT, resources

if TYPE_CHECKING:
    from headwater.infra.policies import Resource

NAME = "costs"
PAGE = ROOT / "docs/cost.md"
BEGIN, END = "<!-- counted: python -m tools.reference costs -->", "<!-- /counted -->"
HOURS = 730
"""In a month."""
CALL_SECONDS, CALL_LISTS, CALL_READS, CALL_LOG_BYTES = 3, 5, 10, 2_000
"""Assumed of a call that finds nothing to do: its time with the cold start, requests to S3 and DynamoDB, its log."""
WAKE_SECONDS = 1
TICK_TRANSITIONS, TICK_WRITES, TICK_READS = 2, 12, 20
"""Of a tick: Step Functions counts the start as one; the ledger writes three transactions of two items, which are paid
for twice."""
POLLS = 650_000
"""Requests a month by which Lambda asks one queue: five pollers, 20 seconds each (docs/decisions/0126)."""
METRICS_OF_A_MODEL = 6
"""The hourly look writes so many of a model that was ever asked, at most: `dashboards.cloudwatch.metrics_of`."""
STORED: Mapping[str, tuple[str, str, float]] = {
    "aws:s3/bucket:Bucket": ("S3: data, models, versions", "S3 GB-months", 10),
    "aws:dynamodb/table:Table": ("DynamoDB: storage, point-in-time recovery", "DynamoDB GB-months", 0.1),
    "aws:ecr/repository:Repository": ("ECR: the training image", "ECR GB-months", 1),
    "aws:cloudwatch/logGroup:LogGroup": ("CloudWatch Logs: storage", "log GB-months", 1),
}
"""Where something lies: the words, the unit, and how much of it a small product has in all of them together."""
NOTHING: Mapping[str, str] = {
    "aws:lambda/function:Function": "Lambda functions",
    "aws:sfn/stateMachine:StateMachine": "state machines",
    "aws:cloudwatch/eventRule:EventRule": "EventBridge rules",
    "aws:scheduler/schedule:Schedule": "EventBridge schedules",
    "aws:apigatewayv2/api:Api": "HTTP APIs",
    "aws:sqs/queue:Queue": "SQS queues",
    "aws:sns/topic:Topic": "SNS topics",
    "aws:ecs/cluster:Cluster": "ECS clusters",
    "aws:ec2/vpc:Vpc": "VPCs",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "gateway endpoints",
    "aws:codebuild/project:Project": "CodeBuild projects",
    "aws:emrserverless/application:Application": "EMR Serverless applications",
    "aws:cloudwatch/dashboard:Dashboard": "CloudWatch dashboards (of three free ones)",
    "aws:ssm/parameter:Parameter": "SSM parameters (standard)",
}
"""Types of resources that cost nothing while nobody uses them."""
FUNCTION, SCHEDULE = "aws:lambda/function:Function", "aws:scheduler/schedule:Schedule"
ALARM, MAPPING = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:lambda/eventSourceMapping:EventSourceMapping"
# Settings of something else, that nobody pays for.
PARTS = re.compile(
    r"aws:iam/|aws:ec2/(defaultSecurityGroup|internetGateway|route|routeTable|routeTableAssociation|securityGroup|"
    r"subnet):|aws:s3/bucket[A-Z]|aws:sns/topic[A-Z]|aws:sqs/queue[A-Z]|aws:lambda/(functionEventInvokeConfig|"
    r"invocation|permission):|aws:apigatewayv2/(integration|route|stage):|aws:cloudwatch/eventTarget:|"
    r"aws:ecr/lifecyclePolicy:|aws:ecs/taskDefinition:|aws:scheduler/scheduleGroup:"
)


@dataclass(frozen=True)
class Row:
    """A line of the table: amounts by unit."""

    what: str
    how: str
    used: Mapping[str, float]

    @property
    def cost(self) -> float:
        return sum(dollars(unit, amount) for unit, amount in self.used.items())


def unpriced(found: Sequence[Resource]) -> list[str]:
    """Types of resources of which this module doesn't know what they cost."""
    known = {ALARM, MAPPING, *STORED, *NOTHING}
    types = {one.type for one in found if one.type.startswith("aws:")}
    return sorted(kind for kind in types - known if not PARTS.match(kind))


def total(found: Sequence[Resource]) -> float:
    """Dollars a month of an idle stack without Spark, by the table's rows as they are printed."""
    return sum(round(row.cost, 2) for row in _rows(found))


def filled(page: str, found: Sequence[Resource]) -> str:
    """The page with the counted part made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_render(found)}\n{END}{after}"


def write() -> None:
    """Count, write."""
    PAGE.write_text(filled(PAGE.read_text("utf-8"), resources()), encoding="utf-8")


def _render(found: Sequence[Resource]) -> str:
    spark = sum(_alarm_metrics(one) for one in found if one.type == ALARM and _is_sparks(one))
    free = Counter(one.type for one in found if one.type in NOTHING and not _is_sparks(one))
    named = ", ".join(f"{free[kind]} {words}" for kind, words in NOTHING.items() if free[kind])
    lines = ["| what | how much | a month |", "|---|---|---|"]
    lines += [f"| {row.what} | {row.how} | ${row.cost:.2f} |" for row in _rows(found)]
    lines += [f"| {named} | they wait | $0.00 |", f"| **in all** | | **${total(found):.2f}** |", ""]
    an_alarm, a_metric = DOLLARS["alarm metrics"], DOLLARS["custom metrics"]
    lines.append(
        f"With Spark (`headwater:spark`) {spark} alarms more: ${spark * an_alarm:.2f}. A model more: an alarm and up "
        f"to {METRICS_OF_A_MODEL} metrics, ${an_alarm + METRICS_OF_A_MODEL * a_metric:.2f} once the free ones are used "
        "up."
    )
    return "\n".join([*lines[:-1], *_wrapped(lines[-1])])


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)


def _rows(found: Sequence[Resource]) -> Iterator[Row]:
    found = [one for one in found if not _is_sparks(one)]
    alarms = sum(_alarm_metrics(one) for one in found if one.type == ALARM)
    yield Row(
        "CloudWatch alarms",
        f"{alarms} at ${DOLLARS['alarm metrics']:.2f}, the first {FREE['alarm metrics']:.0f} free",
        {"alarm metrics": alarms},
    )
    models = sum(one.type == ALARM and one.get("metricName") == "ModelAlarm" for one in found)
    metrics = models * METRICS_OF_A_MODEL
    yield Row(
        "CloudWatch metrics of watched models",
        f"{metrics} of {_counted(models, 'model')} at ${DOLLARS['custom metrics']:.2f}, the first "
        f"{FREE['custom metrics']:.0f} free; a count of zero isn't written",
        {"custom metrics": metrics},
    )
    calls, gb_calls = _calls(found)
    yield Row(
        "calls by the clock, on arm64",
        f"{calls:,.0f} of {CALL_SECONDS} s, {gb_calls * CALL_SECONDS:,.0f} GB-seconds; {CALL_LISTS} lists and "
        f"{CALL_READS} reads each",
        {
            "Lambda requests": calls,
            "Lambda GB-seconds on arm64": gb_calls * CALL_SECONDS,
            "S3 writes and lists": calls * CALL_LISTS,
            "DynamoDB reads": calls * CALL_READS,
            "log GB written": calls * CALL_LOG_BYTES / 1e9,
        },
    )
    wakes = _wakes(found)
    yield Row(
        "the ledger that makes them",
        f"{wakes:,.0f} ticks: two wakes of {WAKE_SECONDS} s and 512 MB, {TICK_TRANSITIONS} state transitions, the "
        f"first {FREE['state transitions']:,.0f} free, {TICK_WRITES} writes and {TICK_READS} reads each",
        {
            "scheduler calls": wakes,
            "Lambda requests": 2 * wakes,
            "Lambda GB-seconds on arm64": 2 * wakes * WAKE_SECONDS * 0.5,
            "state transitions": wakes * TICK_TRANSITIONS,
            "DynamoDB units": wakes * TICK_WRITES,
            "DynamoDB reads": wakes * TICK_READS,
            "log GB written": 3 * wakes * CALL_LOG_BYTES / 1e9,
        },
    )
    polled = sum(one.type == MAPPING for one in found)
    yield Row(
        "SQS, which Lambda asks by long polling",
        f"{_counted(polled, 'queue')}, {polled * POLLS / 1e6:.1f} million requests, the first million free",
        {"SQS requests": polled * POLLS},
    )
    for kind, (what, unit, amount) in STORED.items():
        places = sum(one.type == kind for one in found)
        if places:
            yield Row(what, f"{amount:g} GB at ${DOLLARS[unit]:g} in {places}", {unit: amount})


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _is_sparks(one: Resource) -> bool:
    return "headwater:index:Spark$" in one.urn


def _alarm_metrics(alarm: Resource) -> int:
    """Metrics that an alarm is paid for: its own, or each that a formula of it reads."""
    queries: list[Mapping[str, Any]] = alarm.items("metricQueries")
    return sum("metric" in query for query in queries) or 1


def _calls(found: Sequence[Resource]) -> tuple[float, float]:
    """Calls of functions by the clock in a month, and their number times the functions' GB."""
    memory = {one.get("arn"): one.get("memorySize") / 1024 for one in found if one.type == FUNCTION}
    rules = {one.get("name"): one.get("scheduleExpression") for one in found if one.type.endswith(":EventRule")}
    calls = [
        (calls_a_month(rules[one.get("rule")]), one.get("arn"))
        for one in found
        if one.type == "aws:cloudwatch/eventTarget:EventTarget" and rules.get(one.get("rule"))
    ]
    schedules = {one.get("name"): one.get("scheduleExpression") for one in found if one.type == SCHEDULE}
    for one in found:
        # The deployed definitions of schedules: what a tick calls.
        if one.type == "aws:s3/bucketObjectv2:BucketObjectv2" and one.get("key").startswith(DEFINITIONS):
            work = one.document("content")["work"]
            if work["kind"] == CALL:
                calls.append((calls_a_month(schedules[work["name"]]), work["function"]))
    return sum(times for times, _ in calls), sum(times * memory[arn] for times, arn in calls)


def _wakes(found: Sequence[Resource]) -> float:
    """Ticks of all schedules in a month."""
    return sum(calls_a_month(one.get("scheduleExpression")) for one in found if one.type == SCHEDULE)


def calls_a_month(expression: str) -> float:
    """How often ``rate(...)`` or ``cron(...)`` comes, at most: days of a month and of a week are taken as all.

    Raises
    ------
    ValueError
        It is neither.
    """
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return HOURS / (int(found[1]) * {"minute": 1 / 60, "hour": 1, "day": 24}[found[2]])
    if found := re.fullmatch(r"cron\((\S+) (\S+) .*\)", expression):
        return _times(found[1], 60) * _times(found[2], 24) * HOURS / 24
    raise ValueError(f"{expression!r}: expected rate(...) or cron(...)")


def _times(field: str, most: int) -> int:
    """How many values a field of a cron expression matches."""
    count = 0
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        width = most if span == "*" else int(last or (most - 1 if step else first)) - int(first) + 1
        count += -(-width // int(step or 1))
    return count
