"""The way back, on the local cloud: the old commit in a worktree of its own, a preview that is judged, the update."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from localcloud.testing import CloudBeside, Program, cloud_beside

from headwater.cli.infra_restore import check_commit, checkout, restore_by_cli, restore_locally
from headwater.client.description import clients_of
from headwater.history.errors import RestoreRefused
from headwater.history.restore import lost_data, plan
from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, Holdings, StateBucket
from headwater.history.types import StackName, Update
from headwater.storage.table import Table

TABLE, ARTIFACTS = "restore-tests", "restore-tests-artifacts"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBeside]:
    with cloud_beside(tmp_path_factory.mktemp("restoring")) as cloud:
        yield cloud


@pytest.fixture
def program(cloud: CloudBeside, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program.named(request.node.name, tmp_path, cloud.environment()) as made:
        yield made


@pytest.fixture
def history(cloud: CloudBeside) -> Iterator[UpdateHistory]:
    """A history on the shared cloud, in a table and a bucket of its own."""
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
    types = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    cloud.client("dynamodb").create_table(
        TableName=TABLE, KeySchema=keys, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
    )
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS)
    s3.put_bucket_versioning(Bucket=ARTIFACTS, VersioningConfiguration={"Status": "Enabled"})
    clients = clients_of(cloud.environment())
    yield UpdateHistory(
        StateBucket("state", clients), HistoryTable(Table(TABLE, clients)), GraphStore(ARTIFACTS, clients)
    )
    cloud.client("dynamodb").delete_table(TableName=TABLE)
    for each in s3.list_object_versions(Bucket=ARTIFACTS).get("Versions", ()):
        s3.delete_object(Bucket=ARTIFACTS, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=ARTIFACTS)


def git(program: Any, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", "-C", str(program.root), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def committed(program: Any, text: str, **config: str) -> None:
    """Write the program, commit it, deploy it."""
    program.write(text)
    git(program, "add", ".")
    git(program, "commit", "-q", "--allow-empty", "-m", text.splitlines()[0])
    program.deploy(**config)


def prepared(program: Any, history: UpdateHistory) -> tuple[Any, Update]:
    history.sync()
    of = StackName(project=program.name, stack="local")
    first, latest = history.updates(of)[0], history.updates(of)[-1]
    return plan(first, history.graph(latest), history.graph(first), Holdings(clients_of(program.environment)).of), first


def judging(program: Any) -> Callable[[Any, str], list[str]]:
    return partial(lost_data, holds=Holdings(clients_of(program.environment)).of)


def test_what_an_update_left_is_brought_back_and_the_checkout_is_not_touched(
    program, history, cloud: CloudBeside
) -> None:
    (program.root / ".gitignore").write_text(".headwater\n")
    git(program, "init", "-q")
    name = f"{program.name}-jobs"
    text = f'aws.sqs.Queue("jobs", name="{name}", delay_seconds=int(pulumi.Config().require("delay")))\n'
    committed(program, text, delay="7")
    committed(program, text.replace("int(", "2 * int("), delay="30")
    wanted, first = prepared(program, history)
    assert (wanted.refusals, wanted.config) == ((), {f"{program.name}:delay": "7"})
    assert wanted.difference.changed[0].properties[0].path == "delaySeconds"
    assert check_commit(wanted, program.root) == wanted
    head, source = git(program, "rev-parse", "HEAD"), (program.root / "infra" / "__main__.py").read_text()
    done = restore_locally(wanted, program.root, "local", program.environment, judging(program), lambda: None)
    assert done["update"] == 1
    url = cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert found["Attributes"]["DelaySeconds"] == "7"
    assert git(program, "rev-parse", "HEAD") == head
    assert git(program, "status", "--porcelain") == ""
    assert (program.root / "infra" / "__main__.py").read_text() == source
    assert len(git(program, "worktree", "list").splitlines()) == 1
    history.sync()
    restored = history.find(first.of, "latest")
    assert (restored.digest, restored.message) == (first.digest, f"restore of update {first.id[:12]}")


def test_nothing_is_done_where_data_would_be_lost(program, history, cloud: CloudBeside) -> None:
    git(program, "init", "-q")
    name = f"{program.name}-kept"
    committed(program, 'aws.sqs.Queue("jobs")\n')
    bucket = f'aws.s3.Bucket("kept", bucket="{name}", force_destroy=True)\n'
    committed(program, bucket)
    assert prepared(program, history)[0].refusals == ()  # an empty bucket is no loss
    cloud.client("s3").put_object(Bucket=name, Key="a", Body=b"a")
    wanted, _ = prepared(program, history)
    assert wanted.refusals == (f"the bucket {name} would be deleted with the data in it",)
    with pytest.raises(RestoreRefused, match=f"the bucket {name} would be deleted"):
        wanted.refuse()
    # What the history doesn't know of, the preview finds: it is judged too, before anything is done.
    blind = wanted.model_copy(update={"refusals": (), "difference": None})
    with pytest.raises(RestoreRefused, match=f"the bucket {name} would be deleted"):
        restore_locally(blind, program.root, "local", program.environment, judging(program), lambda: None)
    assert cloud.client("s3").get_object(Bucket=name, Key="a")["Body"].read() == b"a"


def test_a_stack_on_aws_is_brought_back_by_the_pulumi_cli(program, history, tmp_path) -> None:
    git(program, "init", "-q")
    (program.root / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:x\nconfig:\n  a:b: new\n")
    committed(program, 'aws.sqs.Queue("jobs")\n')
    wanted = prepared(program, history)[0].model_copy(update={"config": {"a:b": "old"}})
    for op, expected in {"update": None, "delete": "b deleted", "create-replacement": "b replaced"}.items():
        cli, log = recording_cli(tmp_path / op, op)

        def bring_back(cli: str = cli) -> dict[str, int]:
            return restore_by_cli(
                wanted, program.root, "dev", cli, lambda found, how: [f"{found[0].name} {how}"], lambda: None
            )

        if expected is None:
            assert bring_back() == {op: 1}
        else:
            with pytest.raises(RestoreRefused, match=expected):
                bring_back()
        told = log.read_text()
        assert "preview --json --stack" in told
        assert "a:b: old\nencryptionsalt: v1:x" in told
        assert ("up --yes --skip-preview" in told) is (expected is None)


def recording_cli(folder: Path, op: str) -> tuple[str, Path]:
    """A `pulumi` that notes what it was called with and the settings it found, and previews one step on a bucket."""
    folder.mkdir()
    cli, log = folder / "pulumi", folder / "log"
    urn = "urn:pulumi:dev::x::aws:s3/bucket:Bucket::b"
    answer = json.dumps({"steps": [{"op": op, "urn": urn}], "changeSummary": {op: 1}})
    cli.write_text(
        "#!/bin/sh\n"
        f'echo "$1 $2 $3" >> {log}\n'
        'while [ $# -gt 0 ]; do [ "$1" = --cwd ] && cat "$2/Pulumi.dev.yaml" >> ' + f"{log}; shift; done\n"
        f"echo '{answer}'\n"
    )
    cli.chmod(0o755)
    return str(cli), log


def test_a_commit_that_the_repository_does_not_have_is_a_reason_against_it(program, history) -> None:
    git(program, "init", "-q")
    committed(program, 'aws.sqs.Queue("jobs")\n')
    wanted, first = prepared(program, history)
    gone = wanted.model_copy(update={"update": first.model_copy(update={"commit": "c0ffee" * 6 + "c0ff"})})
    assert "isn't in the repository" in check_commit(gone, program.root).refusals[0]
    with checkout(program.root, first.commit) as tree:
        assert (tree / "infra" / "__main__.py").is_file()
    assert not tree.exists()
