from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headwater.cli import main
from headwater.storage.environment import CLIENTS
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.registry.cases import make_table, mocked_aws


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No stack of the person who runs the tests is ever touched."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path / "home"))
    for name in ("HEADWATER_STACK", "HEADWATER_DEBUG", "HEADWATER_PORT", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run


@pytest.fixture
def asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on the stack dev, for a terminal of 80 columns."""
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    monkeypatch.setenv("COLUMNS", "80")
    return run


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[None]:
    """A stack called dev, named by the environment."""
    with mocked_aws(monkeypatch):
        describe("dev", OUTPUTS)
        make_table("registry")
        CLIENTS("s3").create_bucket(Bucket="lake")
        CLIENTS("s3").put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
        monkeypatch.setenv("HEADWATER_STACK", "dev")
        yield
