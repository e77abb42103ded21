"""The identity emulator: stands before all others and refuses what the caller's role isn't allowed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from moto.core.config import default_user_config
from moto.iam.models import iam_backends
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext
from localcloud.identity import s3
from localcloud.identity.policy import CannotJudge, Decision, decide
from localcloud.identity.required_actions import required_actions
from localcloud.identity.simulation import OPERATION, simulate
from localcloud.identity.types import Place, RequiredAction
from localcloud.moto_patches.patches import Patches
from localcloud.refusals import protocol, refusal


@dataclass(frozen=True)
class RoleCall:
    """One action that a role asked for."""

    role: str
    action: str
    resource: str
    allowed: bool


class Identity:
    """Judges every call that is signed with a role's key; the developer's own key may do everything.

    It must be built first: what another emulator answers is judged only if this one was asked before.
    """

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._place = Place(cloud.account_id, cloud.region)
        self._calls: list[RoleCall] = []
        self._lock = threading.Lock()
        self._patches = Patches()
        self._patches.item(cast(dict[str, Any], default_user_config["iam"]), "load_aws_managed_policies", True)
        cloud.dispatcher.add(self._answer)

    def open(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Give moto its settings back."""
        self._patches.close()

    def calls(self, role: str | None = None) -> Sequence[RoleCall]:
        """What roles (or one ``role``, by ARN) asked for, in order: a grant that never shows up here isn't needed."""
        with self._lock:
            return tuple(call for call in self._calls if role in (None, call.role))

    def judge(
        self, role: str, action: str, resource: str, context: Mapping[str, Sequence[str]] | None = None
    ) -> Decision:
        """Whether ``role`` may do ``action`` on ``resource``, for emulators that act for it without a call.

        Raises
        ------
        CannotJudge
            One of the role's policies uses what the local cloud doesn't know.
        """
        backend = iam_backends[self._cloud.account_id]["aws"]
        found = next((one for one in backend.roles.values() if one.arn == role), None)
        if found is None:
            return Decision(False, f"because the role {role} doesn't exist")
        documents = list(found.policies.values())
        for policy in found.managed_policies.values():
            documents += [version.document for version in policy.versions if version.is_default_version]
        everywhere = {
            "aws:securetransport": ["true"],  # a call that never leaves the machine counts as encrypted
            "aws:principalarn": [role],
            "aws:principalaccount": [self._cloud.account_id],
            "aws:resourceaccount": [self._cloud.account_id],
            "aws:requestedregion": [self._cloud.region],
        }
        given = {key.lower(): value for key, value in (context or {}).items()}
        return decide(documents, action, resource, everywhere | given)

    def _answer(self, call: ApiCall) -> Response | None:
        role = self._cloud.principals.get(call.access_key)
        if role is None:
            return self._simulated(call)
        try:
            for need in required_actions(call, self._place):
                if refusal := self._refuse(role, need):
                    return _access_denied(call, refusal)
            hidden = s3.hides(call, self._place.account) if call.service == "s3" else None
            if hidden and (refusal := self._refuse(role, hidden)):
                return _access_denied(call, refusal)
        except CannotJudge as error:
            return _access_denied(call, f"the local cloud can't judge {error}: teach localcloud/identity about it")
        return self._simulated(call)

    def _simulated(self, call: ApiCall) -> Response | None:
        """The answer to a simulation, which moto doesn't have; None to any other call."""
        if call.service != "iam" or call.operation != OPERATION:
            return None
        roles = [one.arn for one in iam_backends[self._cloud.account_id]["aws"].roles.values()]
        try:
            return simulate(call, self.judge, roles)
        except CannotJudge as error:
            return refusal(call, "InvalidInput", f"the local cloud can't judge {error}")

    def refusal(self, role: str, action: str, resource: str) -> str:
        """Why ``role`` may not do what AWS does for it; empty if it may. Recorded like a call."""
        try:
            return self._refuse(role, RequiredAction(action, resource))
        except CannotJudge as error:
            return f"the local cloud can't judge {error}"

    def _refuse(self, role: str, need: RequiredAction) -> str:
        decision = self.judge(role, need.action, need.resource, need.context)
        record = RoleCall(role, need.action, need.resource, decision.allowed)
        with self._lock:
            self._calls.append(record)
        if decision.allowed:
            return ""
        return (
            f"{_who(role)} is not authorized to perform: {need.action} on resource: {need.resource} {decision.reason}"
        )


def _who(role: str) -> str:
    account, name = role.split(":")[4], role.rpartition("/")[2]
    return f"User: arn:aws:sts::{account}:assumed-role/{name}/local"


def _access_denied(call: ApiCall, message: str) -> Response:
    """The refusal in the words of the service's own protocol."""
    match protocol(call):
        case "ec2":
            return refusal(call, "UnauthorizedOperation", message, 403)
        case "query":
            return refusal(call, "AuthorizationError" if call.service == "sns" else "AccessDenied", message, 403)
        case "rest-xml":
            return refusal(call, "AccessDenied", message, 403)
        case "rest-json":
            return refusal(call, "AccessDeniedException", message, 403)
    return refusal(call, "AccessDeniedException", message)
