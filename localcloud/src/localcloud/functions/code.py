"""Where a function's code lies on disk: its zip unpacked once, beside AWS's own runtime client."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

# awslambdaric and all that it imports; AWS supplies these beside the zip, so the laptop does as well.
_RUNTIME_MODULES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
BOOT = Path(__file__).with_name("boot.py")

_unpacking = threading.Lock()


def unpack(read: Callable[[], bytes], digest: str, into: Path) -> Path:
    """The folder with the contents of the zip that ``read`` gives; made on first sight of ``digest``."""
    folder = into / re.sub(r"[^0-9A-Za-z]", "-", digest)
    with _unpacking:
        if folder.is_dir():
            return folder
        into.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=into))
        with zipfile.ZipFile(io.BytesIO(read())) as archive:
            for member in archive.infolist():
                target = Path(archive.extract(member, scratch))
                if (mode := member.external_attr >> 16) & 0o111 and target.is_file():
                    target.chmod(mode & 0o777 | 0o600)  # zipfile forgets that a file may be executed
        # Renamed last: a folder that is there is complete, even if the cloud was killed half-way.
        scratch.chmod(0o755)
        scratch.rename(folder)
    return folder


def runtime_folder(into: Path, *, awslambdaric: bool = True) -> Path:
    """A folder with the runtime client and nothing else of our site-packages."""
    folder = into / ("runtime" if awslambdaric else "runtime-without-awslambdaric")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "localcloud_bootstrap.py").symlink_to(_BOOTSTRAP)
    for module in _RUNTIME_MODULES if awslambdaric else ():
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin:
            origin = Path(spec.origin)
            source = origin.parent if spec.submodule_search_locations else origin
            (folder / source.name).symlink_to(source)
    return folder


def interpreter(runtime: str) -> str:
    """The Python that runs a function of ``runtime``, such as ``"python3.11"``.

    Raises
    ------
    LookupError
        This machine has no such Python. Wheels with compiled code work in one version only, so no other will do.
    """
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    if not runtime.startswith("python"):
        raise LookupError(f"runtime {runtime!r}: the local cloud runs Python functions only")
    found = shutil.which(runtime, path=os.environ.get("PATH"))
    if found is None:
        raise LookupError(
            f"runtime {runtime!r}: no program of that name on PATH (the local cloud runs on "
            f"{sys.version_info.major}.{sys.version_info.minor}); install it or change the function's runtime"
        )
    return found
