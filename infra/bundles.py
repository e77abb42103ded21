"""The three zips that functions run from: a lock's packages for the configured platform, and our own code.

A bundle is named by the hash of what is in it, so nothing changed means nothing deployed. Building costs seconds, so a
bundle is kept under ``.headwater/bundles`` by the hash of what goes into it: lock, sources, platform and this file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parent.parent
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Lambda's limit for a function's code, layers included."""

PLATFORMS: Mapping[str, str] = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Lambda's Python runtimes run on Amazon Linux 2023 (glibc 2.34), which takes wheels up to this."""

# What the `headwater` command needs and no handler imports: the base dependencies of pyproject come with every lock.
COMMAND_LINE = frozenset(
    {"annotated-doc", "colorama", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer"}
)
# botocore describes 440 services in 24 MB; bundles keep these. `_check_services` stops the build when our code asks
# for another one, and the local cloud runs the very same zips.
SERVICES = frozenset(
    {"cloudwatch", "codebuild", "dynamodb", "ecr", "lambda", "s3", "sns", "sqs", "ssm", "stepfunctions", "sts"}
)
# Parts that nothing imports when a package is used: test suites, and onnxruntime's tools for making models.
PRUNED = re.compile(
    r"(^|/)(__pycache__|tests?|testing/_private|_pyinstaller|f2py)/"
    r"|^onnxruntime/(tools|transformers|quantization|datasets|backend)/"
    r"|^bin/|\.(pyc|pyi|pyx|pxd|h|c|cpp|lib|a)$|\.dist-info/(RECORD|REQUESTED|INSTALLER|direct_url\.json|uv_cache\.json)$|^\.lock$"
)
# pandas and numpy import these under their public names.
KEPT = re.compile(r"^(pandas/_testing|numpy/testing|pandera)/")


class BundleError(Exception):
    """A bundle can't be built as it is described; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What goes into one bundle."""

    name: str
    """Also the extra in pyproject.toml, and with it the lock ``requirements/<name>.txt``."""
    sources: Sequence[str]
    """Our packages and modules, relative to the project. Never `headwater.local`, the command line or `infra`."""


_GROUND = tuple(f"headwater/{name}.py" for name in ("__init__", "aws", "errors", "model", "settings"))
_BASE = (*_GROUND, "functions/__init__.py", "functions/observability.py", "headwater/registry")
# A bundle holds the capabilities that its handlers use and no others: a change elsewhere must not restart them.
RECIPES: Sequence[Recipe] = (
    Recipe(
        name="control",
        sources=(
            *_BASE,
            "headwater/alarms",
            "headwater/features",
            "headwater/images",
            "headwater/lake",
            "headwater/serving",
            "functions/alarms",
            "functions/images",
            "functions/lake",
            "functions/registry",
            "functions/serving",
        ),
    ),
    Recipe(name="serving", sources=(*_BASE, "headwater/features", "headwater/serving", "functions/serving")),
    Recipe(
        name="data",
        sources=(
            *_BASE,
            "headwater/features",
            "headwater/lake",
            "headwater/training",
            "functions/features",
            "functions/lake",
            "functions/training",
            "pipelines",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The platform that wheels are chosen for."""

    python: str
    """Such as ``"3.12"``."""
    platform: str | None
    """As uv calls it; None for the machine that this runs on."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A built zip."""

    name: str
    path: Path
    sha256: str
    """Of the files' names, modes and contents: the same wherever it was built, whatever zlib compressed it."""
    unzipped_bytes: int

    @property
    def key(self) -> str:
        """Where it lies in the artifacts bucket."""
        return f"code/{self.name}-{self.sha256}.zip"


def build_all(target: Target, *, cache_directory: Path, root: Path = ROOT) -> dict[str, Bundle]:
    """Build every bundle, at the same time, or take it from the cache.

    Raises
    ------
    BundleError
        A lock is missing, a package can't be installed for the target, or a bundle is larger than Lambda takes.
    """
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        return {bundle.name: bundle for bundle in pool.map(lambda r: build(r, target, cache_directory, root), RECIPES)}


def build(recipe: Recipe, target: Target, cache_directory: Path, root: Path = ROOT) -> Bundle:
    """Build one bundle, or take it from the cache; raises `BundleError`."""
    lock = root / "requirements" / f"{recipe.name}.txt"
    if not lock.is_file():
        raise BundleError(f"bundle {recipe.name!r}: {lock.relative_to(root)} is missing; `make lock` writes it")
    ours = dict(_our_files(recipe, root))
    _check_services(recipe, ours)
    requirements = without_command_line(lock.read_text())
    wanted = _key(recipe, target, requirements, ours)
    note = cache_directory / f"{recipe.name}-{wanted[:32]}.json"
    if found := _cached(note):
        return found
    cache_directory.mkdir(parents=True, exist_ok=True)
    # In the cache's directory: uv links files instead of copying them where the file system lets it.
    with tempfile.TemporaryDirectory(dir=cache_directory, prefix=f"{recipe.name}-") as scratch:
        site = Path(scratch, "site")
        _install(recipe, target, requirements, site)
        files = {**dict(_their_files(site)), **ours}
        bundle = _pack(recipe, files, cache_directory, Path(scratch, "bundle.zip"))
    written = note.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps({"zip": bundle.path.name, "sha256": bundle.sha256, "bytes": bundle.unzipped_bytes}))
    written.replace(note)
    _forget_older(recipe, cache_directory)
    return bundle


def without_command_line(lock: str) -> str:
    """``lock`` without `COMMAND_LINE`: an entry is a line that starts with a name, and what is indented below."""
    kept, keeping = [], True
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            keeping = re.split(r"[=\s\[;]", line, maxsplit=1)[0].lower() not in COMMAND_LINE
        if keeping:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _our_files(recipe: Recipe, root: Path) -> Iterator[tuple[str, Path]]:
    for source in (root / name for name in recipe.sources):
        if not source.exists():
            raise BundleError(
                f"bundle {recipe.name!r}: there is no {source.relative_to(root)}; see RECIPES in infra/bundles.py"
            )
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not PRUNED.search(name):
                yield name, path


def _their_files(site: Path) -> Iterator[tuple[str, Path]]:
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        if not path.is_file() or (PRUNED.search(name) and not KEPT.search(name)):
            continue
        parts = name.split("/")
        if parts[:2] == ["botocore", "data"] and len(parts) > 3 and parts[2] not in SERVICES:
            continue
        yield name, path


def _check_services(recipe: Recipe, ours: Mapping[str, Path]) -> None:
    """Stop when our code makes a client for a service whose description the bundle leaves out."""
    for name, path in ours.items():
        if path.suffix != ".py":
            continue
        for node in ast.walk(_parsed(path, path.stat().st_mtime_ns)):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            service = node.args[0].value
            if called == "client" and service not in SERVICES:
                raise BundleError(
                    f"bundle {recipe.name!r}: {name} line {node.lineno} uses the AWS service {service!r}, "
                    f"which bundles leave out. Add it to SERVICES in infra/bundles.py"
                )


@cache
def _parsed(path: Path, _: int) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _key(recipe: Recipe, target: Target, requirements: str, ours: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(f"{recipe}{target}{'' if target.platform else _host()}\0{requirements}\0".encode())
    for name, path in sorted(ours.items()):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _host() -> str:
    system = os.uname()
    return f"{system.sysname} {system.machine}"


def _cached(note: Path) -> Bundle | None:
    try:
        known = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    path = note.parent / known["zip"]
    if not path.is_file():
        return None
    return Bundle(name=path.name.split("-")[0], path=path, sha256=known["sha256"], unzipped_bytes=known["bytes"])


def _install(recipe: Recipe, target: Target, requirements: str, site: Path) -> None:
    site.mkdir()
    lock = site.parent / "requirements.txt"
    lock.write_text(requirements)
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(site), "--requirement", str(lock)]
    command += ["--require-hashes", "--no-deps", "--python-version", target.python]
    if target.platform:
        command += ["--python-platform", target.platform, "--only-binary", ":all:"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(
            f"bundle {recipe.name!r} for Python {target.python} on {target.platform or 'this machine'}: "
            f"uv can't install requirements/{recipe.name}.txt:\n{done.stderr.strip()}"
        )


def _pack(recipe: Recipe, files: Mapping[str, Path], cache_directory: Path, scratch: Path) -> Bundle:
    """Zip the files so that equal contents give equal bytes: sorted, one date, two modes."""
    unzipped = sum(path.stat().st_size for path in files.values())
    if unzipped > MAX_UNZIPPED_BYTES:
        raise BundleError(
            f"bundle {recipe.name!r} is {unzipped / 2**20:.0f} MiB unzipped, Lambda takes "
            f"{MAX_UNZIPPED_BYTES // 2**20}. The largest parts: {_largest(files)}"
        )
    digest = hashlib.sha256()
    # Level 1: half the size of storing, a fifth of the time of the default level, which saves a tenth more.
    with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in sorted(files.items()):
            content, mode = path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644
            digest.update(f"{name}\0{mode}\0{len(content)}\0".encode() + content)
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.create_system = (0o100000 | mode) << 16, 3
            entry.compress_type = zipfile.ZIP_STORED if name.endswith((".gz", ".zip")) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    path = cache_directory / f"{recipe.name}-{digest.hexdigest()}.zip"
    shutil.move(scratch, path)
    return Bundle(name=recipe.name, path=path, sha256=digest.hexdigest(), unzipped_bytes=unzipped)


def _largest(files: Mapping[str, Path]) -> str:
    sizes: dict[str, int] = {}
    for name, path in files.items():
        top = name.split("/")[0]
        sizes[top] = sizes.get(top, 0) + path.stat().st_size
    largest: Iterable[tuple[str, int]] = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in largest)


def _forget_older(recipe: Recipe, cache_directory: Path, keep: int = 4) -> None:
    """Each change of a source makes a new zip; the last few are enough to go back and forth between branches."""
    notes = sorted(cache_directory.glob(f"{recipe.name}-*.json"), key=lambda path: path.stat().st_mtime)
    for note in notes[:-keep]:
        note.unlink(missing_ok=True)
    wanted = {found.path for note in notes[-keep:] if (found := _cached(note))}
    for path in cache_directory.glob(f"{recipe.name}-*.zip"):
        if path not in wanted:
            path.unlink(missing_ok=True)
