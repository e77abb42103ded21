"""A search over declared views: words in names, descriptions, owners, entities and sources, the best match first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from headwater.features.definitions import Definition
from headwater.values import Value

_WORDS = re.compile(r"[^\W_]+")
_NAME, _ENTITY, _SOURCE, _OWNER, _SAID = 8, 4, 3, 3, 2
"""How much a word counts by where it stands; half of it if only its beginning matches."""


class Hit(Value):
    """A view, or a feature of one, that was found."""

    name: str
    """``view`` or ``view.feature``."""
    description: str
    owner: str
    matched: tuple[str, ...]
    """The words of the question that match."""
    score: float


class Found(Value):
    """Results of a search."""

    hits: tuple[Hit, ...]
    """By how many of the words match, then by where they stand."""
    suggestions: tuple[str, ...]
    """Words that are near those of the question that match nothing."""


def search(definitions: Sequence[Definition], question: str) -> Found:
    """Find views and features by words.

    Parameters
    ----------
    definitions : sequence of Definition
    question : str
        Words; case, punctuation and underscores don't count. The beginning of a word matches too, if it has three
        letters.

    Returns
    -------
    Found
        A feature is found by its own name and description; also together with words of its view, such as its entity.
    """
    asked = list(dict.fromkeys(_words(question)))
    hits, vocabulary = [], set()
    for definition in definitions:
        for name, description, places in _entries(definition):
            vocabulary |= {word for words, _ in places for word in words}
            hit = _match(name, description, definition.view.owner, places, asked)
            if hit is not None:
                hits.append(hit)
    matched = {word for hit in hits for word in hit.matched}
    suggestions = [near for word in asked if word not in matched for near in get_close_matches(word, vocabulary, n=2)]
    hits.sort(key=lambda hit: (-len(hit.matched), -hit.score, hit.name))
    return Found(hits=tuple(hits), suggestions=tuple(dict.fromkeys(suggestions)))


_Places = list[tuple[frozenset[str], int]]


def _entries(definition: Definition) -> Iterator[tuple[str, str, _Places]]:
    view = definition.view
    shared = [
        (_set(*view.entity), _ENTITY),
        (_set(*view.sources, *(source.description for source in definition.sources)), _SOURCE),
        (_set(view.owner), _OWNER),
    ]
    yield view.name, view.description, [(_set(view.name), _NAME), (_set(view.description), _SAID), *shared]
    for feature in view.features:
        own = [(_set(feature.name), _NAME), (_set(feature.description), _SAID)]
        # Words of the view alone find the view; beside a word of its own they tell one feature from another.
        yield f"{view.name}.{feature.name}", feature.description, [*own, (_set(view.name), 1), *shared]


def _match(name: str, description: str, owner: str, places: _Places, asked: Sequence[str]) -> Hit | None:
    scores = {word: max(_score(word, words, weight) for words, weight in places) for word in asked}
    matched = tuple(word for word in asked if scores[word])
    own = any(_score(word, words, weight) for word in matched for words, weight in places[:2])
    if not matched or ("." in name and not own):
        return None
    return Hit(name=name, description=description, owner=owner, matched=matched, score=sum(scores.values()))


def _score(asked: str, words: frozenset[str], weight: int) -> float:
    if asked in words:
        return weight
    return weight / 2 if len(asked) >= 3 and any(word.startswith(asked) for word in words) else 0


def _set(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in _words(text))


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(text)]
