"""The zips that functions and Spark run from: a lock's packages for the configured platform, and our own code.

A bundle is named by the hash of what is in it, so nothing changed means nothing deployed. Bundles are kept under
``.headwater/bundles``; after a change of our own code only that is packed anew, behind the packages.
"""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from headwater.infra.bundles.packages import (
    MAX_UNZIPPED_BYTES,
    PRUNED,
    SERVICES,
    SERVICES_OF,
    BundleError,
    File,
    Target,
    append,
    pack_lock,
    remember,
    remembered,
    with_bytecode,
    without_command_line,
)
from headwater.locks import LockConflict, lock
from headwater.project import LIBRARY

CACHE = Path(".headwater/bundles")
"""Where a project keeps them."""
KEPT = 4
"""How many zips of a bundle stay in the cache, besides those of the last hour, which a deployment may be uploading."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Contents of one bundle."""

    name: str
    """Also of its lock (`headwater.locks`)."""
    sources: Sequence[str]
    """Packages and modules of the library. Never the command line or `infra`."""
    of_project: Sequence[str] = ()
    """Packages of the project."""
    max_bytes: int = MAX_UNZIPPED_BYTES
    """Unzipped."""


def _of(*names: str) -> tuple[str, ...]:
    return tuple(f"headwater/{name}" for name in names)


_GROUND = _of(
    "declare",
    *(
        f"{name}.py"
        for name in ("__init__", "clock", "errors", "graph", "json_values", "routes", "settings", "values", "version")
    ),
)
_BASE = (*_GROUND, *_of("storage", "registry", "handlers/__init__.py", "handlers/observability.py"))
# A bundle holds the capabilities that its handlers use and no others: a change elsewhere must not restart them.
RECIPES: Sequence[Recipe] = (
    Recipe(
        name="control",
        sources=(
            *_BASE,
            *_of("monitoring/__init__.py", "monitoring/feedback", "monitoring/labels", "handlers/answers.py"),
            *_of(*(f"handlers/monitoring/{name}.py" for name in ("__init__", "feedback", "label"))),
            *_of(
                "alarms", "code", "features", "history", "images", "lake", "lineage", "schedules", "serving", "versions"
            ),
            *_of(
                *(
                    f"handlers/{name}"
                    for name in ("alarms", "history", "images", "lake", "lineage", "registry", "schedules", "serving")
                )
            ),
            # Schedules ask the retraining policy, start collectors, look at runs and stop them.
            *_of(*(f"training/{name}.py" for name in ("__init__", "scheduled", "stopping", "store", "types"))),
            *_of(*(f"collecting/{name}.py" for name in ("__init__", "scheduled"))),
            *_of(
                *(f"retraining/{name}.py" for name in ("__init__", "asking", "errors", "scheduled", "store", "types"))
            ),
        ),
    ),
    Recipe(name="serving", sources=(*_BASE, *_of("features", "serving", "handlers/serving"))),
    Recipe(
        name="data",
        sources=(
            *_BASE,
            *_of(
                "code",
                "collecting",
                "deployed.py",
                "features",
                "handlers/answers.py",
                "handlers/spark_steps.py",
                "history",
                "lake",
                "lineage",
                "monitoring",
                "retraining",
                "serving",
                "training",
                "verification",
                "versions",
            ),
            *_of(
                *(
                    f"handlers/{name}"
                    for name in (
                        "collecting",
                        "features",
                        "lake",
                        "lineage",
                        "monitoring",
                        "registry",
                        "retraining",
                        "training",
                    )
                )
            ),
        ),
        of_project=("pipelines", "functions"),
    ),
)


SPARK_PYTHON = "3.11"
"""Python of the release that runs Spark (`headwater.infra.features.spark.RELEASE`); its bundle holds wheels for it."""
VERIFICATION = "headwater/verification"
"""The library's own product: left out of what a stack is made of that doesn't want it."""
SPARK = Recipe(
    name="spark",
    sources=(*_GROUND, *_of("features", "lake", "registry", "storage", "versions")),
    # Unpacked onto each worker's disk, of which Spark has 20 GB and more.
    max_bytes=2**30,
)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A built zip."""

    name: str
    path: Path
    sha256: str
    """Hash of the files' names, modes and contents."""
    unzipped_bytes: int

    @property
    def key(self) -> str:
        """Where it lies in the artifacts bucket."""
        return f"code/{self.name}-{self.sha256}.zip"


