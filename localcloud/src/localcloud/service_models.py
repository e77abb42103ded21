"""botocore's descriptions of AWS's services, read once a process: moto reads them with a new reader each time."""

from __future__ import annotations

import botocore.loaders
import botocore.session
from botocore.loaders import Loader


class _Paths(list[str]):
    """Folders to look in: every boto3 session adds its own once more."""

    def append(self, path: str) -> None:
        if path not in self:
            super().append(path)


def share() -> None:
    """Let everybody in this process who asks for the default descriptions have the same reader.

    A reader looks through some 400 folders before its first answer and parses megabytes of JSON; nobody changes what it
    answers. Moto asks when it is imported, so this comes before moto. It isn't undone: the process is the local cloud's
    own.
    """
    original = botocore.loaders.create_loader
    shared = Loader(extra_search_paths=_Paths())

    def create_loader(search_path_string: str | None = None) -> Loader:
        return shared if search_path_string is None else original(search_path_string)

    botocore.loaders.create_loader = create_loader
    botocore.session.create_loader = create_loader


def share_with_moto() -> None:
    """`share`, and one reader for all of moto's services: moto's own looks for its additions, too."""
    share()
    import moto.core.utils
    from moto.core.loaders import create_loader

    shared = create_loader()
    moto.core.utils.create_loader = lambda: shared  # type: ignore[attr-defined]
