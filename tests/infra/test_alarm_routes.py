"""A project's alarms.py is checked before anything is deployed: what is wrong is said in one line."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from headwater.infra.alarms import declared_for
from headwater.infra.platform.config import Config

BEGINNING = "from headwater.declare.alarms import *\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: mine\n")
    (tmp_path / "infra").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alarms = Alarms(route=Route(receivers=['pager']))", "leads to receiver 'pager': none is declared"),
        ("alarms = Alarms(route=Route(routes=[Route(match=['model=~\"(\"'])]))", "doesn't compile"),
        (
            "alarms = Alarms(receivers=[Email(name='a', fallback='b'), Email(name='b', fallback='a')])",
            "fallbacks go round in a circle: a -> b -> a",
        ),
        ("alarms = Alarms(receivers=[Email(name='mail')])", "the setting alarmEmails names nobody"),
        (
            "alarms = Alarms(receivers=[ConfiguredWebhook(name='w', number=2)])",
            "is number 2 of the setting alarmWebhooks",
        ),
        ("alarms = Alarms(", "can't be imported: SyntaxError"),
        ("", "declares no alarms"),
    ],
)
def test_a_wrong_file_stops_the_deployment_in_one_line(project: Path, text: str, words: str) -> None:
    (project / "alarms.py").write_text(BEGINNING + text)
    with pytest.raises(pulumi.RunError) as refused:
        declared_for(Config())
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_file_everybody_of_the_settings_hears_of_everything(project: Path) -> None:
    config = Config(alarm_emails=("a@example.com",), alarm_webhooks=("https://a.example", "https://b.example"))
    declared = declared_for(config)
    assert declared.route.receivers == ("email", "webhook-1", "webhook-2")
    assert declared.route.repeat_interval == config.alarm_repeat_after
    assert declared_for(Config()).route.receivers == ()
