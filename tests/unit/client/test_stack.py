"""A client finds everything from a stack's name, and says what to do when there is none."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from localcloud.daemon import Running

from headwater.client import connect
from headwater.client.description import local_environment
from headwater.client.errors import NoStack, NotDeclared
from headwater.project import NoProject, home, project
from headwater.storage.clients import Clients
from headwater.storage.environment import CLIENTS
from tests.unit.client.conftest import OUTPUTS, describe

KINDS = ("models", "sources", "views")


def write_cloud(pid: int, port: int) -> Running:
    """The record that a local cloud leaves."""
    record = Running(pid, port, started=0, directory=str(home() / "local"), region="eu-west-1")
    file = home() / "local" / "cloud.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(asdict(record)))
    return record


def test_a_stack_is_found_by_its_name(account: None) -> None:
    describe("dev", OUTPUTS)
    assert connect("dev").description.lake_bucket == "lake"


def test_the_environment_may_name_the_stack(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    describe("dev", OUTPUTS)
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    assert connect().description.name == "dev"


def test_without_a_name_and_a_local_cloud_the_error_says_what_to_start() -> None:
    with pytest.raises(NoStack, match="no stack is named and no local cloud runs") as caught:
        connect()
    assert "headwater local up" in caught.value.next_steps


def test_local_without_a_local_cloud_says_how_to_start_one() -> None:
    with pytest.raises(NoStack, match="no stack 'local': run headwater local up"):
        connect("local")


def test_a_stack_that_was_never_deployed_is_not_found(account: None) -> None:
    with pytest.raises(NoStack, match="no stack 'prod' of project 'headwater' in us-east-1") as caught:
        connect("prod")
    assert caught.value.exit_code == 3
    assert "pulumi up -s prod" in caught.value.next_steps


def test_a_description_of_another_version_names_what_it_lacks(account: None) -> None:
    describe("old", {key: value for key, value in OUTPUTS.items() if key not in {"api_url", "cluster"}})
    with pytest.raises(NoStack, match="lacks api_url, cluster"):
        connect("old")


def test_outputs_that_a_later_version_adds_do_no_harm(account: None) -> None:
    describe("new", {**OUTPUTS, "console_url": "https://example.org"})
    assert connect("new").description.name == "new"


def test_an_unknown_model_or_source_is_refused_before_anything_starts(account: None, tmp_path: Path) -> None:
    describe("dev", {**OUTPUTS, "models": "delay,price", "sources": ""})
    stack, file = connect("dev"), tmp_path / "one.csv"
    file.write_text("a\n1\n")
    with pytest.raises(NotDeclared, match="stack 'dev' has no model 'nosuch': its models are delay, price") as caught:
        stack.train("nosuch")
    assert caught.value.exit_code == 3
    with pytest.raises(NotDeclared, match="stack 'dev' has no source 'nosource': it has no sources"):
        stack.upload("nosource", file)
    stack.description.require_model("price")


def test_a_stack_that_does_not_list_its_models_and_sources_is_not_asked_first(account: None) -> None:
    describe("old", OUTPUTS)
    connect("old").description.require_model("any")
    connect("old").description.require_source("any")


def test_a_cloud_whose_process_is_gone_does_not_run() -> None:
    write_cloud(pid=2**22 + 7, port=1)
    assert local_environment() is None


def test_the_environment_is_the_one_that_the_local_cloud_gives() -> None:
    assert write_cloud(os.getpid(), 4610).environment() == local_environment()


def test_half_a_cloud_file_is_no_cloud() -> None:
    file = home() / "local" / "cloud.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"pid": 1')
    assert local_environment() is None


def test_the_local_cloud_is_reached_without_touching_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Ssm(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["Authorization"])
            body = json.dumps(
                {"Parameter": {"Name": "/headwater/headwater/local", "Value": json.dumps(OUTPUTS)}}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    # What holds on AWS (a profile that isn't there, its settings, another region) doesn't lead astray here.
    monkeypatch.setenv("AWS_PROFILE", "not-on-this-machine")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    before = dict(os.environ)
    with HTTPServer(("127.0.0.1", 0), Ssm) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        write_cloud(os.getpid(), server.server_port)
        assert connect().description.name == "local"
        server.shutdown()
    assert "Credential=AKIALOCALCLOUD000000/" in seen[0]
    assert "/eu-west-1/ssm/" in seen[0]
    assert dict(os.environ) == before


def test_the_region_is_the_one_that_all_tools_of_aws_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert Clients()("s3").meta.region_name == "ap-south-1"


def test_two_stacks_keep_their_own_clients(account: None) -> None:
    here, there = Clients(), Clients(endpoint_url="http://127.0.0.1:1")
    assert there("s3") is not here("s3")
    assert there("s3").meta.endpoint_url == "http://127.0.0.1:1"
    assert here("s3") is here("s3")


def test_the_project_is_found_from_any_folder_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clone" / "infra").mkdir(parents=True)
    (tmp_path / "clone" / "Pulumi.yaml").touch()
    deep = tmp_path / "clone" / "pipelines" / "mine"
    deep.mkdir(parents=True)
    assert project(deep) == tmp_path / "clone"
    monkeypatch.delenv("HEADWATER_HOME")
    assert home(deep) == tmp_path / "clone" / ".headwater"
    with pytest.raises(NoProject, match="not inside a Headwater project"):
        project(tmp_path)


@pytest.mark.parametrize("count", [0, 3, 1000])
def test_a_stack_may_have_any_number_of_products(account: None, count: int) -> None:
    names = {kind: [f"{kind}_{number:04}_{'x' * 34}" for number in range(count)] for kind in KINDS}
    told: dict[str, str] = {**OUTPUTS, "artifacts_bucket": "artifacts"}
    if count < 1000:
        describe("dev", {**told, **{kind: ",".join(found) for kind, found in names.items()}})
    else:
        # As infra/description.py keeps what has no room in a parameter.
        CLIENTS("s3").create_bucket(Bucket="artifacts")
        CLIENTS("s3").put_object(Bucket="artifacts", Key="stack/catalog.json", Body=json.dumps(names).encode())
        describe("dev", {**told, "catalog_key": "stack/catalog.json"})
    found = connect("dev").description
    assert {kind: list(getattr(found, kind) or ()) for kind in KINDS} == names
    with pytest.raises(NotDeclared, match="no model 'another'"):
        found.require_model("another")


def test_a_catalog_that_is_gone_is_named(account: None) -> None:
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    describe("dev", {**OUTPUTS, "artifacts_bucket": "artifacts", "catalog_key": "stack/catalog.json"})
    with pytest.raises(NoStack, match=r"s3://artifacts/stack/catalog\.json, and there is nothing"):
        connect("dev")


def test_a_stack_of_before_it_told_its_products_refuses_no_name(account: None) -> None:
    describe("dev", OUTPUTS)
    connect("dev").description.require_model("anything")
