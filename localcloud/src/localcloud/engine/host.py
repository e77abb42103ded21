"""Runs the user's Pulumi program, unchanged, in an interpreter of its own: what Pulumi's Python language host does.

Started as a script by the engine, with one argument: a JSON file that says what to run, and to which an ``outcome`` is
written. Imports nothing of ours, so that the program's own imports decide what is loaded.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST_TRACEBACK = 200


def main(order_file: Path) -> int:
    """Run the program that the order describes; 0 if it ended well."""
    # What a program imports stays: looking through it for garbage was a third of a small program's work.
    gc.set_threshold(20_000, 20, 50)
    order = json.loads(order_file.read_text())
    root, program = Path(order["root"]), Path(order["program"])
    # The project's root is importable, as it is where the project is installed.
    sys.path.insert(0, str(root))
    os.chdir(program if program.is_dir() else program.parent)
    sys.argv = [str(program)]
    outcome: dict[str, Any] = {"error": None}
    try:
        _run(order, program)
    except BaseException as error:
        outcome = describe(error, root)
    order_file.with_suffix(".outcome").write_text(json.dumps(outcome))
    return 0 if outcome["error"] is None else 1


def _run(order: dict[str, Any], program: Path) -> None:
    import pulumi
    import pulumi.runtime

    pulumi.runtime.reset_options(
        project=order["project"],
        stack=order["stack"],
        root_directory=order["root"],
        monitor_address=order["monitor"],
        engine_address=order["engine"],
        parallel=order["parallel"],
        preview=order["preview"],
        organization="organization",
    )
    # The engine shows no debug messages, and the SDK waits until each of its thousand arrives: a second of each run.
    pulumi.log.debug = lambda *_args, **_kwargs: None
    pulumi.runtime.set_all_config(order["config"], order["secret_keys"])
    # Unfinished futures are what a failed program leaves; asyncio's complaints about them would hide the failure.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    # The file, not its folder: there Python would look for bytecode, which knows its source's date by the second only,
    # and a program that was just edited would run as it was.
    main_file = program / "__main__.py" if program.is_dir() else program

    def body() -> None:
        sys.path.insert(0, str(main_file.parent))
        runpy.run_path(str(main_file), run_name="__main__")

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # Each registration waits in a thread for its answer.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=order["parallel"] * 4))
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(body))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(task)
        loop.close()


def describe(error: BaseException, root: Path, host: Path = Path(__file__)) -> dict[str, Any]:
    """The error in one line with its place in the program, and the whole traceback; frames of ``host`` are ours."""
    place, cause = "", error
    # The SDK wraps what the program raised once for each resource that depends on it: the innermost one is the cause.
    # One exception that many awaited is chained to itself in circles, and its traceback grows with each of them.
    chain: dict[int, BaseException] = {}
    link: BaseException | None = error
    while link is not None and id(link) not in chain:
        chain[id(link)] = link
        for frame, line in itertools.islice(traceback.walk_tb(link.__traceback__), _LONGEST_TRACEBACK):
            file = Path(frame.f_code.co_filename)
            if root in file.parents and "site-packages" not in file.parts and file != host:
                place, cause = f"{file.relative_to(root)}:{line}", link
        link = link.__cause__ or link.__context__
    # A RunError is what the program itself has to say, whole and without its place.
    told = type(error).__name__ == "RunError" and cause is error
    return {
        "error": _lines(str(cause)) if told else " ".join(f"{type(cause).__name__}: {cause}".split()),
        "place": "" if told else place,
        "traceback": "".join(traceback.format_exception(cause, limit=-_LONGEST_TRACEBACK, chain=False)),
        # The monitor went away: the engine knows why, and better.
        "stopped": type(error).__name__ == "RunError" and "monitor has terminated" in str(error),
    }


def _lines(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
