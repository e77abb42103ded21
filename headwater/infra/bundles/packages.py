"""The packages of a lock as a zip: installed for another platform, pruned, equal bytes for equal contents.

Making one costs seconds, so it is kept by the hash of the lock, the platform and this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uv

from headwater.infra.bundles.bytecode import compile_sources, interpreter
from headwater.locks import entries

MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Lambda's limit for a function's code, layers included."""

PLATFORMS: Mapping[str, str] = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Lambda's Python runtimes run on Amazon Linux 2023 (glibc 2.34), which takes wheels up to this."""

# What the `headwater` command needs and no handler imports: the base dependencies of pyproject come with every lock.
COMMAND_LINE = frozenset(
    {"annotated-doc", "colorama", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer"}
)
# botocore describes 440 services in 24 MB; bundles keep these. `headwater.infra.bundles.build` stops the build
# when our code asks for another one, and the local cloud runs the very same zips.
SERVICES = frozenset(
    {"cloudwatch", "codebuild", "dynamodb", "ecr", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm"}
    | {"stepfunctions", "sts"}
    | {"xray"}  # the X-Ray SDK makes a client when it is imported
)
SERVICES_OF: Mapping[str, frozenset[str]] = {
    "control": SERVICES | {"events", "scheduler"},
    "data": SERVICES | {"kinesis"},
}
"""Services of a bundle that has more of them: the alarm manager's, the collectors'."""
# Parts that nothing imports when a package is used: test suites, onnxruntime's tools for making models and what they
# need (protobuf), routers and their web pages, pydantic's former self, SQLAlchemy's mapper and other databases.
PRUNED = re.compile(
    r"(^|/)(__pycache__|tests?|_pyinstaller|f2py|distutils)/"
    r"|^onnxruntime/(tools|transformers|quantization|datasets|backend)/|^google/(protobuf|_upb)/"
    r"|^aws_lambda_powertools/event_handler/|^pydantic/v1/"
    r"|^aws_lambda_powertools/utilities/(auth_alpha|batch|data_masking|feature_flags|idempotency|kafka)/"
    r"|^aws_lambda_powertools/utilities/(parameters|parser|streaming|validation)/"
    r"|^sqlalchemy/(orm|ext|testing)/|^sqlalchemy/dialects/(mssql|oracle|sqlite)/"
    r"|^bin/|^\.lock$"
    r"|\.(pyc|pyi|pyx|pxd|h|c|cpp|lib|a)$"
    r"|\.dist-info/(RECORD|REQUESTED|INSTALLER|direct_url\.json|uv_cache\.json)$"
)


class BundleError(Exception):
    """A bundle can't be built as it is described; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The platform that wheels are chosen for."""

    python: str
    """Such as ``"3.12"``."""
    platform: str | None
    """As uv calls it; None for the machine that this runs on."""
    compiled: bool = True
    """Whether bytecode comes along: not where Python may write it itself."""

    @property
    def key(self) -> str:
        """A text that tells two targets apart."""
        machine = os.uname()
        compiled = "compiled" if self.interpreter else "sources alone"
        return f"{self.python} {self.platform or f'{machine.sysname} {machine.machine}'} {compiled}"

    @property
    def interpreter(self) -> str | None:
        """The Python that compiles for it; None if there is none, or nothing to compile."""
        return interpreter(self.python) if self.compiled else None

    def digest(self) -> hashlib._Hash:
        """The beginning of a bundle's digest: all that its derived files depend on beside the sources."""
        return hashlib.sha256(self.key.encode())


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A zip, and what is known of it."""

    path: Path
    sha256: str
    """Hash of target, names, modes and contents: the same wherever it was built, whatever zlib and Python
    made of them."""
    unzipped_bytes: int


def pack_lock(
    name: str, lock: str, target: Target, cache_directory: Path, max_bytes: int = MAX_UNZIPPED_BYTES
) -> Packed:
    """The packages of ``lock``, from the cache if they were packed before; raises `BundleError`."""
    makers = Path(__file__).read_bytes() + Path(__file__).with_name("bytecode.py").read_bytes()
    wanted = hashlib.sha256(makers + f"\0{target.key}\0{lock}".encode()).hexdigest()
    path = cache_directory / f"packages-{name}-{wanted[:32]}.zip"
    if found := remembered(path):
        return found
    with (
        alone(cache_directory, f"packages-{name}"),
        # In the cache's directory: uv links files instead of copying them where the file system lets it.
        tempfile.TemporaryDirectory(dir=cache_directory, prefix=f"packages-{name}-") as scratch,
    ):
        if found := remembered(path):
            return found
        site = Path(scratch, "site")
        _install(name, lock, target, site)
        files = dict(_kept(name, site))
        _check_size(name, files, max_bytes)
        contents = [File.read(part, file) for part, file in files.items()]
        packed = append(Path(scratch, "packages.zip"), with_bytecode(contents, target), target.digest())
        return remember(packed, path)


@contextmanager
def alone(cache_directory: Path, name: str) -> Iterator[None]:
    """Pack one thing in one process at a time: others that want it find it made, instead of making it as well."""
    import fcntl

    cache_directory.mkdir(parents=True, exist_ok=True)
    with (cache_directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def without_command_line(lock: str) -> str:
    """``lock`` without `COMMAND_LINE`."""
    return "".join(entry for package, entry in entries(lock).items() if package not in COMMAND_LINE)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as it goes into a zip."""

    name: str
    mode: int
    content: bytes
    is_derived: bool = False
    """True for a file that follows from the others: bytecode, whose bytes may differ where the meaning doesn't."""

    @classmethod
    def read(cls, name: str, path: Path) -> File:
        """Read it; of its mode only the right to execute counts."""
        return cls(name=name, mode=0o755 if os.access(path, os.X_OK) else 0o644, content=path.read_bytes())

    def update(self, digest: hashlib._Hash) -> None:
        """Let ``digest`` depend on the file, if it isn't derived."""
        if self.is_derived:
            return
        digest.update(f"{self.name}\0{self.mode}\0{len(self.content)}\0".encode() + self.content)


def with_bytecode(files: Iterable[File], target: Target) -> list[File]:
    """``files`` and what Python compiles of them, sorted by name; they alone if there is no Python for the target."""
    whole = list(files)
    if python := target.interpreter:
        with tempfile.TemporaryDirectory(prefix="headwater-bytecode-") as scratch:
            root = Path(scratch)
            sources = [file for file in whole if file.name.endswith(".py")]
            for file in sources:
                (root / file.name).parent.mkdir(parents=True, exist_ok=True)
                (root / file.name).write_bytes(file.content)
            compile_sources(python, root, [root / file.name for file in sources])
            whole += [
                File(name=path.relative_to(root).as_posix(), mode=0o644, content=path.read_bytes(), is_derived=True)
                for path in root.rglob("*.pyc")
            ]
    return sorted(whole, key=lambda file: file.name)


def append(path: Path, files: Iterable[File], digest: hashlib._Hash) -> Packed:
    """Add ``files``, which must be sorted by name, to the zip and to ``digest``; they all get one date.

    The digest is that of names, modes and contents, derived files aside.
    """
    size = 0
    # Level 1: half the size of storing, a fifth of the time of the default level, which saves a tenth more.
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            file.update(digest)
            size += len(file.content)
            entry = zipfile.ZipInfo(file.name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.create_system = (0o100000 | file.mode) << 16, 3
            is_packed = file.name.endswith((".gz", ".zip"))
            entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.content)
    return Packed(path=path, sha256=digest.hexdigest(), unzipped_bytes=size)


def remember(packed: Packed, path: Path) -> Packed:
    """Move a zip to ``path`` in the cache, with a note of what is known of it."""
    found = Packed(path=path, sha256=packed.sha256, unzipped_bytes=packed.unzipped_bytes)
    packed.path.replace(path)
    # The note comes last and at once: a build that was killed has left none.
    written = path.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps({**asdict(found), "path": path.name}))
    written.replace(path.with_suffix(".json"))
    return found


def remembered(path: Path) -> Packed | None:
    """The zip at ``path``, if it is there whole; its time says that it was used now."""
    try:
        known = json.loads(path.with_suffix(".json").read_text())
        os.utime(path)
    except (OSError, ValueError):
        return None
    return Packed(**{**known, "path": path})


def _install(name: str, lock: str, target: Target, site: Path) -> None:
    site.mkdir()
    requirements = site.parent / "requirements.txt"
    requirements.write_text(lock)
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(site), "--requirement", str(requirements)]
    command += ["--require-hashes", "--no-deps", "--python-version", target.python]
    if target.platform:
        command += ["--python-platform", target.platform, "--only-binary", ":all:"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(
            f"bundle {name!r} for Python {target.python} on {target.platform or 'this machine'}: "
            f"uv can't install the lock {name}.txt:\n{done.stderr.strip()}"
        )


def _kept(bundle: str, site: Path) -> Iterator[tuple[str, Path]]:
    services = SERVICES_OF.get(bundle, SERVICES)
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        parts = name.split("/")
        unused = parts[:2] == ["botocore", "data"] and len(parts) > 3 and parts[2] not in services
        if path.is_file() and not unused and not PRUNED.search(name):
            yield name, path


def _check_size(name: str, files: Mapping[str, Path], max_bytes: int) -> None:
    sizes: dict[str, int] = {}
    for file, path in files.items():
        top = file.split("/")[0]
        sizes[top] = sizes.get(top, 0) + path.stat().st_size
    if sum(sizes.values()) > max_bytes:
        largest = sorted(sizes.items(), key=lambda entry: -entry[1])[:5]
        raise BundleError(
            f"bundle {name!r} is {sum(sizes.values()) / 2**20:.0f} MiB unzipped, it may have "
            f"{max_bytes // 2**20}. The largest parts: "
            + ", ".join(f"{part} {size / 2**20:.0f} MiB" for part, size in largest)
        )
