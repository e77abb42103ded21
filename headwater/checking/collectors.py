"""Faults of collectors: schedules that never fire, functions that can't be called where they will run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from headwater.checking.libraries import LAMBDA, TRAINING, Where, library_problems
from headwater.declare import Code, Collector, InvalidProduct, resolve
from headwater.schedules.declared import schedule_problems


def collector_problems(collector: Collector) -> Iterator[str]:
    """Faults of a collector, besides those that its declaration sees in itself."""
    yield from schedule_problems(collector.schedule, field="schedule")
    if isinstance(collector.reads, Code):
        yield from _code_problems(collector.reads, TRAINING if collector.runs_in == "container" else LAMBDA)


def _code_problems(reads: Code, where: Where) -> Iterator[str]:
    module, _, name = reads.function.partition(":")
    if module.partition(".")[0] not in (places := where.ours - {"headwater"}):
        told = " or ".join(f"{place}/" for place in sorted(places))
        yield f"function {reads.function!r} isn't deployed to {where.name}: it must be in {told}"
        return
    try:
        found = resolve(reads.function)
    except InvalidProduct as error:
        yield f"function: {error.message}"
        return
    if not callable(found):
        yield f"function {reads.function!r} is {type(found).__name__}, expected a function"
        return
    try:
        inspect.signature(found).bind(None)
    except TypeError as error:
        yield f"function {reads.function!r} must take one argument, the request: {error}"
    except ValueError:
        pass
    yield from library_problems(module, where, called=name)
