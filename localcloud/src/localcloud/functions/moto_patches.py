"""Where moto's own Lambda falls short: fields that it forgets, and calls that would start Docker under the lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from moto.awslambda import models
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.sqs.models import sqs_backends

from localcloud.functions import streams
from localcloud.moto_patches.patches import Patches

# Request field -> attribute; CreateFunction, UpdateFunctionConfiguration and every answer.
_FORGOTTEN = {"LoggingConfig": "logging_config", "DeadLetterConfig": "dead_letter_config"}


def apply(patches: Patches, invoke_later: Callable[[str, bytes], object]) -> None:
    """Make moto keep what it forgets, and hand calls from inside moto to ``invoke_later(arn, payload)``.

    Inside moto the one lock is held and the function would call back into it; so these invocations, which on AWS are
    asynchronous (SNS, S3, CloudWatch Logs), go to the queue.
    """

    def initialise(self: Any, account_id: str, spec: dict[str, Any], *args: Any, **more: Any) -> None:
        original_init(self, account_id, spec, *args, **more)
        _remember(self, spec)

    def set_code(self: Any, spec: dict[str, Any]) -> None:
        original_set(self, spec)
        _share_code(self)

    def update_configuration(self: Any, updates: dict[str, Any]) -> Any:
        _remember(self, updates)
        return original_update(self, updates)

    def get_configuration(self: Any, on_create: bool = False) -> Any:
        described = original_get(self, on_create)
        group = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
        described["LoggingConfig"] = group | getattr(self, "logging_config", {})
        if getattr(self, "dead_letter_config", {}).get("TargetArn"):
            described["DeadLetterConfig"] = self.dead_letter_config
        return described

    def invoke(self: Any, body: str, request_headers: Any, response_headers: Any) -> bytes:
        del request_headers, response_headers
        invoke_later(self.function_arn, (body or "{}").encode())
        return b""

    original_init = patches.set(LambdaFunction, "__init__", initialise)
    original_set = patches.set(LambdaFunction, "_set_function_code", set_code)
    original_update = patches.set(LambdaFunction, "update_configuration", update_configuration)
    original_get = patches.set(LambdaFunction, "get_configuration", get_configuration)
    patches.set(LambdaFunction, "invoke", invoke)
    patches.wrap(models, "_s3_content", _read_once)
    _apply_to_events(patches)


def _apply_to_events(patches: Patches) -> None:
    """Make moto keep one configuration of asynchronous invocations, and leave event sources to us."""

    def put_invoke_config(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        # Moto appends, and answers with the first for ever.
        self.get_function(function_name).event_invoke_config.clear()
        return original_put(self, function_name, config)

    def update_invoke_config(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        configured = self.get_function(function_name).event_invoke_config
        return put_invoke_config(self, function_name, {**(configured[-1].config if configured else {}), **config})

    def create_mapping(self: Any, spec: dict[str, Any]) -> Any:
        mapping = original_create(self, spec)
        # Moto would invoke inside SendMessage, message by message; `EventSourceMappings` polls instead.
        for queue in sqs_backends[self.account_id][self.region_name].queues.values():
            queue.lambda_event_source_mappings.clear()
        if ":dynamodb:" in mapping.event_source_arn:
            streams.begin(mapping)  # `StreamSources` reads; moto would invoke inside PutItem, item by item
        return mapping

    def delete_mapping(self: Any, uuid: str) -> Any:
        if (mapping := self.get_event_source_mapping(uuid)) is not None:
            mapping.is_deleted = True
        return original_delete(self, uuid)

    original_put = patches.set(LambdaBackend, "put_function_event_invoke_config", put_invoke_config)
    patches.set(LambdaBackend, "update_function_event_invoke_config", update_invoke_config)
    original_create = patches.set(LambdaBackend, "create_event_source_mapping", create_mapping)
    original_delete = patches.set(LambdaBackend, "delete_event_source_mapping", delete_mapping)


def _remember(function: Any, spec: dict[str, Any]) -> None:
    for field, attribute in _FORGOTTEN.items():
        if spec.get(field) is not None:
            setattr(function, attribute, spec[field])


def _read_once(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let functions share the zip of one object: moto reads and hashes some 50 MB for each of them."""
    known: WeakKeyDictionary[Any, tuple[str, Any]] = WeakKeyDictionary()

    def content(key: Any) -> Any:
        if key not in known or known[key][0] != key.etag:
            known[key] = key.etag, original(key)
        return known[key][1]

    return content


def _share_code(function: Any) -> None:
    """Hold the zip that another function was given with its own request already."""
    held, backend = vars(function).get("code_bytes"), models.lambda_backends[function.account_id][function.region]
    for other in backend.list_functions() if held else ():
        if other.code_sha_256 == function.code_sha_256 and "code_bytes" in vars(other):
            vars(function)["code_bytes"] = vars(other)["code_bytes"]
            return
