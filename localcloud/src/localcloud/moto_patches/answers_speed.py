"""An answer's members are looked for where they can be. Moto tries up to ten names for each that an object lacks.

For one attribute of a DynamoDB item it asks for ten types by four names, each of which is made anew.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from moto import settings
from moto.core import responses
from moto.core.base_backend import BaseBackend
from moto.core.serialize import (
    DEFAULT_ALIAS_PROVIDERS,
    AttributePickerContext,
    ResponseSerializer,
    XFormedAttributePicker,
)
from moto.core.utils import get_value, method_names_from_class
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from localcloud.moto_patches.patches import Patches

_NAMES = "_localcloud_names"
_MISSING = object()


def apply(patches: Patches) -> None:
    """Let moto remember the names by which it looks for a member, which calls a service has, and where it answers."""
    carefully = ResponseSerializer.get_value

    def pick(self: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
        picker = self._value_picker
        usual = type(picker) is XFormedAttributePicker and picker.alias_providers is DEFAULT_ALIAS_PROVIDERS
        # An object that says itself what its members are called is asked each time.
        if not usual or hasattr(value, "Meta"):
            return carefully(self, value, key, shape)
        found = _found(value, _names(picker, value, key, shape))
        if picker.response_transformers:
            path = f"{'.'.join(self.path)}.{key}"
            for end, transform in picker.response_transformers.items():
                if path.endswith(end):
                    return transform(found)
        return found

    patches.set(ResponseSerializer, "get_value", pick)
    _methods(patches)
    _urls(patches)
    _services(patches)


def _found(value: Any, names: tuple[str, ...]) -> Any:
    if type(value) is dict:
        for name in names:
            if name in value:
                return value[name]
            if "." in name and (one := get_value(value, name, _MISSING)) is not _MISSING:
                return one
        return None
    for name in names:
        if (one := get_value(value, name, _MISSING)) is not _MISSING:
            return one
    return None


def _names(picker: XFormedAttributePicker, value: Any, key: str, shape: Any) -> tuple[str, ...]:
    """What moto's aliases come from: the shape, the shape around it, and the name of the object's class."""
    remembered: dict[Any, tuple[str, ...]] = vars(shape).setdefault(_NAMES, {})
    of = (key, value.__class__.__name__, getattr(shape, "parent", None))
    if of not in remembered:
        names = picker.get_possible_keys(AttributePickerContext(obj=value, key=key, shape=shape))
        remembered[of] = tuple(dict.fromkeys(names))
    return remembered[of]


def _methods(patches: Patches) -> None:
    """Moto looks through all members of a service's class for each call."""
    remembered: dict[tuple[type, tuple[int, ...]], list[str]] = {}

    def names_of_methods(kind: type) -> list[str]:
        # The sizes tell when another patch gave a class a method that it hadn't.
        key = (kind, tuple(len(vars(one)) for one in kind.__mro__))
        if key not in remembered:
            remembered[key] = method_names_from_class(kind)
        return remembered[key]

    patches.set(responses, "method_names_from_class", names_of_methods)


def _urls(patches: Patches) -> None:
    """Moto makes a service's addresses anew for each request, and for S3 it executes a module from its file."""
    slowly = vars(BaseBackend)["urls"].fget
    remembered: dict[tuple[Any, ...], dict[str, Any]] = {}

    def urls(self: BaseBackend) -> dict[str, Any]:
        # All that they depend on: moto reads it from the environment each time.
        key = (type(self), tuple(settings.get_s3_custom_endpoints()), settings.enable_iso_regions())
        if key not in remembered:
            remembered[key] = slowly(self)
        return remembered[key]

    patches.set(BaseBackend, "urls", property(urls))


def _services(patches: Patches) -> None:
    """Moto's server looks for each request through the folders of its package, and tries the patterns of 150 hosts."""
    server: Any = DomainDispatcherApplication
    patches.set(server, "get_backend_for_host", lru_cache(1000)(server.get_backend_for_host))
