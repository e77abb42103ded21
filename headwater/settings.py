"""A function's environment as one typed class: checked when the function is deployed, read when it starts.

A handler's module declares a subclass of `FunctionSettings`. The component that deploys the handler builds the
Lambda's environment with `FunctionSettings.environment`, so a variable that is missing or misspelt stops the
deployment instead of the first request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self, TypeVar

from headwater.values import Value

S = TypeVar("S", bound="FunctionSettings")
T = TypeVar("T")

PREFIX = "HEADWATER_"


class FunctionSettings(Value):
    """A function's environment. Field ``registry_table`` is the variable ``HEADWATER_REGISTRY_TABLE``."""

    @classmethod
    def environment(cls, **values: Any) -> dict[str, Any]:
        """The environment variables that set ``values``; a value may be an output that isn't known yet.

        Raises
        ------
        ValueError
            A value has no field, or a field without a default has no value.
        """
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        unknown, missing = sorted(values.keys() - cls.model_fields.keys()), sorted(required - values.keys())
        wrong = {"no such setting": unknown, "not given": missing}
        if unknown or missing:
            raise ValueError(
                f"{cls.__module__}.{cls.__qualname__}: "
                + "; ".join(f"{what}: {', '.join(names)}" for what, names in wrong.items() if names)
                + f". It declares {', '.join(cls.model_fields)}. Each use gives the setting that leads to its thing: "
                "declare what the function uses, and use or give what it declares."
            )
        return {_variable(name): values[name] for name in cls.model_fields if name in values}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings from a Lambda's environment, by default this process's own, checking every value.

        Raises
        ------
        pydantic.ValidationError
            A value is missing or doesn't have the field's type.
        """
        fields = {name: environment[key] for name in cls.model_fields if (key := _variable(name)) in environment}
        return cls.model_validate_strings(fields)


class LakeSettings(FunctionSettings):
    """Environment of a function that works on the lake: its bucket, and the table with the records of its data."""

    lake_bucket: str
    registry_table: str


def _variable(name: str) -> str:
    return f"{PREFIX}{name}".upper()


def at_init(build: Callable[[], T]) -> Callable[[], T]:
    """Build a handler's service once: in Lambda's init phase (which has a full CPU), elsewhere on first use.

    The deployment and the tests import handler modules for their `Settings` without the environment that the
    service needs, so nothing is built at import outside a Lambda.
    """
    once = cache(build)
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        once()
    return once


def at_init_from(settings: type[S]) -> Callable[[Callable[[S], T]], Callable[[], T]]:
    """`at_init`, of a service that is built from the handler's settings."""
    return lambda build: at_init(lambda: build(settings.from_environment()))
