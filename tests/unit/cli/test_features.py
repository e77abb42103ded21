"""`headwater features`: what there is, where it comes from, who uses it and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from rich.console import Console

import headwater
from headwater.cli.features import show_list
from headwater.cli.features_rows import read_rows
from headwater.cli.render.features import show_difference
from headwater.cli.render.online import show_parity
from headwater.declare import Feature
from headwater.errors import InvalidRequest
from tests.unit.cli.conftest import Run
from tests.unit.features.shop import FIRST, SECOND, fill
from tests.unit.lake.world import World, new_world


@pytest.fixture(scope="module")
def filled() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as environment, new_world(environment) as made:
        fill(made)
        yield made


@pytest.fixture
def unchanged(filled: World, monkeypatch: pytest.MonkeyPatch, run: Run) -> World:
    """A stack that several tests only look at."""
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    return filled


def test_a_list_tells_each_view_s_entity_owner_definition_and_whether_it_is_fresh(unchanged: World, run: Run) -> None:
    last_sale, unseen = run("features", "list", "--json").json
    assert (last_sale["view"], last_sale["entity"], last_sale["owner"]) == ("last_sale", ["shop"], "shops")
    assert (last_sale["features"], last_sale["version"]) == (["amount", "thrice"], SECOND.version)
    assert (last_sale["materialised_at"], last_sale["newest_event"]) == ("2013-01-01T09:30:00Z", "2013-01-01T05:00:00Z")
    # More than a decade has passed since, and the view declares half a day.
    assert (last_sale["state"], last_sale["ttl"]) == ("LATE", "PT8H")
    assert (unseen["view"], unseen["version"], unseen["state"]) == ("unseen", None, "NEVER")
    shown = run("features", "list").out
    assert "8 h" in shown
    assert "LATE" in shown


def test_a_view_is_shown_with_its_sql_its_definitions_and_who_uses_which(unchanged: World, run: Run) -> None:
    details = run("features", "show", "last_sale", "--json").json
    assert details["definition"]["view"]["sql"] == SECOND.sql
    assert [entry["version"] for entry in details["versions"]] == [FIRST.version, SECOND.version]
    assert [entry["materialisations"] for entry in details["versions"]] == [1, 1]
    (use,) = details["uses"]
    assert (use["model"], use["version"], use["aliases"]) == ("habit", 1, ["production"])
    assert (use["view_version"], use["features"]) == (FIRST.version, ["amount"])
    shown = run("features", "show", "last_sale")
    assert shown.err == ""
    for words in ("amount * 3 AS thrice", "Money taken, in euros", f"{SECOND.version} (now)", "habit version 1"):
        assert words in shown.out


def test_lineage_goes_up_to_contracts_and_down_to_model_versions(unchanged: World, run: Run) -> None:
    found = run("features", "lineage", "last_sale", "--json").json
    (source,) = found["sources"]
    assert (source["source"], source["contract"]) == ("sales", "tests.unit.features.test_materialise:ROWS")
    assert source["commit"] == source["materialised"]
    assert source["behind"] is False
    assert [use["model"] for use in found["uses"]] == ["habit"]
    assert run("features", "lineage", "last_sale.thrice", "--json").json["uses"] == []
    assert "is used by no model version" in run("features", "lineage", "last_sale.thrice").out
    tree = run("features", "lineage", "last_sale.amount").out
    assert f"version 1 (production) READY, definition {FIRST.version} (an older definition)" in tree
    assert "contract tests.unit.features.test_materialise:ROWS" in tree


def test_statistics_are_of_the_last_materialisation_or_the_named_one(unchanged: World, run: Run) -> None:
    now = run("features", "stats", "last_sale", "--json").json
    assert now["statistics"]["rows"] == 5
    amount = now["statistics"]["features"]["amount"]
    assert (amount["missing"], amount["quantiles"][0], amount["quantiles"][-1]) == (pytest.approx(0.2), 1, 60)
    assert sum(amount["histogram"]) == 4
    before = run("features", "stats", "last_sale", FIRST.version[:6], "--json").json
    assert (before["statistics"]["rows"], before["materialisation"]["version"]) == (2, FIRST.version)
    named = run("features", "stats", "last_sale", before["materialisation"]["data_version"][:8], "--json").json
    assert named == before
    shown = run("features", "stats", "last_sale").out
    assert "20.0%" in shown
    assert "█" in shown


def test_a_diff_tells_what_changed_in_the_definition_and_in_the_values(unchanged: World, run: Run) -> None:
    found = run("features", "diff", "last_sale", "--json").json
    changes = {change["field"]: (change["before"], change["after"]) for change in found["definition"]}
    assert changes["ttl"] == ("PT6H", "PT8H")
    assert changes["features.amount.minimum"] == (None, 0)
    assert changes["features.twice"][1] is None
    assert any(line.startswith("+") and "amount * 3 AS thrice" in line for line in found["sql"])
    amount = next(change for change in found["features"] if change["feature"] == "amount")
    assert amount["before"]["mean"] == 1.5
    assert amount["after"]["mean"] == pytest.approx(23.25)
    assert amount["shift"] == pytest.approx((23.25 - 1.5) / 0.5**0.5)
    shown = run("features", "diff", "last_sale", FIRST.version).out
    assert "ttl: PT6H -> PT8H" in shown
    assert "+30.76" in shown
    same = run("features", "diff", "last_sale", SECOND.version, SECOND.version)
    assert "the definition is the same" in same.err


def test_nothing_is_cut_in_a_terminal_of_80_columns(unchanged: World, run: Run) -> None:
    found = headwater.connect("dev").features
    text = StringIO()
    screen = Console(file=text, width=80, force_terminal=True, color_system=None)
    show_list(screen, found.list())
    show_difference(screen, found.diff("last_sale"))
    show_parity(screen, found.parity())
    shown = text.getvalue()
    for title in ("definition", "newest event (UTC)", "state", "missing", "histogram", "as of (UTC)", "sampled"):
        assert f" {title} " in shown, title
    assert f" {SECOND.version} " in shown
    assert " before " in shown
    assert "…" not in shown


def test_a_search_ranks_names_before_words_and_suggests_what_is_near(unchanged: World, run: Run) -> None:
    def names(*words: str) -> list[str]:
        return [hit["name"] for hit in run("features", "search", *words, "--json").json["hits"]]

    assert names("amount") == ["last_sale.amount"]
    assert names("SHOPS") == ["last_sale"]
    assert names("shop", "money") == ["last_sale.amount", "last_sale"]
    assert names("last_sale", "thrice")[0] == "last_sale.thrice"
    missed = run("features", "search", "amuont")
    assert (missed.code, missed.out) == (0, "")
    assert "did you mean amount?" in missed.err
    assert "Money taken" in run("features", "search", "euro").out


def test_what_does_not_exist_is_not_found_and_near_names_are_told(unchanged: World, run: Run) -> None:
    for arguments, words in (
        (("show", "last_sales"), "no feature view 'last_sales' was materialised here; did you mean 'last_sale'?"),
        (("show", "unseen"), "declared, but was never materialised"),
        (("lineage", "last_sale.amont"), "no feature 'amont'; did you mean amount?"),
        (("stats", "last_sale", "beef"), "no version begins with 'beef'"),
        (("stats", "last_sale", "b"), "at least 4 digits"),
        (("diff", "last_sale", "beef"), "no version begins with 'beef'"),
    ):
        done = run("features", *arguments)
        assert (done.code, done.out) == (3, "")
        assert words in done.err
        assert run("features", *arguments, "--json").json["status"] == "failed"


def test_values_are_shown_with_their_state_and_age(unchanged: World, run: Run) -> None:
    (row,) = run("features", "get", "last_sale", "c", "--as-of", "2013-01-01T09:30:00", "--json").json
    assert (row["last_sale__amount"], row["last_sale__thrice"]) == (60.0, 180.0)
    shown = run("features", "get", "last_sale", "c", "a", "nowhere", "-f", "amount", "--as-of", "2013-01-01T11:30:00Z")
    lines = [line.split() for line in shown.out.splitlines() if "amount" in line]
    assert lines == [
        ["c", "amount", "60", "FOUND", "6", "h", "30", "min"],
        ["a", "amount", "EXPIRED", "8", "h", "30", "min"],
        ["nowhere", "amount", "MISSING"],
    ]
    wrong = run("features", "get", "last_sale", "a,b")
    assert (wrong.code, wrong.out) == (2, "")
    assert "key 'a,b' has 2 values, and last_sale is looked up by shop: write <shop> for each entity" in wrong.err
    assert run("features", "get", "last_sale", "a", "-f", "amuont").code == 3


def test_digits_in_a_column_of_text_stay_text(tmp_path: Path) -> None:
    code = Feature(name="code", kind="category")
    (tmp_path / "rows.csv").write_text("shop,amount,code\na,007,007\nb,1,true\nc,1,\n")
    read = list(read_rows(tmp_path / "rows.csv", FIRST.model_copy(update={"features": (*FIRST.features, code)})))
    assert [(row["amount"], row["code"]) for row in read] == [(7.0, "007"), (1.0, "true"), (1.0, None)]


def test_rows_are_read_from_each_kind_of_file(tmp_path: Path) -> None:
    texts = {
        "rows.csv": "shop,event_time,amount,note\n007,2013-01-01T09:00:00Z,5.5,x\nb,2013-01-01T09:00:00Z,NA,\n"
        "c,2013-01-01T09:00:00Z,true,\nd,2013-01-01T09:00:00Z,much,\n",
        "rows.jsonl": '{"shop": "a", "amount": 1}\n\n{"shop": "b"}\n',
        "bad.jsonl": '{"shop": "a"}\n[1]\n',
        "rows.txt": "",
        "more.csv": "shop,amount\na,1\nb,1,5\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    read = list(read_rows(tmp_path / "rows.csv", FIRST))
    assert [(row["shop"], row["amount"], row["note"]) for row in read] == [
        ("007", 5.5, "x"), ("b", None, ""), ("c", 1.0, ""), ("d", "much", ""),
    ]  # fmt: skip
    assert list(read_rows(tmp_path / "rows.jsonl", None)) == [{"shop": "a", "amount": 1}, {"shop": "b"}]
    table = pyarrow.table({"shop": ["a"], "amount": [1.5]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    assert list(read_rows(tmp_path / "rows.parquet", None)) == table.to_pylist()
    (tmp_path / "bad.parquet").write_text("no parquet")
    for name, words in (
        ("bad.jsonl", "line 2 must be an object"), ("rows.txt", r"come as \.csv, \.jsonl or \.parquet"),
        ("bad.parquet", "can't be read"), ("none.csv", "can't be read"), ("none.parquet", "can't be read"),
        ("more.csv", "line 3 has more cells than the header, which names 2"),
    ):  # fmt: skip
        with pytest.raises(InvalidRequest, match=words):
            list(read_rows(tmp_path / name, FIRST))
