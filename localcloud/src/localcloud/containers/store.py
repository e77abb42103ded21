"""Where images live: folders named by what went into them, shared by every build and task of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

CACHE_VARIABLE = "LOCALCLOUD_IMAGE_CACHE"
"""Names a folder in which images and layers outlive one local cloud."""


def digest(*parts: str | bytes) -> str:
    """The sha256 of ``parts``, each of them delimited."""
    sum_ = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sum_.update(f"{len(data)}:".encode() + data)
    return sum_.hexdigest()


@dataclass(frozen=True)
class Image:
    """What a container needs to start: the configuration that Docker would keep, and the layer with the files."""

    layer: str
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = "/"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The sha256 of the configuration, as in Docker; the layer's key in it stands for the files."""
        return hashlib.sha256(self.configuration().encode()).hexdigest()

    def configuration(self) -> str:
        """The image's configuration, as it is kept and pushed."""
        return json.dumps(asdict(self), sort_keys=True)


class ImageStore:
    """Layers, images and tags under one folder; safe for several processes: everything is renamed into place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("layers", "images", "tags", "work"):
            (directory / name).mkdir(parents=True, exist_ok=True)

    def layer(self, key: str) -> Path:
        """The folder of a layer; there only if the layer was built."""
        return self.directory / "layers" / key

    def make_layer(self, key: str, build: Callable[[Path], None]) -> Path:
        """The layer ``key``; ``build`` fills an empty folder if there is none yet, and may fail without a trace."""
        layer = self.layer(key)
        if layer.exists():
            return layer
        with tempfile.TemporaryDirectory(dir=self.directory / "work", ignore_cleanup_errors=True) as scratch:
            root = Path(scratch, "root")
            root.mkdir()
            build(root)
            try:
                root.rename(layer)
            except OSError:
                if not layer.exists():  # else another process was faster, with the same content
                    raise
        return layer

    def add(self, image: Image) -> str:
        """Keep ``image``; returns its id."""
        _write(self.directory / "images" / f"{image.id}.json", image.configuration())
        return image.id

    def image(self, image_id: str) -> Image:
        """The image of that id.

        Raises
        ------
        LookupError
            It isn't in the store, or its files were removed.
        """
        path = self.directory / "images" / f"{image_id}.json"
        if not path.exists():
            raise LookupError(f"there is no image {image_id} in {self.directory}")
        values = json.loads(path.read_text())
        image = Image(**values | {key: tuple(values[key]) for key in ("entrypoint", "command")})
        if not self.layer(image.layer).exists():
            raise LookupError(f"the files of image {image_id} are gone from {self.directory}")
        return image

    def tag(self, name: str, image_id: str) -> None:
        """Let ``name`` (such as ``repository:tag``) mean the image."""
        _write(self.directory / "tags" / quote(_with_tag(name), safe=""), image_id)

    def tagged(self, name: str) -> str:
        """The id of the image that ``name`` means; `LookupError` if there is none."""
        path = self.directory / "tags" / quote(_with_tag(name), safe="")
        if not path.exists():
            raise LookupError(f"there is no image {_with_tag(name)}")
        return path.read_text()

    def python(self) -> Path:
        """The folder with the ``python`` of every base image: the host's, without its packages."""
        base = getattr(sys, "_base_executable", sys.executable)
        key = f"{platform.python_version()}-{digest(base)[:12]}"

        def build(root: Path) -> None:
            run = subprocess.run([base, "-I", "-m", "venv", "--without-pip", str(root)], capture_output=True, text=True)
            if run.returncode:
                raise RuntimeError(f"can't make a clean Python: {run.stdout}{run.stderr}")

        return self.make_layer(f"python-{key}", build) / "bin"


def default_directory(cloud_directory: Path) -> Path:
    """The folder that `CACHE_VARIABLE` names, else one inside the cloud's."""
    return Path(os.environ.get(CACHE_VARIABLE) or cloud_directory / "images").resolve()


def copy_tree(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file or a folder; ``link`` shares the files, which is safe as long as nobody writes into them in place."""
    copy: Callable[[str, str], object] = _link if link else shutil.copy2
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=copy)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    else:
        copy(str(source), str(target))


def _link(source: str, target: str) -> None:
    if os.path.lexists(target):
        Path(target).unlink()
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _with_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def inside(root: Path, value: str) -> str:
    """``value`` with the absolute paths that exist in the image (alone or between colons) mapped into its folder."""

    def mapped(piece: str) -> str:
        if piece.startswith("/") and not piece.startswith("//") and piece != "/":
            path = root / piece[1:]
            if path.exists() or path.is_symlink():
                return str(path)
        return piece

    return ":".join(mapped(piece) for piece in value.split(":"))


def environment(root: Path, python: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """``variables`` as a process of that image must see them.

    ``/usr/local/bin`` is where the official Python images have their interpreter, so the clean one stands there.
    """
    values = {name: inside(root, value) for name, value in variables.items()}
    path = []
    for piece in variables.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":"):
        path += [inside(root, piece)] if inside(root, piece) != piece else []
        path += [str(python)] if piece == "/usr/local/bin" else [piece] if inside(root, piece) == piece else []
    return values | {"PATH": ":".join(dict.fromkeys(path))}
