"""The gRPC services that the program's SDK speaks to: Pulumi's resource monitor and its engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from localcloud.engine.goal import Goal, make_urn, read_goal
from localcloud.engine.project import Project
from localcloud.engine.steps import Steps, Stopped
from localcloud.provider import ProviderError
from localcloud.provider.values import from_struct, to_struct

if TYPE_CHECKING:
    from collections.abc import Iterator

PARALLEL = 16
_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)
# Pulumi's own limit: a Lambda's zip never travels, but a long state machine's definition may.
_LIMIT = [("grpc.max_receive_message_length", 400 * 2**20), ("grpc.max_send_message_length", 400 * 2**20)]


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Hands the program's registrations to the steps."""

    def __init__(self, project: Project, steps: Steps) -> None:
        self._project = project
        self._steps = steps

    def GetDeploymentInfo(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What this engine can do."""
        return resource_pb2.DeploymentInfo(
            project=self._project.name,
            stack=self._project.stack,
            organization="organization",
            config=dict(self._project.config),
            dryRun=self._steps.preview,
            parallel=PARALLEL,
            supportedFeatures=_FEATURES,
        )

    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Bring one resource to its goal."""
        if request.remote:
            self._refuse(
                context, f"components of other languages aren't supported by the embedded engine: {request.type}"
            )
        for option in ("transforms", "state_migrations"):
            if getattr(request, option):
                self._refuse(
                    context, f"{option} aren't supported by the embedded engine: {request.type} {request.name}"
                )
        with _refused(context):
            goal = read_goal(request, self._project.stack, self._project.name, self._project.directory)
            state = self._steps.register(goal)
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn, id=state.id, object=to_struct(state.outputs if state.custom else {})
        )

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Note what a component says of itself."""
        with _refused(context):
            self._steps.register_outputs(request.urn, from_struct(request.outputs, base=self._project.directory))
        return empty_pb2.Empty()

    def ReadResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Look up a resource that exists outside of the program."""
        goal = Goal(
            urn=make_urn(self._project.stack, self._project.name, request.parent, request.type, request.name),
            type=request.type,
            name=request.name,
            custom=True,
            inputs={},
            parent=request.parent,
            provider=request.provider,
            version=request.version,
            dependencies=tuple(request.dependencies),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        with _refused(context):
            state = self._steps.read(goal, request.id)
        return resource_pb2.ReadResourceResponse(urn=state.urn, id=state.id, properties=to_struct(state.outputs))

    def Invoke(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer a data source."""
        try:
            answer = self._steps.invoke(request.tok, from_struct(request.args), request.provider, request.version)
        except ProviderError as error:
            failure = provider_pb2.CheckFailure(property="", reason=str(error))
            return resource_pb2.ResourceInvokeResponse(failures=[failure])
        return resource_pb2.ResourceInvokeResponse(**{"return": to_struct(answer)})

    def SignalAndWaitForShutdown(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The program has ended; deletions need nothing of it (there are no hooks)."""
        return empty_pb2.Empty()

    def _refuse(self, context: grpc.ServicerContext, reason: str) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)
        raise AssertionError


class Engine(engine_pb2_grpc.EngineServicer):
    """Takes the program's log."""

    def __init__(self, on_message: Callable[[str], None]) -> None:
        self._on_message = on_message
        self._root = ""

    def Log(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """One line of the program's log; debugging is left out."""
        if request.severity != engine_pb2.DEBUG:
            level = engine_pb2.LogSeverity.Name(request.severity).lower()
            self._on_message(f"{level}: {request.message}" if level != "info" else request.message)
        return empty_pb2.Empty()

    def GetRootResource(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The stack's URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Note the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The engine has the SDK's own version: whatever the program asks of the CLI, it must ask of that."""
        return engine_pb2.RequirePulumiVersionResponse()


@contextmanager
def serving(project: Project, steps: Steps, on_message: Callable[[str], None]) -> Iterator[str]:
    """Serve both services on one port of this machine; gives the address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=PARALLEL * 4, thread_name_prefix="monitor"), options=_LIMIT)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(project, steps), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(on_message), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=1).wait()


@contextmanager
def _refused(context: grpc.ServicerContext) -> Iterator[None]:
    """A failed deployment looks to the program like an engine that went away, as with Pulumi's own."""
    try:
        yield
    except Stopped:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the deployment has stopped")
