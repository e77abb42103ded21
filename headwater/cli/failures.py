"""Failures in one line with the next steps, and an exit code by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headwater.errors import HeadwaterError, InvalidRequest, NotAllowed, NotFound

INTERRUPTED = 130
LOCAL_COMMAND = "headwater local"
"""Our command that drives the local cloud, whose own is `localcloud`."""
_UNREACHABLE = ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ReadTimeoutError")
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError")
_DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnrecognizedClientException",
    "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch", "403",
})  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A failure as ``--json`` prints it and as a person reads it."""

    reason: str
    message: str
    next: Sequence[str] = field(default_factory=tuple)
    exit_code: int = 1

    def data(self) -> dict[str, Any]:
        """``{"status", "reason", "message", "next"}``."""
        fields = asdict(self)
        fields.pop("exit_code")
        return {"status": "failed", **fields, "next": list(self.next)}


def failure(error: BaseException) -> Failure:
    """The failure that ``error`` means to a person."""
    if isinstance(error, KeyboardInterrupt):
        return Failure("Interrupted", "interrupted", exit_code=INTERRUPTED)
    if isinstance(error, HeadwaterError):
        return Failure(error.reason, error.message, error.next_steps, error.exit_code)
    if type(error).__module__.startswith("pydantic"):
        # Here pydantic is loaded already; --help does without it.
        from headwater.declare.locations import of_validation

        return Failure("InvalidProduct", "\n".join(of_validation(error)), exit_code=InvalidRequest.exit_code)
    if type(error).__module__.startswith("botocore"):
        return _of_aws(error)
    if type(error).__module__.startswith(("localcloud", "infra")):
        return _of_local(error)
    return Failure(
        type(error).__name__,
        f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}",
        ("run it again with --debug for the whole traceback",),
    )


def _of_local(error: BaseException) -> Failure:
    """The local cloud and its engine import nothing of Headwater; their errors carry their words themselves."""
    message = str(getattr(error, "message", "") or error)
    told = getattr(error, "next_step_by", None)
    steps = tuple(step for step in [told(LOCAL_COMMAND) if told else getattr(error, "next_step", "")] if step)
    traceback = str(getattr(error, "traceback", "")).strip()
    if traceback:
        steps = (*steps, "the program's own traceback: run it again with --debug")
    reason = str(getattr(error, "reason", "") or type(error).__name__)
    return Failure(reason, message, steps, getattr(error, "exit_code", 1))


def _of_aws(error: BaseException) -> Failure:
    kind = type(error).__name__
    if kind in _NO_CREDENTIALS:
        return Failure(
            "NoCredentials",
            f"no AWS credentials: {error}",
            ("aws configure, or set AWS_PROFILE", "headwater local up, for a cloud on this machine"),
            NotAllowed.exit_code,
        )
    if kind == "NoRegionError":
        return Failure("NoRegion", "no AWS region: set AWS_REGION", ("export AWS_REGION=eu-central-1",))
    if kind in _UNREACHABLE:
        return Failure("Unreachable", str(error), ("headwater local status", "check AWS_ENDPOINT_URL and the network"))
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", kind))
    words = str(response.get("Error", {}).get("Message", error))
    operation = getattr(error, "operation_name", "")
    message = f"AWS answered {code}{f' to {operation}' if operation else ''}: {' '.join(words.split())}"
    if code in _DENIED:
        return Failure(
            code, message, ("check which identity is used: aws sts get-caller-identity",), NotAllowed.exit_code
        )
    if code.startswith("NoSuch") or code.endswith(("NotFound", "NotFoundException", "DoesNotExist")):
        return Failure(code, message, exit_code=NotFound.exit_code)
    return Failure(code, message)
