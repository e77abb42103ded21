"""Trees are sets of entries: equal ones have equal ids, however they came about, and changes add up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.versions.errors import Corrupt
from headwater.versions.merging import merged
from headwater.versions.ranges import Codec, Cut, describe
from headwater.versions.tree import EMPTY, Edit, Trees, range_key
from headwater.versions.types import Entry, Root
from tests.unit.versions.cases import entry


class Memory:
    """Keeps objects in a dict and counts what is read and written."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.reads = self.writes = 0

    def keep(self, key: str, body: bytes) -> None:
        self.writes += key not in self.held
        self.held.setdefault(key, body)

    def read(self, key: str) -> bytes | None:
        self.reads += 1
        return self.held.get(key)


# Ranges of some four rows, at most six: cuts of both kinds are met in small trees.
MEMORY = Memory()
TREES = Trees(MEMORY, Cut(one_in=4, largest=6))
PATHS = st.sampled_from([*(f"p{number:02}" for number in range(24)), "é", "日本/1", "a b", "\U0001f600"])
CONTENTS = st.dictionaries(PATHS, st.integers(1, 3), max_size=26)
EDITS = st.dictionaries(PATHS, st.one_of(st.none(), st.integers(1, 3)), max_size=12)
FEW = settings(max_examples=30)


def edits(content: dict[str, int | None]) -> list[Edit]:
    return [(path, None if content[path] is None else entry(path, content[path] or 0)) for path in sorted(content)]


def tree(content: dict[str, int]) -> Root:
    return TREES.apply(EMPTY, edits({**content}))


def content(root: Root) -> dict[str, int]:
    return {one.path: int(one.version_id[1:]) for one in TREES.entries(root)}


def edited(before: dict[str, int], change: dict[str, int | None]) -> dict[str, int]:
    return {path: value for path, value in {**before, **change}.items() if value is not None}


def merge(base: Root, ours: Root, theirs: Root) -> tuple[Root, list[str]]:
    outcome = merged(TREES, [base], ours, theirs)
    return TREES.apply(ours, outcome.edits), outcome.conflicts


@FEW
@given(CONTENTS, st.lists(EDITS, max_size=4))
def test_the_id_is_independent_of_the_order_of_writes(
    start: dict[str, int], steps: list[dict[str, int | None]]
) -> None:
    root, expected = tree(start), start
    for change in steps:
        root, expected = TREES.apply(root, edits(change)), edited(expected, change)
        assert content(root) == expected
        assert root == tree(expected)
    assert (root.rows, root.size) == (len(expected), sum(10 + value for value in expected.values()))


@FEW
@given(CONTENTS, st.integers(1, 14))
@example({"p01": 1, "p02": 1}, 1)
def test_what_is_appended_replaces_the_open_range_at_the_end_and_no_other(start: dict[str, int], more: int) -> None:
    memory, cut = Memory(), Cut(one_in=4, largest=6)
    trees = Trees(memory, cut)
    before = trees.apply(EMPTY, edits({**start}))
    stored, appended = memory.writes, {f"\U0010ffff{number:02}": 1 for number in range(more)}
    after = trees.apply(before, edits({**appended}))
    is_open = bool(before.ranges) and not cut.is_closed(before.ranges[-1])
    kept = before.ranges[: len(before.ranges) - is_open]
    new = after.ranges[len(kept) :]
    assert after.ranges[: len(kept)] == kept
    assert memory.writes - stored == len(new) + 1  # and the root
    grown = [before.ranges[-1].rows if is_open else 0]  # what becomes of the open range, row by row
    for path in appended:
        grown[-1] += 1
        if grown[-1] == cut.largest or cut.ends(path):
            grown.append(0)
    assert [part.rows for part in new] == [rows for rows in grown if rows]


@FEW
@given(CONTENTS, CONTENTS)
def test_equal_trees_have_equal_ids_and_others_dont(one: dict[str, int], other: dict[str, int]) -> None:
    assert (tree(one).id == tree(other).id) == (one == other)


@FEW
@given(CONTENTS, CONTENTS)
def test_a_diff_is_what_differs_and_leads_from_one_to_the_other(one: dict[str, int], other: dict[str, int]) -> None:
    before, after = tree(one), tree(other)
    changes = list(TREES.diff(before, after))
    assert [change.path for change in changes] == sorted(
        path for path in one.keys() | other.keys() if one.get(path) != other.get(path)
    )
    assert list(TREES.diff(before, after, checked=True)) == changes
    assert TREES.apply(before, [(change.path, change.after) for change in changes]) == after
    assert TREES.apply(after, [(change.path, change.before) for change in changes]) == before


@FEW
@given(CONTENTS, EDITS, EDITS)
def test_a_merge_of_disjoint_changes_is_commutative(
    start: dict[str, int], mine: dict[str, int | None], other: dict[str, int | None]
) -> None:
    other = {path: value for path, value in other.items() if path not in mine}
    base, ours, theirs = tree(start), tree(edited(start, mine)), tree(edited(start, other))
    assert merge(base, ours, theirs) == merge(base, theirs, ours) == (tree(edited(start, {**mine, **other})), [])


