"""A product is what its module has names for; its own code is named from where it is declared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.declare import (
    Catalog,
    InvalidProduct,
    RequestInput,
    Window,
    category,
    count,
    distinct,
    last,
    load_catalog,
    maximum,
    mean,
    minimum,
    number,
    resolve,
    timestamp,
    total,
)

SHOP = """
from headwater.declare import *

SALES = Source(name="sales", contract=".contracts:ROWS")
"""
VIEW = """
def view(name):
    return FeatureView(name=name, entity=("till",), sources=("sales",), sql="", features=(Feature(name="a"),), ttl="1h")
"""

Load = Callable[..., Catalog]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Writes products, a ``product.py`` each, and loads them together."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(**products: str) -> Catalog:
        for name, text in products.items():
            folder = tmp_path / "declared" / name
            folder.mkdir(parents=True)
            (folder / "product.py").write_text(text)
            (folder / "contracts.py").write_text("ROWS = 7\n")
            (folder / "__init__.py").touch()
        (tmp_path / "declared" / "__init__.py").touch()
        return load_catalog("declared")

    yield run
    for name in [name for name in sys.modules if name.partition(".")[0] == "declared"]:
        del sys.modules[name]


def refusal(load: Load, **products: str) -> str:
    with pytest.raises(InvalidProduct) as raised:
        load(**products)
    return raised.value.message


def test_all_that_a_module_names_is_declared_also_in_lists_and_dictionaries(load: Load) -> None:
    views = 'B = [view("b"), (view("c"),)]\nD = {"d": view("d")}\nA = view("a")\nAGAIN = A\n'
    assert list(load(shop=SHOP + VIEW + views).views) == ["b", "c", "d", "a"]


def test_a_name_with_an_underscore_declares_nothing(load: Load) -> None:
    copies = '_DRAFT = view("draft")\nA = _DRAFT.model_copy(update={"name": "a"})\n'
    assert list(load(shop=SHOP + VIEW + copies).views) == ["a"]


def test_what_is_imported_from_another_product_is_declared_once(load: Load) -> None:
    till = "from declared.shop.product import SALES, view\nA = view('a')\nB = view('b')\n"
    catalog = load(shop=SHOP + VIEW, till=till)
    assert (list(catalog.sources), list(catalog.views)) == (["sales"], ["a", "b"])


def test_two_declarations_of_one_name_are_told_with_both_lines(load: Load) -> None:
    message = refusal(load, shop=SHOP, till=SHOP)
    assert message == (
        "declared/till/product.py:4: the sources: 'sales' declared more than once, first at declared/shop/product.py:4"
    )


@pytest.mark.parametrize("text", ["", "_A = 1", "PRODUCT = 1"])
def test_a_module_that_declares_nothing_is_refused(load: Load, text: str) -> None:
    assert refusal(load, shop=text) == (
        "declared.shop.product: declares nothing: give a Source, FeatureView, Model or Collector a name in the module"
    )


def test_a_reference_is_relative_to_where_it_is_declared_and_kept_whole(load: Load) -> None:
    source = load(shop=SHOP).source("sales")
    assert source.model_dump()["contract"] == "declared.shop.contracts:ROWS"
    assert resolve(source.contract) == 7
    assert type(source).model_validate_json(source.model_dump_json()) == source


def test_two_dots_lead_to_the_folder_beside(load: Load) -> None:
    till = 'from headwater.declare import Source\nTILLS = Source(name="tills", contract="..shop.contracts:ROWS")\n'
    assert load(shop=SHOP, till=till).source("tills").contract == "declared.shop.contracts:ROWS"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (".contract:ROWS", "'.contract:ROWS' leads to declared.shop.contract, and there is no such module: correct"),
        (".contracts.x:ROWS", "'.contracts.x:ROWS' leads to declared.shop.contracts.x, and there is no such module"),
        ("....x:ROWS", "'....x:ROWS' leads out of declared: one dot is declared.shop, each further one its parent"),
        (".contracts", "'.contracts' is no reference: write '.module:name', or 'package.module:name' of another"),
        (".contracts:", "'.contracts:' is no reference"),
        ("contracts.py", "'contracts.py' is no reference"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_its_line(load: Load, given: str, words: str) -> None:
    message = refusal(load, shop=SHOP.replace(".contracts:ROWS", given))
    assert message.startswith(f"declared/shop/product.py:4: Source.contract: {words}")


def test_a_relative_reference_outside_of_a_package_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match=r"'\.contracts:ROWS' is relative, but it is declared in no package"):
        exec(SHOP, {"__name__": "__main__"})  # noqa: S102 - as a notebook does


def test_a_model_takes_all_features_of_a_view_or_some(load: Load) -> None:
    features = '(Feature(name="a"), Feature(name="b"), Feature(name="c"))'
    view = load(shop=SHOP + VIEW.replace('(Feature(name="a"),)', features) + 'V = view("v")\n').view("v")
    assert view.all() == ("v.a", "v.b", "v.c")
    assert view.select("c", "a") == ("v.c", "v.a")
    with pytest.raises(InvalidProduct, match=r"feature view 'v' has no feature 'd', 'e'\. Declared: a, b, c"):
        view.select("a", "d", "e")


def test_windows_and_inputs_have_a_word_each() -> None:
    assert count(over="1h") == Window(function="count", over="1h")
    assert count("a", over="1h") == Window(function="count", of="a", over="1h")
    words = {"distinct": distinct, "mean": mean, "sum": total, "min": minimum, "max": maximum, "last": last}
    for function, word in words.items():
        assert word("a", over="1h") == Window.model_validate({"function": function, "of": "a", "over": "1h"})
    assert number("a", "b", minimum=0, maximum=1, required=False) == RequestInput(
        name="a", kind="number", description="b", minimum=0, maximum=1, required=False
    )
    assert category("a", "b", required=False) == RequestInput(
        name="a", kind="category", description="b", required=False
    )
    assert timestamp("a", "b", timezone="Europe/Vienna") == RequestInput(
        name="a", kind="timestamp", description="b", timezone="Europe/Vienna"
    )
