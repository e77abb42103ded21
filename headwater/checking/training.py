"""Whether a train function takes what it will be given: it is called with a few made rows and the search's values.

Only what no other rows would change is a problem: a parameter that the estimator doesn't know, a library or a column
that is missing. That so few rows can't be learnt from is none.
"""

from __future__ import annotations

import io
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import CodeType, FrameType
from typing import Any

from headwater.checking.libraries import TRAINING, library_problems
from headwater.checking.words import said
from headwater.declare import Choice, Model, resolve
from headwater.errors import HeadwaterError

ROWS = 48
SECONDS = 5.0
"""A call that takes longer has passed what could be found; it isn't waited for."""
AGAIN = 0.2
TRIALS = 6
_CERTAIN = (
    "unexpected keyword argument", "positional argument", "multiple values for", "Invalid parameter", "parameter of",
    "not a column of the dataframe", "not columns of the dataframe", "columns are missing",
)  # fmt: skip


class _TooLong(BaseException):
    """Not an Exception: train functions may catch those."""


def train_problems(model: Model) -> Iterator[str]:
    """Import a model's train function, look at what it imports, and call it."""
    try:
        train = resolve(model.train)
    except HeadwaterError as error:
        yield f"train: {said(error)}"
        return
    if not callable(train):
        yield f"train {model.train!r} is no function"
        return
    lacking = list(library_problems(model.train.partition(":")[0], TRAINING, called=None))
    yield from (f"train: {problem}" for problem in lacking)
    if not lacking:
        yield from (f"train {model.train}: {problem}" for problem in _call_problems(model, train))


def _call_problems(model: Model, train: Callable[..., Any]) -> Iterator[str]:
    read: set[str] = set()
    for parameters in _trials(model):
        problem, ended = _try(model, train, Recorded(parameters, read))
        if problem:
            given = f" with {parameters}" if parameters else ""
            yield f"fails{given}: {problem}"
            return
        if not ended:
            return  # What it would have read later isn't known.
    if unread := sorted(set(model.search.space) - read - _strings(train)):
        yield (
            f"search parameters {', '.join(unread)} are never read: the search would try values that change nothing. "
            "Pass them on, or take them out of the search"
        )


def _trials(model: Model) -> list[dict[str, Any]]:
    """Parameters: each range's lower end, and each word of a choice once."""
    space = model.search.space
    words = [
        len(kind.values)
        for kind in space.values()
        if isinstance(kind, Choice) and any(isinstance(value, str) for value in kind.values)
    ]
    return [
        {
            name: kind.values[number % len(kind.values)] if isinstance(kind, Choice) else kind.low
            for name, kind in space.items()
        }
        for number in range(min(max(words, default=1), TRIALS))
    ]


def _try(model: Model, train: Callable[..., Any], parameters: Mapping[str, Any]) -> tuple[str, bool]:
    """The certain faults of a call, and whether the call came to its end."""
    columns, label = made_rows(model)
    try:
        if model.on_demand:
            # Imported here: ONNX is slow to import and few models need it.
            from headwater.training.on_demand import with_on_demand

            columns = with_on_demand(model, columns)
        with _quietly(), _at_most(SECONDS):
            fitted = train(parameters, columns, label)
    except _TooLong:
        return "", False
    except (ImportError, NameError, AttributeError, KeyError, SystemExit) as error:
        return f"{type(error).__name__}: {said(error)}", False
    except Exception as error:
        words = said(error)
        return (f"{type(error).__name__}: {words}" if any(part in words for part in _CERTAIN) else ""), False
    wanted = "predict_proba" if model.task == "classification" else "predict"
    if not hasattr(fitted, wanted):
        return f"it gave {type(fitted).__name__}, which has no {wanted}", True
    return "", True


def made_rows(model: Model) -> tuple[Any, Any]:
    """A frame of a model's columns and a label series, the same each time."""
    import numpy
    import pandas

    drawn = numpy.random.default_rng(0)
    columns = {
        name: pandas.Series([f"value {row % 3}" for row in range(ROWS)], dtype=object)
        if name in model.categories
        else pandas.Series(drawn.uniform(0, 100, ROWS))
        for name in model.columns
    }
    label = numpy.arange(ROWS) % 2 if model.task == "classification" else drawn.uniform(0, 100, ROWS)
    return pandas.DataFrame(columns), pandas.Series(label, name=model.examples.label)


class Recorded(dict[str, Any]):
    """A dictionary that knows which of its keys were read, however: one by one, all, or handed on with ``**``."""

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(values)
        self._read = read

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._read.add(key)
        return super().pop(key, *default)

    # Whoever asks for all of them is handed all of them; also why ** doesn't pass this class by.
    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Any:
        return super().keys()

    def items(self) -> Any:
        self._read.update(super().keys())
        return super().items()

    def values(self) -> Any:
        self._read.update(super().keys())
        return super().values()

    def copy(self) -> Recorded:
        return Recorded(dict(super().items()), self._read)

    def __or__(self, other: Any) -> Any:
        return {**self, **other}

    def __ror__(self, other: Any) -> Any:
        return {**other, **self}


def _strings(train: Callable[..., Any]) -> set[str]:
    """The text constants of a function's module: a name among them may be read on another way through it."""
    module = sys.modules.get(getattr(train, "__module__", ""))
    functions = [train, *(vars(module).values() if module else ())]
    pending = [code for one in functions if isinstance(code := getattr(one, "__code__", None), CodeType)]
    found: set[str] = set()
    while pending:
        for constant in pending.pop().co_consts:
            if isinstance(constant, CodeType):
                pending.append(constant)
            elif isinstance(constant, str):
                found.add(constant)
            elif isinstance(constant, tuple | frozenset):
                found.update(part for part in constant if isinstance(part, str))
    return found


@contextmanager
def _quietly() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    # A few rows: threads that wait for each other would take most of the time.
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stop what takes longer, where Python can be stopped: in the main thread of a system with timers."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                signal.setitimer(signal.ITIMER_REAL, AGAIN)  # half an import would break its module for good
                return
            frame = frame.f_back
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
