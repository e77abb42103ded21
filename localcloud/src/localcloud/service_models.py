"""What botocore's clients work out when they are made or ask, once a process: moto and tests make many.

These are its descriptions of AWS's services, their methods and their rules of endpoints, the names of its events and
which of its handlers take keywords.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import botocore.loaders
import botocore.regions
import botocore.session
from botocore import hooks
from botocore.client import ClientCreator
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.useragent import UserAgentComponent


class _Paths(list[str]):
    """Folders to look in: every boto3 session adds its own once more."""

    def append(self, path: str) -> None:
        if path not in self:
            super().append(path)


@cache
def share() -> None:
    """Let everybody in this process who asks for the default descriptions have the same reader.

    A reader looks through some 400 folders before its first answer and parses megabytes of JSON; nobody changes what it
    answers. Moto asks when it is imported, so this comes before moto. It isn't undone: the process is the local cloud's
    own.
    """
    original = botocore.loaders.create_loader
    shared = Loader(extra_search_paths=_Paths())

    def create_loader(search_path_string: str | None = None) -> Loader:
        return shared if search_path_string is None else original(search_path_string)

    botocore.loaders.create_loader = create_loader
    botocore.session.create_loader = create_loader
    _share_models()
    _share_endpoints()
    _share_event_names()
    _ask_functions_quickly()
    _copy_handlers_quickly()
    _connect_when_asked()
    # Each request writes who asks, of a dozen parts that are the same, character by character.
    UserAgentComponent.to_string = lru_cache(1000)(UserAgentComponent.to_string)  # type: ignore[method-assign]


def _share_models() -> None:
    """Each client makes its service's methods anew, and with them the operations that it never calls."""
    creator: Any = ClientCreator
    load, make_methods, make_names = creator._load_service_model, creator._create_methods, creator._create_name_mapping
    models: WeakKeyDictionary[Loader, dict[Any, Any]] = WeakKeyDictionary()

    def load_model(self: Any, service_name: str, api_version: str | None = None) -> Any:
        known = models.setdefault(self._loader, {})
        if (service_name, api_version) not in known:
            known[service_name, api_version] = load(self, service_name, api_version)
        return known[service_name, api_version]

    def once(name: str, make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def made(self: Any, service_model: Any) -> dict[str, Any]:
            kept = vars(service_model)
            if name not in kept:
                kept[name] = make(self, service_model)
            return dict(kept[name])  # whoever listens may add to a class

        return made

    creator._load_service_model = load_model
    creator._create_methods = once("_localcloud_methods", make_methods)
    creator._create_name_mapping = once("_localcloud_names", make_names)


def _share_endpoints() -> None:
    """Each client reads its service's rules of endpoints, and applies them to the same parameters once more."""
    regions: Any = botocore.regions
    make = regions.EndpointProvider
    # By what they were read from, which is kept with them: so no other rules can have its identity.
    known: dict[Any, tuple[Any, Any, Any]] = {}

    def provider(ruleset_data: Any, partition_data: Any, excluded_params: Any = None) -> Any:
        key = (id(ruleset_data), id(partition_data), frozenset(excluded_params or ()))
        if key not in known:
            known[key] = (make(ruleset_data, partition_data, excluded_params), ruleset_data, partition_data)
        return known[key][0]

    regions.EndpointProvider = provider


def _copy_handlers_quickly() -> None:
    """Each client copies its session's trie of handlers, leaf by leaf."""

    def copied_leaf(self: Any) -> Any:
        return hooks.NodeList(list(self.first), list(self.middle), list(self.last))

    def copied(self: Any, node: dict[str, Any]) -> dict[str, Any]:
        made = {}
        for key, value in node.items():
            if type(value) is dict:
                made[key] = copied(self, value)
            else:
                made[key] = copied_leaf(value) if type(value) is hooks.NodeList else value
        return made

    hooks.NodeList.__copy__ = copied_leaf  # type: ignore[method-assign]
    hooks._PrefixTrie._recursive_copy = copied  # type: ignore[attr-defined]


def _share_event_names() -> None:
    """Each client and session compares each event's name with 150 that once were others, unless another has."""
    begin = hooks.EventAliaser.__init__
    names: dict[str, str] = {}

    def initialise(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
        begin(self, event_emitter, event_aliases)
        if self._event_aliases == hooks.EVENT_ALIASES:
            self._alias_name_cache = names

    hooks.EventAliaser.__init__ = initialise  # type: ignore[method-assign]


def _ask_functions_quickly() -> None:
    """Each session asks for the whole signature of 110 functions, to see whether they take any keywords."""
    carefully: Callable[[Any], Any] = hooks.accepts_kwargs

    def accepts_kwargs(func: Any) -> Any:
        plain = inspect.isfunction(func) or inspect.ismethod(func)
        if not plain or hasattr(func, "__signature__") or not hasattr(func, "__code__"):
            return carefully(func)
        return bool(func.__code__.co_flags & inspect.CO_VARKEYWORDS)

    hooks.accepts_kwargs = accepts_kwargs


def _connect_when_asked() -> None:
    """Each client makes a context of TLS, and each session two more, to ask EC2 for credentials; most never connect."""
    begin = URLLib3Session.__init__
    later = "_localcloud_later"
    lock = threading.RLock()

    def initialise(self: Any, *arguments: Any, **more: Any) -> None:
        vars(self)[later] = arguments, more

    def attribute(self: Any, name: str) -> Any:
        with lock:
            if later in vars(self):
                arguments, more = vars(self)[later]
                made = object.__new__(type(self))
                begin(made, *arguments, **more)
                # All at once: another thread must not find one that is half made.
                vars(self).update(vars(made))
                del vars(self)[later]
        return object.__getattribute__(self, name)

    URLLib3Session.__init__ = initialise  # type: ignore[method-assign]
    URLLib3Session.__getattr__ = attribute  # type: ignore[attr-defined]


def share_with_moto() -> None:
    """`share`, and one reader for all of moto's services: moto's own looks for its additions, too."""
    share()
    import moto.core.utils
    from moto.core.loaders import create_loader

    shared = create_loader()
    moto.core.utils.create_loader = lambda: shared  # type: ignore[attr-defined]
