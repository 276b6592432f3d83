"""The synonyms of WordNet 3.0, as METEOR wants them (Miller 1995, https://wordnet.princeton.edu/).

The table beside this file is made by `tools/build_wordnet_table.py`, which describes it; its licence is
`LICENSE.WordNet`. Morphology is WordNet's own ("morphy"): irregular forms are listed, regular ones lose an
ending, and a form counts when the table knows it. The endings are those of NLTK's reader, because NLTK's METEOR is the
definition of ours.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple

__all__ = ["ENDINGS", "PartOfSpeech", "WordNet", "load"]

ENDINGS: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    # nouns
    (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    # verbs
    (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    # adjectives
    (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    # adverbs
    (),
)
"""What each part of speech may lose at its end, and what it gets instead."""


class PartOfSpeech(NamedTuple):
    """What the table knows of one part of speech."""

    synsets: Mapping[str, str]
    """Lemma in lower case to the words of all its synsets, parted by spaces and spelt as WordNet spells them.

    One string, not lists: 40,000 lists double the time to load.
    """
    exceptions: Mapping[str, str]
    """Irregular form to its base forms, parted by spaces."""
    endings: Sequence[tuple[str, str]]

    def forms(self, word: str) -> Iterator[str]:
        """Yield the word and every base form it may have; a listed exception replaces the rules."""
        yield word
        listed = self.exceptions.get(word)
        if listed is not None:
            yield from listed.split()
            return
        for ending, replacement in self.endings:
            if word.endswith(ending):
                yield word[: -len(ending)] + replacement


class WordNet(NamedTuple):
    """Synonyms by word, over nouns, verbs, adjectives (satellites among them) and adverbs."""

    parts: Sequence[PartOfSpeech]

    def synonyms(self, word: str) -> frozenset[str]:
        """Return every word that shares a synset with a base form of ``word`` (lower case).

        Words of several parts joined by ``_`` are no answers but may be asked about: "ice_cream" gives
        "icecream". The answer need not hold ``word`` itself.
        """
        found: set[str] = set()
        for part in self.parts:
            for form in part.forms(word):
                if words := part.synsets.get(form):
                    found.update(words.split())
        return frozenset(synonym for synonym in found if "_" not in synonym)


@lru_cache(maxsize=1)
def load() -> WordNet:
    """Read the table, once: 0.1 s and 18 MB."""
    packed = resources.files(__name__).joinpath("synonyms.txt.xz").read_bytes()
    sections = lzma.decompress(packed).decode().split("\n\n")
    groups, exceptions = sections[: len(ENDINGS)], sections[len(ENDINGS) :]
    return WordNet(
        [
            PartOfSpeech(_index(synsets), _exceptions(forms), endings)
            for synsets, forms, endings in zip(groups, exceptions, ENDINGS, strict=True)
        ]
    )


def _index(section: str) -> dict[str, str]:
    index: dict[str, str] = {}
    for line in section.split("\n"):
        for lemma in line.lower().split(" "):
            known = index.get(lemma)
            index[lemma] = line if known is None else f"{known} {line}"
    return index


def _exceptions(section: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in section.split("\n"))
