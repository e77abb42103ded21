"""Which stack is meant, where it is, and the AWS clients that lead there."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from botocore.session import Session
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from headwater import __version__
from headwater.client.errors import NoStack, NotDeclared, VersionMismatch
from headwater.project import NoProject, home, project_name
from headwater.storage.clients import Clients, error_code, new_session

LOCAL = "local"
"""The stack that `headwater local up` deploys."""
STATE_BUCKET = "state"
"""Pulumi's backend on the local cloud; `localcloud.engine` says the same."""
CLOUD_FILE = Path("local") / "cloud.json"
ACCESS_KEY, SECRET_KEY = "AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret"
"""`localcloud.cloud` says the same; importing it would load moto, which takes a client half a second."""


def _names(given: Any) -> Any:
    return tuple(filter(None, given.split(","))) if isinstance(given, str) else given


Names = Annotated[tuple[str, ...] | None, BeforeValidator(_names)]
"""Comma-joined in a stack's outputs, a list in its catalog; None if the stack was deployed before it told them."""


class Description(BaseModel):
    """A stack's description in the SSM parameter ``/headwater/<project>/<stack>``: its program's outputs.

    Many names of products don't fit in there: the parameter names the object of the artifacts bucket that has them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    region: str
    lake_bucket: str
    artifacts_bucket: str
    predictions_bucket: str
    features_table: str
    registry_table: str
    ingestion_arn: str
    training_arn: str
    collecting_arn: str = ""
    """The machine that runs collectors; empty if the products declare none."""
    spark_arn: str = ""
    """The machine that lets Spark compute views; empty if the stack has none."""
    materialisation_arn: str = ""
    """Empty if the stack was deployed before there was that machine."""
    regular_arn: str = ""
    """The machine that calls functions regularly; empty if the stack was deployed before there was one."""
    predict_function: str
    retraining_function: str = ""
    """The function that keeps the models' retraining policies; empty if the stack was deployed before there was one."""
    api_url: str
    alarm_topic_arn: str
    cluster: str
    project: str
    """Pulumi's project: with the stack's name it names the stack in the infrastructure history."""
    version: str
    """The version of Headwater that deployed the stack."""
    code_state: str = ""
    """sha256 of the state of the code that was deployed (`headwater.code.types.CodeState`), which is the object
    ``code/state/<sha256>.json`` of the artifacts bucket; empty if the stack was deployed before there was one."""
    state_bucket: str = ""
    """The bucket of Pulumi's backend; empty if the stack was deployed without a history of its updates."""
    verify: str = ""
    """``yes`` if functions and the container know the product of `headwater verify`."""
    models: Names = None
    sources: Names = None
    views: Names = None

    @property
    def prefix(self) -> str:
        """The beginning of the names of the stack's resources on AWS."""
        return f"{self.project}-{self.name}-"

    def require_model(self, name: str) -> None:
        """Raise `NotDeclared` if the stack has no model called ``name``, as far as it tells its models."""
        _require("model", self.models, name, stack=self.name)

    def require_source(self, name: str) -> None:
        """Raise `NotDeclared` if the stack has no source called ``name``, as far as it tells its sources."""
        _require("source", self.sources, name, stack=self.name)

    def require_view(self, name: str) -> None:
        """Raise `NotDeclared` if the stack has no feature view called ``name``, as far as it tells its views."""
        _require("feature view", self.views, name, stack=self.name)


def _require(kind: str, known: Sequence[str] | None, name: str, *, stack: str) -> None:
    if known is not None and name not in known:
        there = f"its {kind}s are {', '.join(known)}" if known else f"it has no {kind}s"
        raise NotDeclared(f"stack {stack!r} has no {kind} {name!r}: {there}")


def local_environment() -> Mapping[str, str] | None:
    """The variables that lead to the local cloud that runs in this project; None if none does."""
    try:
        record = json.loads((home() / CLOUD_FILE).read_text(encoding="utf-8"))
        os.kill(int(record["pid"]), 0)
        endpoint, region = f"http://127.0.0.1:{int(record['port'])}", str(record["region"])
    except (NoProject, OSError, ValueError, KeyError, TypeError):
        # Not in a project, no cloud, half a file, or one that was killed: all mean that none runs.
        return None
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def clients_of(environment: Mapping[str, str]) -> Clients:
    """The clients that those variables lead to, without touching this process's own environment."""

    def session() -> Session:
        made = new_session(environment["AWS_REGION"], without_profile=True)
        made.set_credentials(
            environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment.get("AWS_SESSION_TOKEN")
        )
        return made

    return Clients(session, endpoint_url=environment["AWS_ENDPOINT_URL"])


