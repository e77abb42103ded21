"""From an upload to features: what is seen of the verification's rows on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headwater.client.errors import BadTarget
from headwater.client.verification.types import CheckFailed, NotApplicable, Work
from headwater.client.waiting import wait_for
from headwater.lake.types import Ingestion
from headwater.verification import SOURCE, UNIT, VIEW
from headwater.verification.rows import BAD_ROW, BAD_SIZE

FEATURE = f"{VIEW}.level"
COLUMN = f"{VIEW}__level"
STATUS = f"{VIEW}__status"
INGESTION_TIMEOUT = 900.0
ONLINE_TIMEOUT = 60.0


def upload(work: Work) -> str:
    """A good file is taken in whole."""
    done = _ingest(work, "good", work.sample.good_file)
    expected = len(work.sample.rows)
    if (done.rows_out, done.rows_rejected) != (expected, 0):
        raise CheckFailed(
            f"{done.rows_out} rows of {done.file} were taken in and {done.rows_rejected} rejected, expected "
            f"{expected} and 0: {'; '.join(done.reasons) or 'no reason was given'}"
        )
    return f"{expected} rows of {done.file} were ingested"


def quarantine(work: Work) -> str:
    """A bad row is rejected with its number and the reason, and kept in quarantine; the file's good rows count."""
    done = _ingest(work, "bad", work.sample.bad_file)
    if (done.rows_out, done.rows_rejected, done.quarantine is not None) != (2, 1, True):
        raise CheckFailed(
            f"{done.rows_out} rows of {done.file} were taken in and {done.rows_rejected} rejected, expected 2 and 1 in "
            "quarantine"
        )
    seen = work.stack.ingestions.show(done.upload.id)
    if seen.unread:
        # Without DuckDB here the ingestion's own record says why all the same.
        return f"1 row rejected: {'; '.join(done.reasons)}"
    row = seen.rejected[0]
    if row.row != BAD_ROW or not any(str(BAD_SIZE) in reason for reason in row.reasons):
        raise CheckFailed(
            f"row {row.row} was rejected ({'; '.join(row.reasons)}), expected row {BAD_ROW} for its size {BAD_SIZE}"
        )
    return f"row {row.row} is in quarantine: {'; '.join(row.reasons)}"


def _ingest(work: Work, name: str, content: bytes) -> Ingestion:
    with TemporaryDirectory(prefix="headwater-verify-") as folder:
        path = Path(folder) / f"{work.sample.run_id}-{name}.csv"
        path.write_bytes(content)
        sent = work.stack.upload(SOURCE, path)
    work.sent.append(sent)
    work.tell(f"waiting for the ingestion of {sent.key}")
    done = work.stack.ingestions.wait(sent, timeout=INGESTION_TIMEOUT)
    work.ingestions.append(done)
    return done


def commit(work: Work) -> str:
    """The ingestion's commit holds exactly the file that it made."""
    ingestion = work.ingestions[0]
    if ingestion.commit is None or ingestion.curated is None:
        raise CheckFailed(f"the ingestion of {ingestion.file} names no commit")
    dataset = work.stack.data.dataset(f"sources/{SOURCE}")
    entries = {entry.key: entry for entry in dataset.files(ingestion.commit)}
    found = entries.get(ingestion.curated.key)
    if found is None or found.version_id != ingestion.curated.version_id:
        raise CheckFailed(f"commit {ingestion.commit[:12]} doesn't pin {ingestion.curated.key}")
    return f"commit {ingestion.commit[:12]} of sources/{SOURCE} pins {len(entries)} file(s)"


def online(work: Work) -> str:
    """The online store gives each unit's last level."""
    wanted = {unit: float(work.sample.last_level(unit)) for unit in work.sample.units}
    found = read_levels(work, list(wanted))
    compare("online", found, wanted)
    return f"the last level of {len(found)} units is online"


def read_levels(work: Work, units: Sequence[str]) -> dict[str, Any]:
    """The online values of units; a status in words where there is no value."""
    rows = work.stack.features.online([{UNIT: unit} for unit in units], [FEATURE])
    return {row[UNIT]: row[COLUMN] if row[STATUS] == "FOUND" else row[STATUS] for row in rows}


def compare(where: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `CheckFailed`, which names what differs."""
    if wrong := [f"{key}: {found.get(key)}, expected {value}" for key, value in wanted.items() if found[key] != value]:
        raise CheckFailed(f"levels {where} differ from what was uploaded: {'; '.join(wrong[:3])}")


def point_in_time(work: Work) -> str:
    """Asked about an earlier moment, the feature store gives what was known then, and not the row of that moment."""
    rows = [row for row in work.sample.rows if row.unit == work.sample.units[-1]]
    # At a row's very moment the row before it is known, a second later the row itself.
    moments = [(row.at + timedelta(seconds=late), before.level, row.level) for row, before, late in
               ((rows[5], rows[4], 0), (rows[9], rows[8], 1))]  # fmt: skip
    wanted = [float(moments[0][1]), float(moments[1][2])]
    asked = [{UNIT: rows[0].unit, "asked_at": moment} for moment, _, _ in moments]
    try:
        found = [row[COLUMN] for row in work.stack.features.historical(asked, [FEATURE])]
    except BadTarget as error:
        raise NotApplicable("; ".join([error.message, *error.next_steps])) from error
    if found != wanted:
        raise CheckFailed(f"levels of {rows[0].unit} as of two earlier moments are {found}, expected {wanted}")
    return f"{len(found)} values as of earlier moments are those that were known then"


def parity(work: Work) -> str:
    """The online store holds what the offline rows say."""
    try:
        found = work.stack.features.parity(VIEW)
    except BadTarget as error:
        raise NotApplicable("; ".join([error.message, *error.next_steps])) from error
    sampled = sum(view.sampled for view in found)
    if different := [str(mismatch) for view in found for mismatch in view.mismatches]:
        raise CheckFailed("; ".join(different[:3]))
    if sampled < len(work.sample.units):
        raise CheckFailed(f"{sampled} entities have offline rows, expected at least {len(work.sample.units)}")
    return f"{sampled} entities are alike online and offline"


def stream(work: Work) -> str:
    """A row that is sent to the API is online at once."""
    unit = work.sample.units[1]
    level = (work.sample.last_level(unit) + 1) % 100
    row = {UNIT: unit, "event_time": work.started_at, "level": level}
    done = work.stack.features.ingest(VIEW, [row])
    work.use("API requests", 1)
    if done.rows != 1 or done.written != 1:
        raise CheckFailed(f"{done.rows} rows were taken and {done.written} online items changed, expected 1 and 1")

    def look() -> bool | None:
        return True if read_levels(work, [unit])[unit] == float(level) else None

    wait_for(look, what=f"the streamed level of {unit} online", timeout=ONLINE_TIMEOUT)
    return f"level {level} of {unit} was streamed and is online"
