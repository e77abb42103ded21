"""The zips that functions run from."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.infra.bundles.build import CACHE, KEPT, RECIPES, SPARK, VERIFICATION, Bundle, Recipe, build, build_all
from headwater.infra.bundles.packages import (
    COMMAND_LINE,
    BundleError,
    File,
    Target,
    alone,
    append,
    pack_lock,
    remembered,
    without_command_line,
)
from headwater.infra.images import pack_context
from headwater.locks import lock
from tests.infra.cases import ROOT

HOST = Target(python=f"{sys.version_info.major}.{sys.version_info.minor}", platform=None)
HANDLERS = {
    "control": [
        "alarms.manage", "history.record", "images.build", "lake.intake", "lake.refuse", "lake.sweep",
        "monitoring.feedback", "monitoring.label", "registry.promote", "schedules.wake", "serving.stage",
    ],
    "serving": ["serving.predict"],
    "data": [
        *(
            f"features.{name}"
            for name in (
                "commit_stream", "describe_spark_job", "finish", "materialise", "split", "store_spark_rows", "stream",
                "write_shard",
            )
        ),
        "collecting.collect", "lake.ingest", "monitoring.compact", "monitoring.metrics", "monitoring.parity",
        "monitoring.skew", "monitoring.watch", "registry.register",
        "training.prepare",
    ],
}  # fmt: skip


@pytest.fixture(scope="session")
def bundles() -> dict[str, Bundle]:
    # The project's own cache: what `local up` built needn't be built again.
    return build_all(HOST, project=ROOT)


def library(directory: Path, requirements: str = "") -> Path:
    """A library with a lock, and one module beside it."""
    (directory / "headwater" / "locks").mkdir(parents=True)
    (directory / "headwater" / "locks" / "control.txt").write_text(requirements)
    (directory / "ours").mkdir()
    (directory / "ours" / "module.py").write_text("answer = 42\n")
    return directory


RECIPE = Recipe(name="control", sources=("ours",))


def pack(recipe: Recipe, target: Target, project: Path, beside: Path) -> Bundle:
    """The bundle of a project, from the code and the locks of the library in the folder ``beside``."""
    return build(recipe, target, project=project, library=beside / "headwater")


def test_bundles_are_far_from_the_limit_and_serving_is_small(bundles: dict[str, Bundle]) -> None:
    sizes = {name: bundle.unzipped_bytes / 2**20 for name, bundle in bundles.items()}
    assert sizes["control"] < 40
    assert sizes["serving"] < 142
    # Lambda takes 250; SQLAlchemy, without its mapper, is 17 of them.
    assert sizes["data"] < 214


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_nothing_of_the_developers_machine_travels(bundles: dict[str, Bundle], name: str) -> None:
    with zipfile.ZipFile(bundles[name].path) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        assert not [path for path in names if "/tests/" in path]
        for package in (
            "headwater/cli",
            "headwater/client",
            "headwater/demo",
            "headwater/infra",
            "infra",
            "localcloud",
            "moto",
            "pulumi",
            "rich",
            "tests",
        ):
            assert not [path for path in names if path.startswith(f"{package}/")], package
        assert "headwater/settings.py" in names
        assert ("pipelines/flights/product.py" in names) == (name == "data")


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_every_handler_can_be_imported_from_its_bundle_alone(
    bundles: dict[str, Bundle], name: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundles[name].path) as archive:
        archive.extractall(tmp_path)
    heavy = {"serving": "onnxruntime, numpy", "data": "duckdb, pandas, pandera.pandas"}.get(name, "botocore")
    handlers = "\n".join(f"import headwater.handlers.{handler}" for handler in HANDLERS[name])
    imports = f"import botocore, {heavy}\n{handlers}"
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\n{imports}\nprint(botocore.__file__)"
    # -I -S: neither this environment's packages nor its variables.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_what_spark_runs_is_imported_from_its_archive_and_spark_alone(tmp_path: Path) -> None:
    built = build(SPARK, replace(HOST, compiled=False), project=ROOT)
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path / "environment")
    (release,) = Path(sys.prefix, "spark").glob("lib/python*/site-packages")
    for package in ("pyspark", "py4j"):
        (tmp_path / package).symlink_to(release / package)
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path / 'environment')!r}, {str(tmp_path)!r}]\n"
        "import headwater.features.spark.engine as spark, pandas, pyarrow\n"
        "print(spark.__file__, pandas.__file__, pyarrow.__file__, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(tmp_path / "environment")) for line in done.stdout.splitlines())
    assert not list((tmp_path / "environment").glob("pyspark*"))


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (
        pack(RECIPE, HOST, tmp_path / f"cache-{number}", library(tmp_path / f"project-{number}")) for number in (1, 2)
    )
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.key == f"code/control-{first.sha256}.zip"


def test_modules_come_compiled_and_are_found_where_lambda_cannot_write(tmp_path: Path) -> None:
    root = library(tmp_path / "project")
    (root / "ours" / "broken.py").write_text("def :\n")
    bundle = pack(RECIPE, HOST, tmp_path / "cache", root)
    with zipfile.ZipFile(bundle.path) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
        archive.extractall(tmp_path / "task")
    assert compiled == [f"ours/__pycache__/module.{sys.implementation.cache_tag}.pyc"]
    # The source is newer than its bytecode and says something else: the bytecode is believed all the same.
    (tmp_path / "task" / "ours" / "module.py").write_text("answer = 0\n")
    code = "import ours.module as m; print(m.answer, m.__loader__.get_code(m.__name__).co_filename)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path / "task"
    )
    assert done.stdout.split()[0] == "42"


def test_a_python_that_cannot_be_had_leaves_a_bundle_of_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    other = Target(python="3.99", platform=None)
    bundle = pack(Recipe(name="control", sources=("ours",)), other, tmp_path / "cache", library(tmp_path / "project"))
    with zipfile.ZipFile(bundle.path) as archive:
        assert archive.namelist() == ["ours/module.py"]


def test_a_changed_source_gives_another_bundle_and_an_unchanged_one_the_same(tmp_path: Path) -> None:
    root = library(tmp_path / "project")
    first = pack(RECIPE, HOST, tmp_path / "cache", root)
    written = first.path.stat().st_ino
    assert pack(RECIPE, HOST, tmp_path / "cache", root) == first
    assert first.path.stat().st_ino == written
    (root / "ours" / "module.py").write_text("answer = 43\n")
    assert pack(RECIPE, HOST, tmp_path / "cache", root).sha256 != first.sha256


def test_the_right_to_execute_is_kept(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "some.zip"
    append(
        path, [File(name="run", mode=0o755, content=b"#!"), File(name="say", mode=0o644, content=b"")], hashlib.sha256()
    )
    with zipfile.ZipFile(path) as archive:
        assert [entry.external_attr >> 16 & 0o777 for entry in archive.infolist()] == [0o755, 0o644]


def test_packages_that_another_process_is_packing_are_not_packed_again(tmp_path: Path) -> None:
    cache, aside = tmp_path / "bundles", tmp_path / "aside"
    aside.mkdir()
    packed = pack_lock("control", "", HOST, cache)
    made = [packed.path, packed.path.with_suffix(".json")]
    with ThreadPoolExecutor() as pool:
        with alone(cache, "packages-control"):
            for file in made:
                file.rename(aside / file.name)
            waiting = pool.submit(pack_lock, "control", "", HOST, cache)
            inode = (aside / packed.path.name).stat().st_ino
            for file in made:
                (aside / file.name).rename(file)
        assert waiting.result() == packed
    assert packed.path.stat().st_ino == inode


def test_a_zip_without_its_note_is_built_again(tmp_path: Path) -> None:
    bundle = pack(RECIPE, HOST, tmp_path / "cache", library(tmp_path / "project"))
    bundle.path.with_suffix(".json").write_text("{")
    assert remembered(bundle.path) is None
    assert pack(RECIPE, HOST, tmp_path / "cache", tmp_path / "project") == bundle


def test_a_missing_lock_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle 'control'.*headwater/locks/control.txt"):
        pack(RECIPE, HOST, tmp_path / "cache", tmp_path)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    root = library(tmp_path / "project")
    with pytest.raises(BundleError, match=r"bundle 'control': there is no theirs in "):
        pack(Recipe(name="control", sources=("theirs",)), HOST, tmp_path / "cache", root)


def test_a_lock_without_hashes_is_refused(tmp_path: Path) -> None:
    root = library(tmp_path / "project", requirements="six==1.17.0\n")
    with pytest.raises(BundleError, match=r"uv can't install the lock control.txt"):
        pack(RECIPE, HOST, tmp_path / "cache", root)


@pytest.mark.parametrize(
    "asked", ["clients('sagemaker')", 'self._clients("sagemaker")', "CLIENTS('sagemaker')", "boto3.client('sagemaker')"]
)
def test_code_for_an_aws_service_that_bundles_leave_out_is_refused(tmp_path: Path, asked: str) -> None:
    root = library(tmp_path / "project")
    (root / "ours" / "store.py").write_text(f"\n{asked}.create_model()\n")
    with pytest.raises(BundleError, match=r"ours/store.py line 2 uses the AWS service 'sagemaker'.*SERVICES"):
        pack(RECIPE, HOST, tmp_path / "cache", root)


def test_a_lock_loses_the_command_lines_packages_and_nothing_else() -> None:
    text = lock("control", None)
    kept = without_command_line(text)
    assert not [line for line in kept.splitlines() if line.split("==")[0] in COMMAND_LINE]
    assert "botocore==" in kept
    assert "pydantic==" in kept

    def names(text: str) -> set[str]:
        return {line.split("==")[0] for line in text.splitlines() if line[:1].isalpha()}

    assert names(kept) == names(text) - COMMAND_LINE


def test_the_images_context_holds_what_the_dockerfile_copies_and_no_laptop_code(tmp_path: Path) -> None:
    first, second = (pack_context(project(tmp_path / name)) for name in "ab")
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()
    with zipfile.ZipFile(first.path) as archive:
        names = archive.namelist()
    assert {
        "headwater/container/Dockerfile", "requirements.txt", "headwater/declare/models.py", "pipelines/shop.py"
    } <= set(names)  # fmt: skip
    assert not [name for name in names if name.startswith(("headwater/cli", "headwater/infra", "infra", "tests"))]


def test_a_bundle_in_use_stays_in_the_cache_however_long_ago_it_was_packed(tmp_path: Path) -> None:
    root = library(tmp_path)
    module, cache = root / "ours" / "module.py", tmp_path / "cache"
    first = pack(RECIPE, HOST, cache, root)
    for answer in range(10):
        module.write_text(f"answer = {answer}\n")
        other = pack(RECIPE, HOST, cache, root)
        for path in (first.path, other.path):
            os.utime(path, (answer, answer))
        module.write_text("answer = 42\n")
        assert pack(RECIPE, HOST, cache, root) == first
        assert first.path.is_file()
    assert len(list((cache / CACHE).glob("control-*.zip"))) == KEPT


def test_a_stack_that_wants_no_verification_has_nothing_of_its_product(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    def holds(path: Path) -> bool:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith(f"{VERIFICATION}/") for name in archive.namelist())

    without = build_all(HOST, project=ROOT, without=(VERIFICATION,))
    assert {name: (holds(bundles[name].path), holds(without[name].path)) for name in bundles} == {
        "control": (False, False), "serving": (False, False), "data": (True, False),
    }  # fmt: skip
    assert without["serving"].sha256 == bundles["serving"].sha256
    root = project(tmp_path / "project")
    assert holds(pack_context(root).path)
    assert not holds(pack_context(root, without=(f"{VERIFICATION}/",)).path)


def test_the_container_gets_what_the_project_adds_to_its_lock(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    before = pack_context(root)
    (root / "requirements").mkdir()
    (root / "requirements" / "training.txt").write_text("left-pad==1.0 \\\n    --hash=sha256:abc\n")
    with zipfile.ZipFile(pack_context(root).path) as archive:
        requirements = archive.read("requirements.txt").decode()
    with zipfile.ZipFile(before.path) as archive:
        assert requirements == archive.read("requirements.txt").decode() + ("left-pad==1.0 \\\n    --hash=sha256:abc\n")


def project(root: Path) -> Path:
    (root / "pipelines").mkdir(parents=True)
    (root / "pipelines" / "shop.py").write_text("")
    return root
