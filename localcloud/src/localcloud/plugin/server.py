"""Pulumi's provider protocol over the local AWS provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.provider import LocalProvider, PartialFailure, ProviderError
from localcloud.provider.resource import Diff
from localcloud.provider.values import (
    Properties,
    Secret,
    from_struct,
    has_secret,
    has_unknown,
    plain,
    to_struct,
)

WORKERS = 32
LIMIT = [("grpc.max_receive_message_length", 400 * 2**20), ("grpc.max_send_message_length", 400 * 2**20)]
_KINDS = {
    # (in the old inputs, in the new ones, makes a new resource)
    (False, True, False): provider_pb2.PropertyDiff.ADD,
    (False, True, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (True, False, False): provider_pb2.PropertyDiff.DELETE,
    (True, False, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (True, True, False): provider_pb2.PropertyDiff.UPDATE,
    (True, True, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider of one deployment.

    Parameters
    ----------
    environment : mapping of str to str
        AWS_* variables that lead to the local cloud.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._provider = LocalProvider(environment)
        self._directory: Path | None = None
        self._cancelled = False

    # --- the plugin itself -------------------------------------------------------------------------------------------

    def Handshake(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Learn where the program is, from which relative paths of files count; say what is understood."""
        if request.HasField("program_directory"):
            self._directory = Path(request.program_directory)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """An engine takes up a provider that somebody else started (PULUMI_DEBUG_PROVIDERS)."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The version of the official provider whose types these are."""
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Begin nothing new: what is under way ends by itself, so that the state knows how."""
        self._cancelled = True
        return empty_pb2.Empty()

    # --- its configuration -------------------------------------------------------------------------------------------

    def CheckConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuse to be configured for anything but a local cloud."""
        failures = [provider_pb2.CheckFailure(property="", reason=reason) for reason in self._config_problems()]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Another setting of the provider makes no resource anew: there is one cloud."""
        old, new = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        return _diff_response(old, new, Diff(dict.fromkeys(changed, False)))

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Take up the settings; those that lead the official provider to an endpoint mean nothing here."""
        if problems := self._config_problems():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, problems[0])
        # Older engines tell the settings as variables only: "aws:config:region".
        given = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        given |= plain(from_struct(request.args))
        # What isn't known yet, in a preview, is left out.
        self._provider = LocalProvider(
            self._environment, {name: value for name, value in given.items() if not has_unknown(value)}
        )
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _config_problems(self) -> list[str]:
        if self._environment.get("AWS_ENDPOINT_URL"):
            return []
        return [
            (
                "this is the provider for a local cloud, and AWS_ENDPOINT_URL doesn't say where that is: set what the "
                "local cloud's `env` command prints; for a stack on AWS take this provider's folder off PATH"
            )
        ]

    # --- resources ---------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The inputs with defaults and a name, and what is wrong with them."""
        old, new = self._read(request.olds), self._read(request.news)
        with _answering(context):
            inputs, failures = self._provider.check(
                _type(request), _name(request), plain(old), plain(new), request.randomSeed or request.urn.encode()
            )
        return provider_pb2.CheckResponse(
            inputs=to_struct(_hiding(inputs, new)),
            failures=[provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in failures],
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What differs, property by property, and whether it makes a new resource."""
        old, new = self._read(request.old_inputs), self._read(request.news)
        with _answering(context):
            found = self._provider.diff(_type(request), plain(old), plain(new))
        return _diff_response(old, new, found)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Make the resource; in a preview say what is known of it."""
        marked = self._read(request.properties)
        inputs: Properties = plain(marked)
        with self._changing(context, marked):
            if request.preview:
                return provider_pb2.CreateResponse(
                    properties=to_struct(_hiding(self._provider.plan(_type(request), inputs, {}), marked))
                )
            state = self._provider.create(_type(request), inputs)
        return provider_pb2.CreateResponse(id=state.id, properties=to_struct(_hiding(state.outputs, marked)))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The resource as it is now; without inputs (an import) all that can be told. No id says that it is gone."""
        marked, outputs = self._read(request.inputs), self._read(request.properties)
        with _answering(context):
            found = self._provider.read(_type(request), request.id, plain(marked), plain(outputs))
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.id,
            inputs=to_struct(_hiding(found.inputs, marked)),
            properties=to_struct(_hiding(found.outputs, {**outputs, **marked})),
        )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Change the resource in place; in a preview say what will be known of it."""
        outputs, old, marked = self._read(request.olds), self._read(request.old_inputs), self._read(request.news)
        token, inputs = _type(request), plain(marked)
        with self._changing(context, marked):
            if request.preview:
                planned = self._provider.plan(token, inputs, plain(outputs))
                return provider_pb2.UpdateResponse(properties=to_struct(_hiding(planned, marked)))
            state = self._provider.update(token, request.id, plain(old), inputs, plain(outputs))
        return provider_pb2.UpdateResponse(properties=to_struct(_hiding(state.outputs, marked)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Remove the resource; one that is gone already is no error."""
        inputs, outputs = self._read(request.old_inputs), self._read(request.properties)
        with self._changing(context, {}):
            self._provider.delete(_type(request), request.id, plain(inputs), plain(outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer a data source; what isn't known yet gives nothing that is known."""
        arguments = plain(self._read(request.args))
        if has_unknown(arguments):
            return provider_pb2.InvokeResponse()
        try:
            answer = self._provider.invoke(request.tok, arguments)
        except ProviderError as error:
            failure = provider_pb2.CheckFailure(property="", reason=str(error))
            return provider_pb2.InvokeResponse(failures=[failure])
        return provider_pb2.InvokeResponse(**{"return": to_struct(answer)})

    def _read(self, struct: Any) -> Properties:
        return from_struct(struct, base=self._directory or Path.cwd())

    @contextmanager
    def _changing(self, context: grpc.ServicerContext, marked: Properties) -> Iterator[None]:
        if self._cancelled:
            context.abort(grpc.StatusCode.CANCELLED, "the deployment was cancelled")
        with _answering(context):
            try:
                yield
            except PartialFailure as failure:
                _abort_halfway(context, failure, marked)


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[int]:
    """Serve the provider on a free port of this machine; gives the port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="provider"), options=LIMIT)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServicer(environment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=1).wait()


def _type(request: Any) -> str:
    """The resource's type; older engines tell it only by the URN."""
    return str(request.type or request.urn.split("::")[2].split("$")[-1])


def _name(request: Any) -> str:
    return str(request.name or request.urn.split("::", 3)[3])


def _hiding(properties: Properties, marked: Properties) -> Properties:
    """The properties, with those secret that are (or hold) a secret in ``marked``."""
    hidden = {name for name, value in marked.items() if has_secret(value)}
    if "tags" in hidden:
        hidden.add("tagsAll")
    return {name: Secret(value) if name in hidden else value for name, value in properties.items()}


def _diff_response(old: Properties, new: Properties, found: Diff) -> Any:
    kinds = {
        name: _KINDS[name in old and old[name] is not None, name in new and new[name] is not None, replaces]
        for name, replaces in found.changes.items()
    }
    changes = provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=changes,
        diffs=sorted(found.changes),
        replaces=sorted(found.replaces),
        deleteBeforeReplace=found.delete_before_replace,
        detailedDiff={name: provider_pb2.PropertyDiff(kind=kind, inputDiff=True) for name, kind in kinds.items()},
        hasDetailedDiff=True,
    )


@contextmanager
def _answering(context: grpc.ServicerContext) -> Iterator[None]:
    """A refusal is the engine's error, in the provider's own words; so is a mistake of the provider's own."""
    try:
        yield
    except (ProviderError, ValueError, OSError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except (LookupError, TypeError, AttributeError) as error:
        context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def _abort_halfway(context: grpc.ServicerContext, failure: PartialFailure, marked: Properties) -> NoReturn:
    """Fail with what came to be, by which the engine keeps the resource and updates it the next time."""
    half = provider_pb2.ErrorResourceInitFailed(
        id=failure.state.id,
        properties=to_struct(_hiding(failure.state.outputs, marked)),
        inputs=to_struct(_hiding(failure.state.inputs, marked)),
        reasons=[failure.reason],
    )
    detail = any_pb2.Any()
    detail.Pack(half)
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=failure.reason, details=[detail])
    # What grpc_status does; that package would be there for this line alone.
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, failure.reason)
    raise AssertionError
