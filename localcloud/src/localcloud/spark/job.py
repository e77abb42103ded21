"""One job run: ``spark-submit`` on this machine, with the job's code from S3 and its role's credentials.

The machine stands for the release: its Python for the release's, ``local[*]`` for the workers, and sizes mean nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localcloud.containers.credentials import role_client, role_environment
from localcloud.containers.logs import LogStream
from localcloud.context import CloudContext
from localcloud.identity import Identity
from localcloud.processes import Process

SPARK_VARIABLE = "LOCALCLOUD_SPARK"
"""Names an environment with Spark; by default the folder ``spark`` of the one that runs the local cloud."""
_DRIVER, _EXECUTOR = "spark.emr-serverless.driverEnv.", "spark.executorEnv."
# A cluster's business: how large its workers are, how many there may be, and where the release has its Python.
_IGNORED = ("spark.driver.", "spark.executor.", "spark.dynamicAllocation.", "spark.emr-serverless.", "spark.archives",
            f"{_EXECUTOR}PYSPARK_PYTHON")  # fmt: skip
# Little data: what is compiled, and how many tasks a shuffle has, is what takes time.
_LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_FROM_HOST = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME")
_SHOWN = 1000


class CannotRun(Exception):
    """The job never ran; the text is its state's details."""


@dataclass
class _Submission:
    """What ``sparkSubmitParameters`` say."""

    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> _Submission:
        """Read the parameters; AWS takes ``--conf`` and Spark's own options."""
        found, words = cls(), deque(shlex.split(text))
        while words:
            word = words.popleft()
            if word != "--conf" or not words or "=" not in words[0]:
                raise CannotRun(f"sparkSubmitParameters: {word} isn't known to the local cloud, only --conf name=value")
            name, _, value = words.popleft().partition("=")
            found.settings[name] = value
        return found

    def environment(self) -> dict[str, str]:
        """What the driver's process sees besides."""
        return {
            name.removeprefix(_DRIVER): value
            for name, value in self.settings.items()
            if name.startswith(_DRIVER) and not name.startswith(f"{_DRIVER}PYSPARK_")
        }

    def archives(self) -> Iterator[tuple[str, str]]:
        """Where each archive lies, and the folder that it is unpacked to."""
        for archive in filter(None, self.settings.get("spark.archives", "").split(",")):
            url, _, folder = archive.partition("#")
            yield url, folder or url.rpartition("/")[2]

    def arguments(self) -> Iterator[str]:
        """Those for a ``spark-submit`` here."""
        kept = {name: value for name, value in self.settings.items() if not name.startswith(_IGNORED)}
        for name, value in (kept | _LOCAL).items():
            yield from ("--conf", f"{name}={value}")


def run(
    cloud: CloudContext, told: Mapping[str, Any], monitoring: Mapping[str, Any], adopt: Callable[[Process], None]
) -> tuple[int, str]:
    """Run a job to its end; its exit code, and what AWS says of it in the state's details.

    Raises
    ------
    CannotRun
        Spark or Java isn't here, or its role may not read the job's code.
    """
    release = _release()
    driver = told["jobDriver"]["sparkSubmit"]
    submission = _Submission.read(driver.get("sparkSubmitParameters") or "")
    with tempfile.TemporaryDirectory(prefix="job-", dir=cloud.directory, ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch, "work")
        folder.mkdir()
        entry = _fetch(cloud, told["executionRole"], driver["entryPoint"], Path(scratch, "entry.py"))
        for url, name in submission.archives():
            (folder / name).symlink_to(_unpacked(cloud, told["executionRole"], url))
        command = [
            str(release / "bin" / "spark-submit"), "--master", "local[*]", *submission.arguments(), str(entry),
            *(driver.get("entryPointArguments") or []),
        ]  # fmt: skip
        environment = {name: os.environ[name] for name in _FROM_HOST if name in os.environ}
        environment |= role_environment(cloud, told["executionRole"]) | submission.environment()
        environment |= {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(release / "bin" / "python"),
            "JAVA_TOOL_OPTIONS": _JAVA,
        }
        said: deque[str] = deque(maxlen=400)
        log = _log(cloud, told, monitoring)

        def on_line(line: str) -> None:
            said.append(line)
            if log is not None:
                log.line(line)

        process = Process.start(command, cwd=folder, env=environment, on_line=on_line)
        adopt(process)
        try:
            code = process.wait(told["executionTimeoutMinutes"] * 60)
        except TimeoutError:
            process.kill()
            return 1, "Job execution timed out"
        finally:
            if log is not None:
                log.close()
    return code, "" if code == 0 else _details(code, said)


