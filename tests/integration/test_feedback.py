"""Feedback on the deployed system: by anybody who holds a token, and by nobody else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from headwater.client import Stack
from headwater.routes import FEEDBACK
from headwater.serving.feedback.tokens import Signer, parameter_name
from headwater.storage.signing import KeyStore
from tests.projects import Project

pytestmark = pytest.mark.cloud


def ask(stack: Stack, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """A request without a signature, as a page sends it."""
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    content = None if body is None else json.dumps(body).encode()
    answer = urllib3.request(method, stack.description.api_url + path, body=content, headers=headers)
    return answer.status, dict(answer.headers), json.loads(answer.data) if answer.data else None


def test_who_holds_a_token_is_heard_without_a_signature_and_nobody_else(project: Project, deployed: Stack) -> None:
    description = deployed.description
    keys = KeyStore(parameter_name(description.project, description.name), deployed.clients)
    (token,) = Signer(keys, timedelta(days=30)).tokens("airport", "r-1", datetime.now(UTC), 1)
    path = FEEDBACK.url(id="r-1.0")
    status, headers, _ = ask(deployed, "OPTIONS", path)
    assert (status, headers["access-control-allow-origin"]) == (204, "*")
    body = {"token": token, "verdict": "wrong", "corrected": 12.5, "author": "web"}
    status, headers, answer = ask(deployed, "POST", path, body)
    assert (status, headers["access-control-allow-origin"], answer["sequence"]) == (200, "*", 1)
    assert ask(deployed, "POST", path, body)[2] == answer
    assert ask(deployed, "POST", FEEDBACK.url(id="r-1.1"), body)[0] == 403
    (kept,) = project.done("feedback", "show", "r-1.0")
    assert (kept["model"], kept["corrected"], kept["author"]) == ("airport", 12.5, "web")
    # The other routes still ask who is calling.
    assert ask(deployed, "POST", "/models/airport/predictions", {"instances": [{}]})[0] == 403
    rotated = project.done("feedback", "rotate-key")
    assert rotated["key"] == 2
    assert ask(deployed, "POST", path, {**body, "author": "later"})[0] == 200
