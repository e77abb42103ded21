"""Alarms on the deployed system: a link acknowledges a group, and every other route asks who is calling."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from headwater.alarms.links import Links, parameter_name
from headwater.alarms.types import Kind, Notice
from headwater.client import Stack
from headwater.client.waiting import wait_for
from headwater.routes import ACK, ALARM, ALARM_PAGE, ALARMS, BEAT, MUTES, NEW_MUTE
from headwater.storage.signing import KeyStore

pytestmark = pytest.mark.cloud


def ask(url: str, method: str = "GET", form: dict[str, str] | None = None) -> Any:
    """A request as a browser sends it: without a signature."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    return urllib3.request(method, url, body=urlencode(form) if form else None, headers=headers)


def test_a_link_acknowledges_a_group_and_no_other_route_is_open(deployed: Stack) -> None:
    alerts = [{"status": "firing", "startsAt": "2026-01-01T00:00:00Z", "labels": {"alertname": "disk<b>", "host": "a"}}]
    assert deployed.alarms.send({"version": "4", "alerts": alerts}) == 1

    def told() -> str | None:
        return next((one.group for one in deployed.alarms.list() if one.name == "disk<b>" and one.told), None)

    group = wait_for(told, what="the group", timeout=120)
    description = deployed.description
    for route in (ALARMS, ALARM, ACK, MUTES, NEW_MUTE, BEAT):
        path = route.url(**dict.fromkeys(route.parameters, group))
        assert ask(description.api_url + path, route.method).status == 403, route.key
    keys = KeyStore(parameter_name(description.project, description.name), deployed.clients)
    notice = Notice(group=group, generation=1, kind=Kind.FIRING, labels={}, firing=1, resolved=0, at=datetime.now(UTC))
    url = Links(description.api_url, keys).to(notice, "mail")
    page = ask(url)
    assert page.status == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    body = page.data.decode()
    assert "disk&lt;b&gt;" in body
    assert deployed.alarms.show(group).group.status.value == "OPEN", "who only looks changes nothing"
    hidden = dict(re.findall(r'name="(token|generation)" value="([^"]+)"', body))
    where = description.api_url + ALARM_PAGE.url(group=group)
    assert ask(where).status == 403
    done = ask(where, "POST", {**hidden, "name": "Ann", "hours": "1", "note": ""})
    assert "Thank you" in done.data.decode()
    shown = deployed.alarms.show(group).group
    assert (shown.status.value, shown.by) == ("ACKED", "Ann (by the link to mail)")