def find(stack: str | None = None) -> tuple[Description, Clients]:
    """Find a stack by its name, else by HEADWATER_STACK, else the local cloud's.

    A name is a stack of the project that one stands in (`headwater.project.project_name`), or PROJECT/STACK.
    AWS_ENDPOINT_URL, if set, decides where to look even for ``local``.

    Raises
    ------
    NoStack
        It isn't deployed where the credentials lead, or none was named and no local cloud runs.
    """
    name = stack or os.environ.get("HEADWATER_STACK")
    clients = clients_for(name)
    return describe(clients, name or LOCAL), clients


def clients_for(name: str | None) -> Clients:
    """The clients that lead to where the stack called ``name`` is, or is to be: for ``local`` the cloud that runs here.

    Raises
    ------
    NoStack
        No local cloud runs.
    """
    if (name or LOCAL).rpartition("/")[2] != LOCAL or "AWS_ENDPOINT_URL" in os.environ:
        return Clients(endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    environment = local_environment()
    start = ["headwater local up"]
    if environment is None and name is None:
        raise NoStack(
            "no stack is named and no local cloud runs: pass --stack, or headwater local up", next_steps=start
        )
    if environment is None:
        raise NoStack(f"no stack {name!r}: run headwater local up", next_steps=start)
    return clients_of(environment)


def describe(clients: Clients, stack: str) -> Description:
    """Read what a stack says of itself.

    Parameters
    ----------
    clients : Clients
        That lead to its account.
    stack : str
        A stack of the project that one stands in, or PROJECT/STACK.

    Raises
    ------
    NoStack
        There is no such stack, or it was deployed by a version that described it otherwise.
    """
    project, _, name = stack.rpartition("/")
    project = project or project_name() or ""
    if not project:
        raise NoStack(
            f"no project for stack {name!r}: neither this folder nor one above it has a Pulumi.yaml",
            next_steps=[f"say PROJECT/{name}, or set HEADWATER_PROJECT", "cd into your project"],
        )
    ssm, parameter = clients("ssm"), f"/headwater/{project}/{name}"
    try:
        answer: dict[str, Any] = ssm.get_parameter(Name=parameter)
    except ssm.exceptions.ClientError as error:
        if error_code(error) != "ParameterNotFound":
            raise
        where = clients.session.get_config_variable("region") or "the default region"
        steps = (
            ["headwater local up"] if name == LOCAL else [f"pulumi up -s {name}", "check AWS_PROFILE and AWS_REGION"]
        )
        raise NoStack(
            f"no stack {name!r} of project {project!r} in {where}: there is no parameter {parameter}", next_steps=steps
        ) from error
    told = json.loads(answer["Parameter"]["Value"])
    try:
        found = Description.model_validate({"name": name, **told, **_catalog(clients, name, told)})
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise NoStack(
            f"stack {name!r} was deployed by another version of Headwater: its description lacks {missing}",
            next_steps=["deploy it again with this version"],
        ) from error
    if found.version != __version__:
        warnings.warn(
            f"stack {name!r} was deployed by Headwater {found.version}, this is {__version__}: deploy it again, or "
            f"install headwater=={found.version}",
            VersionMismatch,
            stacklevel=2,
        )
    return found


def _catalog(clients: Clients, name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The names of products that the parameter has no room for."""
    if "catalog_key" not in told:
        return {}
    s3 = clients("s3")
    try:
        body = s3.get_object(Bucket=told["artifacts_bucket"], Key=told["catalog_key"])["Body"].read()
    except s3.exceptions.ClientError as error:
        if error_code(error) not in ("NoSuchKey", "NoSuchBucket"):
            raise
        raise NoStack(
            f"stack {name!r} keeps the names of its products in s3://{told.get('artifacts_bucket')}/"
            f"{told['catalog_key']}, and there is nothing",
            next_steps=["headwater local up" if name == LOCAL else f"pulumi up -s {name}"],
        ) from error
    found: dict[str, Any] = json.loads(body)
    return found
