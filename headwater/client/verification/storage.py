"""Checks of the deployed resources' own settings: identity, buckets, tables, functions, alarms, history."""

from __future__ import annotations

import json
import re
from typing import Any

from headwater import __version__
from headwater.client.verification.types import CheckFailed, NotApplicable, Work
from headwater.storage.clients import Clients, error_code
from headwater.storage.executions import Executions

_MISSING = frozenset({
    "NoSuchBucket", "NoSuchPublicAccessBlockConfiguration", "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchBucketPolicy", "ResourceNotFoundException", "StateMachineDoesNotExist", "NotFound", "404",
})  # fmt: skip
_FUNCTION = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d+:function:([\w-]+)")


def identity(work: Work) -> str:
    """The caller's identity and region."""
    told = work.clients("sts").get_caller_identity()
    work.account = told["Account"]
    # Without the partition and the account, which would be a word too long for a table.
    return f"account {told['Account']}, {told['Arn'].split(':', 5)[-1]}, {work.stack.description.region}"


def description(work: Work) -> str:
    """The stack says which version deployed it, and it is this one."""
    stack = work.stack.description
    version = str(getattr(stack, "version", "") or "")
    if version and version != __version__:
        raise CheckFailed(
            f"version {version} deployed the stack, this is {__version__}: install that one or deploy again"
        )
    return f"{stack.name} of project {stack.project}, version {version or 'not told'} (this is {__version__})"


def bucket(name: str, clients: Clients) -> str:
    """Private, encrypted, versioned, TLS only; all that isn't is named."""
    s3 = clients("s3")
    wrong = []
    blocks = _read(s3.get_public_access_block, Bucket=name).get("PublicAccessBlockConfiguration", {})
    named = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    if open_to := [block for block in named if not blocks.get(block)]:
        wrong.append(f"not private ({', '.join(open_to)} not set)")
    rules = _read(s3.get_bucket_encryption, Bucket=name).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    ciphers = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules]
    if not any(ciphers):
        wrong.append("not encrypted by default")
    if (status := _read(s3.get_bucket_versioning, Bucket=name).get("Status")) != "Enabled":
        wrong.append(f"versioning is {status or 'off'}")
    if not refuses_plain_text(_read(s3.get_bucket_policy, Bucket=name).get("Policy") or "{}"):
        wrong.append("its policy doesn't refuse requests without TLS")
    if wrong:
        raise CheckFailed(f"bucket {name}: {'; '.join(wrong)}")
    return f"private, encrypted ({ciphers[0]}), versioned, TLS only"


def refuses_plain_text(policy: str) -> bool:
    """Whether a bucket's policy denies everything to whoever comes without TLS."""
    statements = json.loads(policy).get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        actions = statement.get("Action")
        actions = actions if isinstance(actions, list) else [actions]
        if statement.get("Effect") == "Deny" and str(condition).lower() == "false" and {"*", "s3:*"} & set(actions):
            return True
    return False


def table(name: str, clients: Clients) -> str:
    """The table can be restored to any second of the last weeks."""
    dynamodb = clients("dynamodb")
    described = dynamodb.describe_table(TableName=name)["Table"]
    told = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = told.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    if recovery != "ENABLED":
        raise CheckFailed(f"table {name}: point-in-time recovery is {recovery or 'off'}, expected ENABLED")
    protected = "" if described.get("DeletionProtectionEnabled") else "not "
    return f"point-in-time recovery, {protected}protected from deletion"


def functions(work: Work) -> str:
    """Every function that a state machine calls, or the API stands on, is there and ready."""
    stack = work.stack.description
    named = {stack.predict_function: {"the API"}}
    for arn in filter(None, (stack.ingestion_arn, stack.training_arn, stack.materialisation_arn)):
        definition = Executions(arn, work.clients).definition()
        for name in _FUNCTION.findall(definition):
            named.setdefault(name, set()).add(f"the state machine {arn.rpartition(':')[2]}")
    wrong = []
    for name, callers in sorted(named.items()):
        if problem := _function_problem(name, work.clients):
            wrong.append(f"{name} {problem}; {' and '.join(sorted(callers))} calls it")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return f"{len(named)} functions that the API and the state machines call are ready"


def _function_problem(name: str, clients: Clients) -> str:
    found = _read(clients("lambda").get_function_configuration, FunctionName=name)
    if not found:
        return "doesn't exist"
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    # A function that nobody called for weeks sleeps; a call wakes it.
    if state in ("Active", "Inactive") and update == "Successful":
        return ""
    return f"is {state}, its last update {update}: {found.get('StateReason') or found.get('LastUpdateStatusReason')}"


def alarms(work: Work) -> str:
    """The topic that alarms report to is there, alarms have states, and they report to it."""
    topic = work.stack.description.alarm_topic_arn
    attributes = _read(work.clients("sns").get_topic_attributes, TopicArn=topic).get("Attributes")
    if attributes is None:
        raise CheckFailed(f"the topic {topic} that alarms report to doesn't exist")
    pages = work.clients("cloudwatch").get_paginator("describe_alarms")
    prefix = work.stack.description.prefix
    found = [alarm for page in pages.paginate(AlarmNamePrefix=prefix) for alarm in page["MetricAlarms"]]
    if not found:
        raise CheckFailed(f"no alarm's name begins with {prefix}")
    if mute := sorted(alarm["AlarmName"] for alarm in found if topic not in alarm.get("AlarmActions", ())):
        raise CheckFailed(f"{len(mute)} alarms don't report to {topic}: {', '.join(mute[:3])}")
    off = sorted(one["AlarmName"].removeprefix(prefix) for one in found if one["StateValue"] == "ALARM")
    subscribers = attributes.get("SubscriptionsConfirmed", "0")
    going = f"{len(off)} going off ({', '.join(off[:3])})" if off else "none going off"
    return f"{len(found)} alarms, {going}; the topic has {subscribers} confirmed subscribers"


def history(work: Work) -> str:
    """The deployments of the stack were written down."""
    if not work.stack.description.state_bucket:
        raise NotApplicable("the stack was deployed without a state bucket (headwater bootstrap)")
    updates = work.stack.infra.history()
    if not updates:
        raise CheckFailed(
            f"no update of {work.stack.infra.name} is known: headwater infra sync reads the state bucket anew"
        )
    newest = updates[0]
    return f"{len(updates)} updates, the newest ended {newest.ended_at:%Y-%m-%d %H:%M} UTC ({newest.result})"


def _read(call: Any, **request: str) -> dict[str, Any]:
    """An answer, or nothing where what is asked about isn't there."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = call(**request)
    except ClientError as error:
        if error_code(error) in _MISSING:
            return {}
        raise
    return answer
