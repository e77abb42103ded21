"""JSONata for Step Functions: moto leaves its evaluator out, jsonata-python is one."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

import jsonata
from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.common.assign.assign_template_value_terminal import (
    AssignTemplateValueTerminalLit,
)
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as intrinsics
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.jsonata import jsonata as bridge
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from localcloud.moto_patches.patches import Patches

_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def evaluate(expression: str) -> Any:
    """The value of ``expression`` as JSON has it."""
    parsed = jsonata.Jsonata(expression)
    parsed.register_lambda("hash", _hash)
    parsed.register_lambda("uuid", lambda: str(uuid.uuid4()))
    return _plain(parsed.evaluate(None))


def _hash(value: Any, algorithm: str) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def declare(bindings: dict[str, Any]) -> str:
    """Declarations of variables in front of an expression; moto forgets to escape what a string holds."""
    return "".join(f"{name}:={to_json_str(value, separators=(',', ':'))};" for name, value in bindings.items())


def _assigned_literal(_: Any, ctx: Any) -> Any:
    """A string of an Assign field; moto leaves JSON's escapes in."""
    return AssignTemplateValueTerminalLit(value=json.loads(ctx.string_literal().getText(), strict=False))


def _assign(self: Any, env: Any) -> None:
    """Evaluate an Assign field; `_with_assignments` stores what it names."""
    assigned: dict[str, Any] = {}
    for binding in self.declaration_bindings:
        binding.eval(env=env)
        assigned |= env.stack.pop()
    store = env.variable_store
    for name, value in assigned.items():
        if name in store._outer_scope:
            raise variable_store.IllegalOuterScopeWrite(variable_identifier=name, variable_value=value)
    store.assigned = getattr(store, "assigned", {}) | assigned


def _with_assignments(evaluate_output: Any) -> Any:
    """A state's output is made before its variables change: Assign and Output are evaluated side by side."""

    def evaluate_then_assign(self: Any, env: Any) -> None:
        evaluate_output(self, env=env)
        store = env.variable_store
        for name, value in vars(store).pop("assigned", {}).items():
            store.set(variable_identifier=name, variable_value=value)

    return evaluate_then_assign


def install(patches: Patches) -> None:
    """Give moto's interpreter its JSONata."""
    patches.set(AssignDecl, "_eval_body", _assign)
    for state in (ExecutionState, CommonStateField, StateChoice):
        patches.set(state, "_eval_state_output", _with_assignments(vars(state)["_eval_state_output"]))
    patches.set(bridge, "_eval_jsonata", evaluate)
    for module in (states, variable_store):
        patches.set(module, "encode_jsonata_variable_declarations", declare)
    patches.set(Preprocessor, "visitAssign_template_value_terminal_string_literal", _assigned_literal)
    for name in ("$hash", "$uuid"):  # moto declares them as "not supported"
        patches.remove(intrinsics._DECLARATION_BY_VARIABLE_REFERENCE, name)
