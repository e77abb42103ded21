"""What moto gives each new backend is referred to: what was added to it and taken away comes back."""

from __future__ import annotations

from hypothesis import given as cases
from hypothesis import strategies as st
from localcloud.persistence.given import Given

KEYS = st.sampled_from("abcdef")
ITEMS = st.dictionaries(KEYS, st.integers(0, 3))


@cases(ITEMS, st.lists(st.tuples(st.sampled_from(["set", "take"]), KEYS, st.integers(0, 3))))
def test_the_changes_of_one_make_another_equal_to_it(items: dict[str, int], steps: list[tuple[str, str, int]]) -> None:
    changed = Given(items)
    for step, key, value in steps:
        if step == "set":
            changed[key] = value
        else:
            changed.pop(key, None)
    gone, added = changed.changes()
    assert not set(added) & set(gone)
    again = Given(items)
    again.apply(gone, added)
    assert again == changed
    # And once more: a state that was loaded is written again.
    assert again.changes() == (gone, added)


def test_what_is_as_it_was_given_has_no_changes() -> None:
    assert Given({"a": 1}).changes() == ([], {})
