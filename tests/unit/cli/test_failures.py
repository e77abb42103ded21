"""Every error becomes one line that says what to do, and an exit code that says what kind it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from pydantic import ValidationError

from headwater.cli.failures import failure
from headwater.cli.output import note
from headwater.declare import Holdout, Search, timestamp
from headwater.errors import HeadwaterError, InvalidRequest, NotAllowed, NotFound, Refused
from tests.unit.cli.conftest import Run


def answered(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "User is not\n authorized"}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HeadwaterError("x"), 1),
        (InvalidRequest("x"), 2),
        (NotFound("x"), 3),
        (NotAllowed("x"), 4),
        (Refused("x"), 5),
        (KeyboardInterrupt(), 130),
        (answered("AccessDenied"), 4),
        (answered("ExpiredTokenException"), 4),
        (answered("NoSuchBucket"), 3),
        (answered("ResourceNotFoundException"), 3),
        (answered("InternalError"), 1),
        (NoCredentialsError(), 4),
        (NoRegionError(), 1),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:4610"), 1),
        (ValueError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert failure(error).exit_code == code


def test_aws_is_quoted_in_one_line() -> None:
    told = failure(answered("AccessDenied"))
    assert told.message == "AWS answered AccessDenied to PutObject: User is not authorized"


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    told = failure(EndpointConnectionError(endpoint_url="http://127.0.0.1:4610/"))
    assert told.reason == "Unreachable"
    assert "http://127.0.0.1:4610/" in told.message
    assert "headwater local status" in told.next


def test_missing_credentials_say_what_to_set() -> None:
    assert any("AWS_PROFILE" in step for step in failure(NoCredentialsError()).next)


def test_a_wrong_declaration_is_a_line_for_each_problem() -> None:
    with pytest.raises(ValidationError) as caught:
        Search.model_validate({"trials": 0, "sead": 1})
    lines = failure(caught.value).message.splitlines()
    assert lines == [
        "Search.trials: Input should be greater than or equal to 1, got 0",
        "Search.sead: there is no such field; did you mean seed?",
    ]
    assert failure(caught.value).exit_code == 2


@pytest.mark.parametrize("make", [lambda: Holdout(), lambda: timestamp("x", timezone="Mars")])
def test_a_rule_of_a_declaration_is_quoted_without_pydantics_preface(make: object) -> None:
    with pytest.raises(ValidationError) as caught:
        make()  # type: ignore[operator]
    assert "Value error" not in failure(caught.value).message


def test_an_error_nobody_thought_of_says_how_to_see_more() -> None:
    told = failure(ZeroDivisionError("division by\n zero"))
    assert told.message == "ZeroDivisionError: division by zero"
    assert any("--debug" in step for step in told.next)


def test_without_a_pulumi_cli_nothing_is_started_and_the_error_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: nothing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = run("local", "up", "--engine", "pulumi", "--json")
    assert result.code == 1
    assert result.json["reason"] == "NoPulumi"
    assert result.json["message"].startswith("the Pulumi CLI >= ")
    assert result.json["next"][0].startswith("make pulumi")
    assert not (tmp_path / "home").exists()


def test_a_note_says_a_name_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a [b] [/bold] " + "long " * 60
    note(f"uploaded {name}")
    assert capsys.readouterr().err == f"uploaded {name}\n"
