"""What is to be deployed: Pulumi.yaml, the stack's settings, and the program's place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localcloud.engine.errors import ProjectError, StateError
from localcloud.engine.secrets import Secrets


@dataclass(frozen=True)
class Project:
    """One project and one of its stacks."""

    root: Path  # where Pulumi.yaml is
    name: str
    stack: str
    program: Path  # a folder with __main__.py, or a file
    config: Mapping[str, str]  # full keys, such as shop:region
    encrypted: Mapping[str, Any] = field(
        default_factory=dict
    )  # the other settings, as the file has them: {"secure": …}
    salt: str = ""  # with which the file's settings are encrypted

    @property
    def directory(self) -> Path:
        """The program's working directory, from which relative paths of assets count."""
        return self.program if self.program.is_dir() else self.program.parent

    def decrypted(self, passphrase: str) -> dict[str, str]:
        """The encrypted settings in clear.

        Raises
        ------
        ProjectError
            The file has no salt, or another passphrase was used.
        """
        if not self.encrypted:
            return {}
        file, name = self.root / f"Pulumi.{self.stack}.yaml", next(iter(self.encrypted))
        if not self.salt:
            raise ProjectError(f"{file}: {name} is encrypted, but not with a passphrase: there is no encryptionsalt")
        secrets = Secrets(passphrase, self.salt)
        try:
            return {key: secrets.reveal(str(value["secure"])) for key, value in self.encrypted.items()}
        except (StateError, ValueError) as error:
            words = "doesn't open: PULUMI_CONFIG_PASSPHRASE isn't what it was encrypted with"
            raise ProjectError(f"{file}: {name} {words}") from error


def read_project(root: Path, stack: str, overrides: Mapping[str, str]) -> Project:
    """Read the project in the folder ``root``.

    Parameters
    ----------
    root : Path
        The folder with Pulumi.yaml.
    stack : str
        The stack; its settings are in Pulumi.<stack>.yaml, if there is one.
    overrides : mapping of str to str
        Settings that come before the files'. A key without a namespace belongs to the project.

    Raises
    ------
    ProjectError
        A file is missing or isn't what it should be.
    """
    root = root.resolve()
    described = _load(root / "Pulumi.yaml", needed=True)
    name = described.get("name")
    if not isinstance(name, str) or not name:
        raise ProjectError(f"{root / 'Pulumi.yaml'}: a project needs a `name`")
    runtime = described.get("runtime")
    if (runtime.get("name") if isinstance(runtime, dict) else runtime) != "python":
        raise ProjectError(f"{root / 'Pulumi.yaml'}: the embedded engine runs Python programs, not {runtime!r}")
    program = (root / described.get("main", ".")).resolve()
    if not (program / "__main__.py").is_file() and not program.is_file():
        raise ProjectError(f"{root / 'Pulumi.yaml'}: no program at {program}: expected __main__.py there")
    config = _project_defaults(name, described.get("config"))
    file = root / f"Pulumi.{stack}.yaml"
    settings = _stack_settings(file, name)
    secure = {key: value for key, value in settings.items() if isinstance(value, dict) and "secure" in value}
    config |= {key: _text(value) for key, value in settings.items() if key not in secure}
    config |= {_full(name, key): value for key, value in overrides.items()}
    secure = {key: value for key, value in secure.items() if key not in config}
    return Project(root, name, stack, program, config, secure, str(_load(file).get("encryptionsalt") or ""))


def _load(file: Path, *, needed: bool = False) -> dict[str, Any]:
    if not file.is_file():
        if needed:
            raise ProjectError(f"no {file.name} in {file.parent}: is this a Pulumi project?")
        return {}
    try:
        content = yaml.safe_load(file.read_text()) or {}
    except yaml.YAMLError as error:
        raise ProjectError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ProjectError(f"{file}: expected a mapping, found {type(content).__name__}")
    return content


def _project_defaults(name: str, config: Any) -> dict[str, str]:
    # An old Pulumi.yaml names the folder of the stacks' files here.
    if not isinstance(config, dict):
        return {}
    defaults = {}
    for key, declared in config.items():
        value = declared.get("value", declared.get("default")) if isinstance(declared, dict) else declared
        if value is not None:
            defaults[_full(name, key)] = _text(value)
    return defaults


def _stack_settings(file: Path, name: str) -> dict[str, Any]:
    settings = _load(file).get("config") or {}
    if not isinstance(settings, dict):
        raise ProjectError(f"{file}: `config` should be a mapping of settings")
    return {_full(name, key): value for key, value in settings.items()}


def _full(name: str, key: str) -> str:
    return key if ":" in key else f"{name}:{key}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)  # as Pulumi hands booleans, numbers and objects to the program
