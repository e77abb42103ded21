"""Clients share what they work out, and nothing that one of them changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.httpsession import URLLib3Session

from localcloud import service_models

service_models.share()  # as all tests here and the local cloud itself have it

KEYS = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "eu-central-1"}


def client(service: str, **more: Any) -> Any:
    return boto3.session.Session().client(service, **KEYS, **more)


def test_a_handler_belongs_to_the_client_that_it_was_given() -> None:
    one, other = client("s3"), client("s3")
    heard: list[str] = []
    one.meta.events.register("provide-client-params.s3.ListBuckets", lambda **_: heard.append("one"))
    one.meta.events.register_first("before-send.s3.ListBuckets", lambda **_: _stop())
    other.meta.events.register("before-send.s3.ListBuckets", lambda **_: _stop())
    with pytest.raises(InterruptedError):
        other.list_buckets()
    assert heard == []
    with pytest.raises(InterruptedError):
        one.list_buckets()
    assert heard == ["one"]


def _stop() -> None:
    raise InterruptedError


def test_what_a_session_adds_to_its_clients_no_other_session_has() -> None:
    session = botocore.session.Session()

    def add(class_attributes: dict[str, Any], **_: Any) -> None:
        class_attributes["added"] = 1

    session.register("creating-client-class.sqs", add)
    assert session.create_client("sqs", **KEYS).added == 1
    assert not hasattr(client("sqs"), "added")
    # boto3 adds methods of its own.
    assert hasattr(client("s3"), "upload_file")
    assert not hasattr(botocore.session.Session().create_client("s3", **KEYS), "upload_file")


@pytest.mark.parametrize("where", [None, "http://127.0.0.1:1", "http://127.0.0.1:2"])
@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1"])
def test_each_client_asks_where_it_was_told_to(where: str | None, region: str) -> None:
    asked: list[str] = []

    def note(request: Any, **_: Any) -> None:
        asked.append(request.url)
        _stop()

    made = boto3.session.Session().client("sns", **{**KEYS, "region_name": region}, endpoint_url=where)
    made.meta.events.register("before-send.sns.ListTopics", note)
    with pytest.raises(InterruptedError):
        made.list_topics()
    assert asked == [f"{where or f'https://sns.{region}.amazonaws.com'}/"]


def test_a_session_of_http_is_made_when_it_is_first_used_as_it_was_asked_for() -> None:
    session = URLLib3Session(verify=False, timeout=7, max_pool_connections=3)
    assert session._verify is False
    assert session._timeout == 7
    assert session._max_pool_connections == 3
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = session.no_such_thing
    URLLib3Session().close()


def test_threads_that_use_a_session_of_http_first_never_find_half_of_it() -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in range(50):
            session, together = URLLib3Session(), Barrier(8)

            def classes(session: Any = session, together: Barrier = together) -> Any:
                together.wait()
                return session._manager.pool_classes_by_scheme

            found = [one.result() for one in [threads.submit(classes) for _ in range(8)]]
            assert all(one is session._pool_classes_by_scheme for one in found)


def test_who_asks_is_told_of_each_client() -> None:
    agents = []
    for more in ("first/1", "second/2"):
        config = botocore.config.Config(user_agent_extra=more)
        made = client("sns", config=config)

        def note(request: Any, **_: Any) -> None:
            agents.append(request.headers["User-Agent"].decode())
            _stop()

        made.meta.events.register("before-send.sns.ListTopics", note)
        with pytest.raises(InterruptedError):
            made.list_topics()
    assert agents[0].endswith(" first/1")
    assert agents[1].endswith(" second/2")
    assert agents[0].split()[:3] == agents[1].split()[:3]
