"""One update by the Pulumi CLI, through the Automation API, in an interpreter of its own.

Started as a script, as the embedded engine's host is and for the same reason: imports nothing of ours. Its one
argument is a JSON file that says what to do. Events go to stdout, each a line of JSON after `MARK`; what the program
prints stands between them. An ``outcome`` is written beside the order.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "\x1e"  # the record separator: no program prints it by chance
_LONGEST = 2000  # characters of a detail: a line must fit into a pipe's atomic write
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)')


def main(order_file: Path) -> int:
    """Do what the order says; 0 if it ended well."""
    order = json.loads(order_file.read_text())
    root, program = Path(order["root"]), Path(order["program"])
    sys.path.insert(0, str(root))
    os.chdir(program if program.is_dir() else program.parent)
    sys.argv = [str(program)]
    signal.signal(signal.SIGTERM, _interrupt)
    update = Update(order, root, program)
    outcome: dict[str, Any] = {"error": None}
    try:
        update.run()
    except BaseException as error:
        outcome = update.describe(error)
    order_file.with_suffix(".outcome").write_text(json.dumps(outcome))
    return 0 if outcome["error"] is None else 1


class Update:
    """One command of the CLI, with the program in this process.

    Parameters
    ----------
    order : dict
        ``command`` and its arguments, and where everything is.
    root, program : Path
        The project, and what it runs.
    """

    def __init__(self, order: dict[str, Any], root: Path, program: Path) -> None:
        self._order, self._root, self._program = order, root, program
        self._failure: BaseException | None = None  # what the program raised
        self._said: list[str] = []  # the CLI's own error lines

    def run(self) -> None:
        """Select the stack, or make it, and run the command."""
        from pulumi import automation

        order = self._order
        options = automation.LocalWorkspaceOptions(
            work_dir=order["work"],
            pulumi_home=order["home"],
            program=self._run_program,
            secrets_provider="passphrase",
        )
        stack = automation.create_or_select_stack(
            order["stack"], project_name=order["project"], program=self._run_program, opts=options
        )
        common: dict[str, Any] = {"message": order["message"] or None, "color": "never", "suppress_outputs": True}
        match order["command"]:
            case "up":
                stack.up(
                    **common, refresh=order["refresh"], on_event=self._tell, on_output=_drop, on_error=self._said.append
                )
            case "destroy":
                stack.destroy(**common, on_event=self._tell, on_output=_drop, on_error=self._said.append)

    def _run_program(self) -> None:
        import runpy

        import pulumi

        # As in the embedded engine's host: the CLI is asked for no debug messages, and each of the SDK's is waited for.
        pulumi.log.debug = lambda *_args, **_kwargs: None
        main_file = self._program / "__main__.py" if self._program.is_dir() else self._program
        sys.path.insert(0, str(main_file.parent))
        try:
            runpy.run_path(str(main_file), run_name="__main__")
        except BaseException as error:
            self._failure = error
            raise

    def _tell(self, event: Any) -> None:
        """Pass on what the engine does, in the words of `ResourceEvent`, and what it says."""
        step = event.resource_pre_event or event.res_outputs_event or event.res_op_failed_event
        if step is not None:
            status = "started" if event.resource_pre_event else "done" if event.res_outputs_event else "failed"
            planned = step.metadata
            detail = ", ".join(dict.fromkeys(path.split(".")[0] for path in planned.diffs or ()))
            _write(
                {"step": str(planned.op.value), "status": status, "urn": planned.urn, "type": planned.type,
                 "detail": detail[:_LONGEST]}
            )  # fmt: skip
        elif event.diagnostic_event is not None and not event.diagnostic_event.ephemeral:
            said = event.diagnostic_event
            _write({"severity": said.severity, "urn": said.urn or "", "message": said.message.strip()[:_LONGEST]})
            if said.severity == "error" and not said.urn:
                self._said.append(said.message)
        elif event.summary_event is not None:
            changes = {str(getattr(kind, "value", kind)): n for kind, n in event.summary_event.resource_changes.items()}
            _write({"changes": changes})

    def describe(self, error: BaseException) -> dict[str, Any]:
        """Why it stopped, in one line: what the program raised, or what the CLI said."""
        if self._failure is not None:
            described: dict[str, Any] = _describer()(self._failure, self._root, Path(__file__))
            return {**described, "program": True}
        if (found := _raised_later("\n".join(self._said), self._root)) is not None:
            return found
        words = "\n".join([*self._said, str(error)])
        lines = [line.split("error: ", 1)[1] for line in words.splitlines() if "error: " in line]
        reason = lines[0] if lines else f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST]}"
        return {"error": reason, "place": "", "traceback": words, "program": False}


def _raised_later(text: str, root: Path) -> dict[str, Any] | None:
    """What a failed ``apply`` raised: it comes after the program's last line, and the SDK only tells it as text."""
    for block in text.split("Traceback (most recent call last):\n")[1:]:
        lines = block.splitlines()
        places = [found for line in lines if (found := _FRAME.match(line))]
        ours = [
            found for found in places if root in Path(found["file"]).parents and "site-packages" not in found["file"]
        ]
        raised = next((line for line in lines if line and not line.startswith(" ")), "")
        if ours and raised:
            place = f"{Path(ours[-1]['file']).relative_to(root)}:{ours[-1]['line']}"
            return {"error": raised, "place": place, "traceback": text, "program": True}
    return None


def _describer() -> Callable[[BaseException, Path, Path], dict[str, Any]]:
    """The embedded host's own words for what a program raised; its file is loaded by its path, see above."""
    file = Path(__file__).parents[1] / "engine" / "host.py"
    spec = importlib.util.spec_from_file_location("localcloud_embedded_host", file)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    describe: Callable[[BaseException, Path, Path], dict[str, Any]] = module.describe
    return describe


_writing = threading.Lock()


def _write(event: dict[str, Any]) -> None:
    # The program may be within a line of its own.
    sys.stdout.flush()
    with _writing:
        os.write(1, f"\n{MARK}{json.dumps(event)}\n".encode())


def _drop(_: str) -> None:
    """The CLI's own display; the events say the same."""


def _interrupt(*_: object) -> None:
    """Ask the CLI to end as Ctrl-C does: it finishes what is under way, keeps the state and gives up the lock."""
    import psutil

    for child in psutil.Process().children():
        child.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
