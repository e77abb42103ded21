"""A function's environment is checked when it is deployed, not when it first runs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from headwater.settings import FunctionSettings, at_init, at_init_from


class Settings(FunctionSettings):
    registry_table: str
    repeat_after_seconds: int = 60


def test_the_environment_names_each_setting_with_the_prefix() -> None:
    assert Settings.environment(registry_table="registry") == {"HEADWATER_REGISTRY_TABLE": "registry"}


def test_a_misspelt_setting_is_named_together_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no such setting: registy_table; not given: registry_table.*declares"):
        Settings.environment(registy_table="registry")


def test_a_value_that_is_not_known_yet_is_passed_through() -> None:
    unknown = object()
    assert Settings.environment(registry_table=unknown)["HEADWATER_REGISTRY_TABLE"] is unknown


def test_what_was_deployed_is_what_the_function_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Settings.environment(registry_table="registry", repeat_after_seconds="5")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == Settings.from_environment(environment)
    assert Settings.from_environment(environment).repeat_after_seconds == 5


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="repeat_after_seconds"):
        Settings.from_environment({"HEADWATER_REGISTRY_TABLE": "r", "HEADWATER_REPEAT_AFTER_SECONDS": "soon"})


def test_a_service_is_built_once_and_outside_lambda_only_when_it_is_used() -> None:
    built = []
    service = at_init(lambda: built.append("service") or object())
    assert built == []
    assert service() is service()
    assert built == ["service"]


def test_a_service_is_built_in_the_init_phase_of_a_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    built = []
    at_init(lambda: built.append("service"))
    assert built == ["service"]


def test_a_service_may_be_built_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    @at_init_from(Settings)
    def service(settings: Settings) -> list[str]:
        return [settings.registry_table]

    monkeypatch.setenv("HEADWATER_REGISTRY_TABLE", "r")
    assert service() == ["r"]
    assert service() is service()