@FEW
@given(CONTENTS, CONTENTS, CONTENTS)
def test_a_merge_never_drops_a_path_silently(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    root, conflicts = merge(tree(base), tree(ours), tree(theirs))
    found = content(root)
    for path in base.keys() | ours.keys() | theirs.keys():
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine != was and other != was and mine != other:
            assert path in conflicts
            assert found.get(path) == mine
        else:
            assert path not in conflicts
            assert found.get(path) == (mine if other == was else other)


@FEW
@given(CONTENTS, CONTENTS)
def test_a_merge_with_oneself_or_with_an_ancestor_changes_nothing(base: dict[str, int], ours: dict[str, int]) -> None:
    assert merge(tree(base), tree(ours), tree(ours)) == (tree(ours), [])
    assert merge(tree(base), tree(ours), tree(base)) == (tree(ours), [])


@FEW
@given(CONTENTS, CONTENTS)
def test_a_revert_restores_the_parents_tree(parent: dict[str, int], child: dict[str, int]) -> None:
    assert merge(tree(child), tree(child), tree(parent)) == (tree(parent), [])


@FEW
@given(CONTENTS, CONTENTS, CONTENTS, CONTENTS)
def test_bases_that_disagree_make_a_conflict_and_not_a_guess(
    one: dict[str, int], two: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    outcome = merged(TREES, [tree(one), tree(two)], tree(ours), tree(theirs))
    root = content(TREES.apply(tree(ours), outcome.edits))
    for path in ours.keys() | theirs.keys():
        if ours.get(path) == theirs.get(path):
            assert root.get(path) == ours.get(path)
            continue
        verdicts = [theirs.get(path) if ours.get(path) == base.get(path) else ours.get(path) for base in (one, two)]
        both = any(base.get(path) not in (ours.get(path), theirs.get(path)) for base in (one, two))
        assert (path in outcome.conflicts) == (both or verdicts[0] != verdicts[1]), path


def test_the_same_bytes_under_two_pins_are_no_conflict_in_either_direction() -> None:
    ours, theirs = entry("a", 1), entry("a", 1)._replace(version_id="another")
    one, other = TREES.apply(EMPTY, [("a", ours)]), TREES.apply(EMPTY, [("a", theirs)])
    assert merge(EMPTY, one, other) == merge(EMPTY, other, one)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@FEW
@given(st.dictionaries(TEXTS, st.tuples(TEXTS, TEXTS, st.integers(0, 2**62)), min_size=1, max_size=20))
@example({"nul\0": ("a/", "v", 0), "..": ("b/", "v", 1), "%2e": ("c/", "v", 2), "#": ("d/", "v", 3)})
def test_every_text_survives_parquet(values: dict[str, tuple[str, str, int]]) -> None:
    rows = [
        Entry(path, origin, version, size, "sum", "SHA256") for path, (origin, version, size) in sorted(values.items())
    ]
    assert Codec().decode(Codec().encode(rows)) == rows


def test_a_range_id_is_as_the_reference_says() -> None:
    """The bytes of docs/reference/versions.md, written down by hand."""
    import hashlib

    rows = [Entry("a", "b/", "v1", 3, "c2hh", "SHA256"), Entry("é", "b/", "v22", 500, "x", "SHA256")]
    expected = (
        b"\1\0\0\0\2\0\0\0a\xc3\xa9" + b"\2\0\0\0\2\0\0\0b/b/" + b"\2\0\0\0\3\0\0\0v1v22"
        + b"\3\0\0\0\0\0\0\0\xf4\1\0\0\0\0\0\0" + b"\4\0\0\0\1\0\0\0c2hhx" + b"\6\0\0\0\6\0\0\0SHA256SHA256"
    )  # fmt: skip
    assert describe(rows).id == hashlib.sha256(expected).hexdigest()
    assert EMPTY.document == b'{"format":1,"ranges":[]}'


def many(numbers: Iterable[int]) -> list[Edit]:
    return [(f"{number:07}.bin", entry(f"{number:07}.bin")) for number in numbers]


def test_a_small_change_rewrites_few_ranges_and_a_diff_reads_few() -> None:
    memory = Memory()
    trees = Trees(memory)
    before = trees.apply(EMPTY, many(range(100_000)))
    assert 3 <= len(before.ranges) <= 12
    written = memory.writes
    after = trees.apply(before, many(range(100_000, 101_000)))
    assert memory.writes - written <= 3  # the last range, maybe cut, and the root
    memory.reads = 0
    assert len(list(Trees(memory).diff(before, after))) == 1000
    assert memory.reads <= 3
    assert trees.find(after, "0050000.bin") == entry("0050000.bin")
    assert trees.find(after, "0050000.bi") is None


def test_a_stored_object_that_was_tampered_with_is_noticed() -> None:
    memory = Memory()
    root = Trees(memory).apply(EMPTY, many(range(3)))
    memory.held[range_key(root.ranges[0].id)] = Codec().encode([entry("other")])
    with pytest.raises(Corrupt, match="not what its name says"):
        list(Trees(memory).entries(root))
    memory.held.clear()
    with pytest.raises(Corrupt, match="gone"):
        Trees(memory).root(root.id)
