"""The table that an old version learnt from, made again from the commits that it pinned."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.declare import Product, catalog
from headwater.features.offline.engine import DuckDB
from headwater.features.offline.rows import add_streamed, compute, table_of
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion, streamed_of, streamed_table
from headwater.registry.types import DEFINITION_FILE, ModelVersion, TrainingSet
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.training.errors import NotReproduced, NotReproducible
from headwater.training.prepare import WRITER, sha256, write
from headwater.training.types import DATA_VERSION_FILE, dataset_of
from headwater.versions.service import Versions


def rebuild(version: ModelVersion, clients: Clients, *, lake_bucket: str, table: Table, path: Path) -> TrainingSet:
    """Write the table that ``version`` learnt from to ``path``, byte for byte as it was.

    Nothing but commits is read: the version's own, for what was pinned and how the product was declared then, and those
    of the sources and of streamed rows. Features are computed anew, whatever may be kept of them.

    Returns
    -------
    TrainingSet
        As the version's record has it; the file at ``path`` has its sha256.

    Raises
    ------
    NotReproducible
        The version's record doesn't say from what.
    NotReproduced
        Other bytes came out; ``path`` isn't written.
    VersionGone
        A pinned S3 version was deleted.
    """
    recorded, who = version.candidate.training_set, f"model {version.model!r} version {version.version}"
    if recorded is None or version.commit is None:
        raise NotReproducible(f"{who} was registered without a record of its training set")
    files = Versions(lake_bucket, table, clients).dataset(dataset_of(version.model))
    definition = Product.model_validate_json(files.read(DEFINITION_FILE, version.commit))
    pinned = DataVersion.model_validate_json(files.read(DATA_VERSION_FILE, version.commit))
    lake = Lake(catalog([definition]), clients, bucket=lake_bucket, table=table)
    # Beside the file that it is to become: renamed when it is known to be the same.
    with TemporaryDirectory(prefix=".headwater-", dir=path.parent) as scratch, lake.tables(pinned) as connection:
        made = Path(scratch) / "training_set.parquet"
        offline = {view.name: table_of(view) for view in definition.views}
        for view in definition.views:
            if streamed_of(view.name) in pinned.commits:
                compute(connection, view, f"__computed_{view.name}")
                streamed = streamed_table(view.name)
                add_streamed(DuckDB(connection), view, f"__computed_{view.name}", streamed, offline[view.name])
            else:
                compute(connection, view, offline[view.name])
        (model,) = definition.models
        write(connection, model, definition.views, offline, made)
        if (digest := sha256(made)) != recorded.sha256:
            other = (
                "" if recorded.written_by == WRITER else f"; it was written by {recorded.written_by}, here is {WRITER}"
            )
            raise NotReproduced(
                f"the training set of {who} came out with sha256 {digest}, recorded is {recorded.sha256}{other}",
                next_steps=[f"check out the code that trained it: {version.candidate.code_version}"],
            )
        made.replace(path)
    return recorded
