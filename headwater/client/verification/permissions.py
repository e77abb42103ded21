"""Judges the policies of the functions' roles by IAM's own simulator, which costs nothing.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headwater.client.description import Description
from headwater.client.stack import Stack
from headwater.client.verification.types import CheckFailed, Work
from headwater.storage.clients import Clients

ALLOWED = "allowed"


@dataclass(frozen=True)
class Question:
    """Whether a role may do something to something."""

    actions: tuple[str, ...]
    resource: str
    keys: tuple[str, ...] = ()
    """Partition keys, for an action on a table."""


def harmful(stack: Description) -> Iterator[Question]:
    """Actions that no function of a stack may do."""
    for bucket in (stack.lake_bucket, stack.artifacts_bucket, stack.predictions_bucket):
        arn = f"arn:{_partition(stack)}:s3:::{bucket}"
        yield Question(("s3:DeleteBucket", "s3:PutBucketPolicy", "s3:PutBucketVersioning"), arn)
    for table in (stack.features_table, stack.registry_table):
        yield Question(("dynamodb:DeleteTable", "dynamodb:Scan", "dynamodb:UpdateTable"), _table(stack, table))
    yield Question(("iam:CreateAccessKey", "iam:PutRolePolicy", "iam:AttachRolePolicy"), "*")
    yield Question(
        ("lambda:UpdateFunctionCode",), _arn(stack, "lambda", f"function:{stack.predict_function}")
    )  # fmt: skip


def predicting(stack: Description) -> tuple[Sequence[Question], Sequence[Question]]:
    """Actions that the predict function needs, and those it must not have: it answers strangers, so it gets least."""
    s3 = f"arn:{_partition(stack)}:s3:::"
    registry = _table(stack, stack.registry_table)
    may = (
        Question(("dynamodb:BatchGetItem",), _table(stack, stack.features_table)),
        Question(("dynamodb:GetItem",), registry, ("MODEL#headwater_verify",)),
        Question(("s3:GetObjectVersion",), f"{s3}{stack.artifacts_bucket}/runs/headwater_verify/x"),
        Question(("s3:PutObject",), f"{s3}{stack.predictions_bucket}/headwater_verify/x"),
    )
    may_not = (
        Question(("dynamodb:PutItem", "dynamodb:UpdateItem"), registry, ("MODEL#headwater_verify",)),
        Question(("dynamodb:PutItem", "dynamodb:DeleteItem"), _table(stack, stack.features_table)),
        Question(("s3:PutObject", "s3:DeleteObject"), f"{s3}{stack.artifacts_bucket}/runs/headwater_verify/x"),
        Question(("s3:GetObject", "s3:PutObject"), f"{s3}{stack.lake_bucket}/landing/headwater_verify_rows/x"),
        Question(("s3:DeleteObject",), f"{s3}{stack.predictions_bucket}/headwater_verify/x"),
    )
    return may, may_not


def permissions(work: Work) -> str:
    """The functions' roles allow what serving needs and nothing of what no function may do."""
    stack = work.stack.description
    roles = _roles(work.stack)
    wrong, asked = [], 0
    for function, role in sorted(roles.items()):
        may: Sequence[Question] = ()
        may_not: Sequence[Question] = ()
        if function == stack.predict_function:
            may, may_not = predicting(stack)
        for question in (*may, *may_not, *harmful(stack)):
            asked += len(question.actions)
            for action, allowed in judged(work.clients, role, question):
                if allowed is not (question in may):
                    wrong.append(f"{function} {'may' if allowed else 'may not'} {action} on {question.resource}")
        work.tell(f"{function}")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return f"{asked} permissions of {len(roles)} functions' roles are as they should be"


def judged(clients: Clients, role: str, question: Question) -> Iterator[tuple[str, bool]]:
    """Each action of a question, and whether the role's policies allow it."""
    context = [
        {"ContextKeyName": "dynamodb:LeadingKeys", "ContextKeyValues": list(question.keys),
         "ContextKeyType": "stringList"}
    ]  # fmt: skip
    answer = clients("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=list(question.actions),
        ResourceArns=[question.resource],
        ContextEntries=context if question.keys else [],
    )
    for result in answer["EvaluationResults"]:
        yield result["EvalActionName"], result["EvalDecision"] == ALLOWED


def _roles(stack: Stack) -> dict[str, str]:
    """The stack's functions, and the role that each one runs as."""
    pages = stack.clients("lambda").get_paginator("list_functions").paginate()
    found = [function for page in pages for function in page["Functions"]]
    prefix = stack.description.prefix
    return {one["FunctionName"]: one["Role"] for one in found if one["FunctionName"].startswith(prefix)}


def _partition(stack: Description) -> str:
    return stack.training_arn.split(":")[1]


def _arn(stack: Description, service: str, resource: str) -> str:
    return ":".join((*stack.training_arn.split(":")[:2], service, *stack.training_arn.split(":")[3:5], resource))


def _table(stack: Description, name: str) -> str:
    return _arn(stack, "dynamodb", f"table/{name}")