def build_all(
    target: Target, *, project: Path, library: Path = LIBRARY, without: Sequence[str] = ()
) -> dict[str, Bundle]:
    """Build every bundle of a project, at the same time, or take it from the cache.

    ``without`` names sources of `RECIPES` to leave out.

    Raises
    ------
    BundleError
        A lock is missing, a package can't be installed for the target, or a bundle is larger than Lambda takes.
    """
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        recipes = [replace(one, sources=[name for name in one.sources if name not in without]) for one in RECIPES]
        bundles = pool.map(lambda recipe: build(recipe, target, project=project, library=library), recipes)
        return {bundle.name: bundle for bundle in bundles}


def build(recipe: Recipe, target: Target, *, project: Path, library: Path = LIBRARY) -> Bundle:
    """Build one bundle, or take it from the project's cache; raises `BundleError`."""
    try:
        requirements = lock(recipe.name, project, folder=library / "locks")
    except (LockConflict, FileNotFoundError) as error:
        raise BundleError(f"bundle {recipe.name!r}: {error}") from error
    cache_directory = project / CACHE
    # Read once: what is hashed is what is packed, even if somebody is just editing it.
    ours = [File.read(name, path) for name, path in sorted(_our_files(recipe, project, library))]
    _check_services(recipe, ours)
    packages = pack_lock(recipe.name, without_command_line(requirements), target, cache_directory, recipe.max_bytes)
    digest = hashlib.sha256(packages.sha256.encode())
    path = cache_directory / f"{recipe.name}-{_digest_of(ours, digest.copy())}.zip"
    if (packed := remembered(path)) is None:
        with tempfile.TemporaryDirectory(dir=cache_directory, prefix=f"{recipe.name}-") as scratch:
            whole = Path(shutil.copyfile(packages.path, Path(scratch, "bundle.zip")))
            packed = remember(append(whole, with_bytecode(ours, target), digest), path)
    _forget_older(recipe, cache_directory)
    size = packages.unzipped_bytes + packed.unzipped_bytes
    if size > recipe.max_bytes:
        raise BundleError(
            f"bundle {recipe.name!r} is {size / 2**20:.0f} MiB unzipped, it may have {recipe.max_bytes // 2**20}, "
            f"of which our own code and the products are {packed.unzipped_bytes / 2**20:.0f}"
        )
    return Bundle(name=recipe.name, path=path, sha256=packed.sha256, unzipped_bytes=size)


def _our_files(recipe: Recipe, project: Path, library: Path) -> Iterator[tuple[str, Path]]:
    for root, sources in ((library.parent, recipe.sources), (project, recipe.of_project)):
        for source in (root / name for name in sources):
            if not source.exists():
                raise BundleError(f"bundle {recipe.name!r}: there is no {source.relative_to(root)} in {root}")
            for path in [source] if source.is_file() else sorted(source.rglob("*")):
                name = path.relative_to(root).as_posix()
                if path.is_file() and not PRUNED.search(name):
                    yield name, path


def _digest_of(files: Sequence[File], digest: hashlib._Hash) -> str:
    """The digest that `append` would return, without packing."""
    for file in files:
        file.update(digest)
    return digest.hexdigest()


def _check_services(recipe: Recipe, ours: Sequence[File]) -> None:
    """Stop when our code makes a client for a service whose description the bundle leaves out."""
    for file in ours:
        if not file.name.endswith(".py"):
            continue
        for line, service in _clients(file.content):
            if service not in SERVICES_OF.get(recipe.name, SERVICES):
                raise BundleError(
                    f"bundle {recipe.name!r}: {file.name} line {line} uses the AWS service {service!r}, "
                    f"which bundles leave out. Add it to SERVICES in headwater/infra/bundles/packages.py"
                )


_ASKING = re.compile(rb"client(s|_as)?\(\s*[\"']", re.IGNORECASE)
_parsing = threading.Lock()


@cache
def _clients(source: bytes) -> tuple[tuple[int, str], ...]:
    """The lines that ask for a service's client, as ``clients("s3")`` does; most sources are in several bundles."""
    found = []
    if not _ASKING.search(source):
        return ()
    # Python 3.11 counts the parser's depth once for all threads, and fails when two of them parse at a time.
    with _parsing:
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called.lstrip("_").lower() in {"client", "clients", "client_as"}:
                found.append((node.lineno, str(node.args[0].value)))
    return tuple(found)


def _forget_older(recipe: Recipe, cache_directory: Path) -> None:
    for name in (recipe.name, f"packages-{recipe.name}"):
        # One that goes while it is looked at was forgotten by another process, which does the rest as well.
        with suppress(FileNotFoundError):
            used = {path: path.stat().st_mtime for path in cache_directory.glob(f"{name}-*.zip")}
            for path in sorted(used, key=used.__getitem__)[:-KEPT]:
                if used[path] < time.time() - 3600:
                    path.unlink(missing_ok=True)
                    path.with_suffix(".json").unlink(missing_ok=True)
