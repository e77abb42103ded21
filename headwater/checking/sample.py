"""A product's sample as ingestion and training read it, for the product's own test: no cell is guessed by pandas."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.checking.rows import sample_file
from headwater.declare import Catalog, Model, Source, resolve
from headwater.errors import InvalidRequest
from headwater.features.offline.examples import EXAMPLES, make_examples
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import compute
from headwater.lake.database import connect, literal, quoted
from headwater.lake.ingestion import Curation, curate
from headwater.lake.types import Upload
from headwater.training.examples import Asked, encoded
from headwater.training.on_demand import with_on_demand
from headwater.training.types import LABEL

if TYPE_CHECKING:
    import pandas


def ingested_sample(source: Source, folder: Path) -> Curation:
    """The ingestion's result for the ``sample.csv`` beside a source's contract; its files are put into ``folder``.

    Raises
    ------
    InvalidRequest
        There is no sample with the contract's columns.
    """
    file = sample_file(source, resolve(source.contract))
    if file is None:
        raise InvalidRequest(
            f"source {source.name!r}: expected a sample.csv beside its contract, with a header of all its columns, in "
            "its source's encoding: put some rows of an upload there"
        )
    upload = Upload(
        bucket="sample", key=f"landing/{source.name}/{file.name}", version_id="1", size=file.stat().st_size,
        sequencer="1",
    )  # fmt: skip
    return curate(source, upload, file, folder)


def sampled_training_set(catalog: Catalog, model: Model) -> tuple[pandas.DataFrame, pandas.Series[float]]:
    """Columns and label for ``train``, as if the sample were all that was uploaded.

    Features are as they were known when each example was asked, and on-demand features are beside them.

    Raises
    ------
    InvalidRequest
        A source that the model needs has no sample, or its examples aren't requests.
    """
    views = {name: catalog.view(name) for name in model.views}
    sources = dict.fromkeys([*model.examples.sources, *(name for view in views.values() for name in view.sources)])
    with tempfile.TemporaryDirectory() as scratch:
        connection = connect(Path(scratch) / "spill")
        try:
            for name in sources:
                folder = Path(scratch) / name
                folder.mkdir()
                made = ingested_sample(catalog.source(name), folder)
                if made.refusal:
                    raise InvalidRequest(f"source {name!r}: its sample is refused: {made.refusal}")
                rows = literal(str(made.curated))
                connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM read_parquet({rows})")
            offline = {name: f"__offline_{name}" for name in views}
            for name, view in views.items():
                compute(connection, view, offline[name])
            make_examples(connection, model)
            relation = (
                historical(connection, EXAMPLES, views, offline, model.features)
                if views
                else connection.table(EXAMPLES)
            )
            asked = Asked.of(model, relation)
        finally:
            connection.close()
    known = asked.frame[asked.frame[model.examples.label].notna()]
    frame = encoded(model, asked, known).reset_index(drop=True)
    return with_on_demand(model, frame[list(model.columns)]), frame[LABEL]
