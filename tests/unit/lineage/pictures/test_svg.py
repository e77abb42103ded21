"""The SVG: well-formed whatever names say, without references, and readable without colours or sight."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures.colours import KINDS, OTHERS, Colour, colour_of
from headwater.lineage.pictures.layout import lay_out
from headwater.lineage.pictures.svg import svg
from tests.unit.lineage.pictures.graphs import HOSTILE, PREDICTION, demo, edge, graphs

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text", "g"}


def parsed(text: str) -> ElementTree.Element:
    # UTF-8, as a file or an answer over HTTP is: a half of a surrogate pair would fail here.
    return ElementTree.fromstring(text.encode("utf-8"))  # noqa: S314 - made here


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@given(graphs())
def test_any_graph_is_well_formed_and_has_only_the_elements_of_a_picture(
    graph: tuple[Sequence[Node], Sequence[Edge]],
) -> None:
    start = graph[0][0] if graph[0] else None
    root = parsed(svg(lay_out(*graph), start=start))
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= ELEMENTS
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on") or "href" in name]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_wherever_it_stands(name: str) -> None:
    node, other = Node("data", name, name), Node(name, "x", "1")
    text = svg(lay_out([], [edge(node, Role.READ, other)]), start=node, title=name, notes={node.id: {name: name}})
    root = parsed(text)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= ELEMENTS
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_nothing_outside_the_file_is_referred_to() -> None:
    text = svg(lay_out([], demo()), start=PREDICTION)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {f"#{parsed(text).get('id')}-arrow"}
    assert "@import" not in text


def test_a_reader_who_sees_nothing_is_told_what_the_picture_shows() -> None:
    root = parsed(svg(lay_out([], demo()), start=PREDICTION))
    title, description = root[0], root[1]
    assert root.get("role") == "img"
    assert (root.get("aria-labelledby") or "").split() == [title.get("id"), description.get("id")]
    assert title.text == f"Lineage of {PREDICTION.id}"
    assert description.text is not None
    assert "4 data" in description.text
    assert "2 trained on" in description.text
    assert PREDICTION.id in description.text


def test_each_box_has_its_kind_a_short_name_and_the_whole_id() -> None:
    layout = lay_out([], demo())
    groups = [each for each in parsed(svg(layout)).iter(f"{SVG}g") if each.get("transform") is None]
    assert [group[0].text for group in groups] == [box.id for box in layout.boxes]
    assert [group.find(f"{SVG}text").text for group in groups] == [box.kind for box in layout.boxes]  # type: ignore[union-attr]
    shown = [[text.text or "" for text in group.iter(f"{SVG}text")] for group in groups]
    assert max(len(text) for texts in shown for text in texts) <= 28
    assert ["file", "s3://de…/flights-2013-01.csv"] in [texts[::2] for texts in shown]


def test_the_start_is_emphasised_with_its_edges_and_an_unknown_start_is_not() -> None:
    layout = lay_out([], demo())
    assert svg(layout, start=PREDICTION).count(' start"') == 1
    assert svg(layout, start=PREDICTION).count('start-name"') == 1
    assert svg(layout, start=PREDICTION).count('class="edge near"') == 1
    for start in (None, Node("model", "other", "1")):
        assert ' start"' not in svg(layout, start=start)
        assert "edge near" not in svg(layout, start=start)


def test_notes_are_shown_with_the_node() -> None:
    text = svg(lay_out([PREDICTION], []), notes={PREDICTION.id: {"by": "ann@host", "at": "14:02"}})
    assert f"<title>{PREDICTION.id}\nat: 14:02\nby: ann@host</title>" in text


def test_a_graph_without_a_node_says_so() -> None:
    root = parsed(svg(lay_out([], [])))
    assert root[1].text == "The graph has no node."


@pytest.mark.parametrize("colour", [*KINDS.values(), *OTHERS], ids=lambda colour: colour.light)
def test_colours_can_be_read_on_light_and_on_dark(colour: Colour) -> None:
    assert contrast(colour.light, "#ffffff") >= 4.5
    assert contrast(colour.dark, "#161b22") >= 4.5


def test_each_kind_of_the_house_has_a_colour_of_its_own_and_another_kind_has_one_too() -> None:
    assert len({colour.light for colour in KINDS.values()}) == len(KINDS)
    assert colour_of("label") == colour_of("label")
    assert colour_of("label") in OTHERS


def test_pictures_in_one_page_keep_their_styles_apart() -> None:
    node = Node("model", "m", "1")
    one, other = (svg(lay_out([node], []), start=start) for start in (None, node))
    assert not set(re.findall(r'id="([^"]+)"', one)) & set(re.findall(r'id="([^"]+)"', other))
    style = re.search("<style>(.*)</style>", one, re.DOTALL)
    assert style is not None
    rules = re.findall(r"([^{}]+)\{", style[1])
    assert all(rule.strip().startswith(("#lineage-", "@media")) for rule in rules)