def _release() -> Path:
    """The environment that stands for the release."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise CannotRun(
            "Spark needs Java 17, and there is none on this machine: install it (such as openjdk-17-jre-headless), or "
            "set JAVA_HOME, and start the local cloud anew"
        )
    found = Path(os.environ.get(SPARK_VARIABLE) or Path(sys.prefix, "spark"))
    if not (found / "bin" / "spark-submit").is_file():
        raise CannotRun(
            f"there is no Spark in {found}: install pyspark there, or name its environment by {SPARK_VARIABLE}"
        )
    return found


def _fetch(cloud: CloudContext, role: str, url: str, path: Path) -> Path:
    """Fetch what the release would fetch, with the job's own role: a missing grant is missed here too."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        path.write_bytes(role_client(cloud, role, "s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        raise CannotRun(f"{url} can't be read by {role}: {error}") from None
    return path


def _unpacked(cloud: CloudContext, role: str, url: str) -> Path:
    """The folder of an archive; one that is named by its content is unpacked once."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        head = role_client(cloud, role, "s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise CannotRun(f"{url} can't be read by {role}: {error}") from None
    store = cloud.directory / "archives"
    store.mkdir(exist_ok=True)
    target = store / str(head["ETag"]).strip('"')
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=store, ignore_cleanup_errors=True) as scratch:
            packed = _fetch(cloud, role, url, Path(scratch, "archive.zip"))
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(Path(scratch, "content"))
            try:
                Path(scratch, "content").rename(target)
            except OSError:
                if not target.exists():  # else another run was faster
                    raise
    return target


def _log(cloud: CloudContext, told: Mapping[str, Any], monitoring: Mapping[str, Any]) -> LogStream | None:
    """The driver's stream in CloudWatch, where the application says so and the role may."""
    wanted = monitoring.get("cloudWatchLoggingConfiguration") or {}
    if not wanted.get("enabled"):
        return None
    group = wanted.get("logGroupName") or "/aws/emr-serverless"
    stream = f"applications/{told['applicationId']}/jobs/{told['jobRunId']}/SPARK_DRIVER/stderr"
    stream = "/".join(filter(None, (wanted.get("logStreamNamePrefix"), stream)))
    arn = f"arn:aws:logs:{cloud.region}:{cloud.account_id}:log-group:{group}"
    for action, resource in {
        "logs:DescribeLogGroups": "*",
        "logs:DescribeLogStreams": f"{arn}:log-stream:",
        "logs:CreateLogStream": f"{arn}:log-stream:{stream}",
        "logs:PutLogEvents": f"{arn}:log-stream:{stream}",
    }.items():
        if problem := cloud.emulator(Identity).refusal(told["executionRole"], action, resource):
            raise CannotRun(f"Unable to write to CloudWatch Logs: {problem}")
    return LogStream(cloud, group, stream)


def _details(code: int, said: deque[str]) -> str:
    """As AWS has it: the last exceptions, whose words are at the end of what was said."""
    found = [line.strip() for line in said if "Error" in line or "Exception" in line or ".errors." in line]
    last = "\n".join(found[-3:])[-_SHOWN:]
    return (
        "Job failed, please check complete logs in configured logging destination. "
        f"ExitCode: {code}. Last few exceptions: {last}"
    )
