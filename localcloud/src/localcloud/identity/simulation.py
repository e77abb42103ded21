"""`iam:SimulatePrincipalPolicy` for roles: judged by the same policies, and the same way, as the roles' own calls.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.identity.policy import Decision
from localcloud.refusals import refusal

OPERATION = "SimulatePrincipalPolicy"
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
# What would change the outcome and isn't done here must not be ignored.
_NOT_HERE = ("PolicyInputList", "PermissionsBoundaryPolicyInputList", "ResourcePolicy", "CallerArn", "ResourceOwner")

Judge = Callable[[str, str, str, Mapping[str, Sequence[str]]], Decision]


def simulate(call: ApiCall, judge: Judge, roles: Sequence[str]) -> Response:
    """The answer to a simulation; ``roles`` are the ARNs of those that there are."""
    form = call.form()
    source = form.get("PolicySourceArn", "")
    if asked := [name for name in _NOT_HERE if any(key.split(".")[0] == name for key in form)]:
        return refusal(call, "InvalidInput", f"the local cloud simulates without {', '.join(asked)}")
    if source not in roles:
        return refusal(call, "NoSuchEntity", f"The role with ARN {source} cannot be found.", 404)
    actions = members(form, "ActionNames")
    resources = members(form, "ResourceArns") or ["*"]
    context = entries(form)
    results = "".join(
        _result(action, resource, judge(source, action, resource, context))
        for action in actions
        for resource in resources
    )
    body = (
        f'<{OPERATION}Response xmlns="{_NAMESPACE}"><{OPERATION}Result><IsTruncated>false</IsTruncated>'
        f"<EvaluationResults>{results}</EvaluationResults></{OPERATION}Result>"
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{OPERATION}Response>"
    )
    return Response(body, content_type="text/xml")


def members(form: Mapping[str, str], name: str) -> list[str]:
    """A list of the query protocol, in order."""
    found = {
        int(match[1]): value for key, value in form.items() if (match := re.fullmatch(rf"{name}\.member\.(\d+)", key))
    }
    return [found[number] for number in sorted(found)]


def entries(form: Mapping[str, str]) -> dict[str, list[str]]:
    """The condition keys that the caller gives, in lower case."""
    found = {}
    for key, name in form.items():
        if match := re.fullmatch(r"ContextEntries\.member\.(\d+)\.ContextKeyName", key):
            found[name.lower()] = members(form, f"ContextEntries.member.{match[1]}.ContextKeyValues")
    return found


def _result(action: str, resource: str, decision: Decision) -> str:
    said = "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny"
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalDecision>{said}</EvalDecision>"
        "<MatchedStatements/><MissingContextValues/></member>"
    )
