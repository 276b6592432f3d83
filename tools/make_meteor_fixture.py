"""Write `tests/metrics/meteor_nltk_values.json`: NLTK's METEOR for 303 pairs of texts.

    tools/fetch_wordnet.sh
    .venv/bin/python tools/make_meteor_fixture.py

With it METEOR is held to NLTK's numbers where the WordNet database is not at hand. Half of the pairs are drawn from
the vocabulary of the tests, half from words of WordNet with synonyms, irregular forms and inflections of them, so
that all three passes of the alignment decide numbers. The seed is fixed; NLTK's version is written down.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.metrics.oracles import nltk_meteor, nltk_wordnet
from tests.strategies import WORDS

OUTPUT = Path(__file__).parents[1] / "tests" / "metrics" / "meteor_nltk_values.json"
PAIRS = 300

EDGES = [
    ("", ""),
    ("", "cat"),
    ("cat", ""),
    (" \t\n", "cat"),
    ("cat", "cat"),
    ("The CAT", "the cat"),
    ("oxen", "ox"),
    ("ox", "oxen"),
    ("ice_cream", "icecream"),
    ("icecream", "ice_cream"),
    ("a*ding", "ad"),
    ("yyyying", "yyyy"),
    ("кошка 猫 😀", "猫 кошка 😀"),
    ("İstanbul ΣΑΣ", "i̇stanbul σας"),
    ("on the mat sat the cat", "the cat sat on the mat"),
]
UNUSUAL = [
    ("the \ud800 cat\udfff", "cat\udfff \ud800"),
    ("a\0b cats", "cat a\0b"),
    ("cat\u3000ox\x85men\u2028man", "men cat\x1cox"),
]
"""Characters that no encoding or no dictionary has, and white space that is not ASCII's."""


def families(reader: Any, chance: random.Random) -> list[list[str]]:
    """Return lists of related words: a lemma, its inflections, its synonyms and theirs."""
    lemmas = sorted(
        word for word in reader.all_lemma_names() if word.isalpha() and len(reader.synsets(word)) > 2
    )
    found = []
    for lemma in chance.sample(lemmas, 150):
        synonyms = sorted({name for synset in reader.synsets(lemma) for name in synset.lemma_names()})
        found.append(
            [lemma, lemma.title(), *(lemma + end for end in ("s", "ed", "ing", "er", "ly")), *synonyms]
        )
    irregular = [
        line.split()
        for part in ("noun", "verb", "adj")
        for line in reader.open(f"{part}.exc").read().splitlines()
    ]
    return found + chance.sample(irregular, 50)


def main() -> None:
    """Write the fixture."""
    chance = random.Random(2007)  # noqa: S311 -- reproducible text, no secret
    reader = nltk_wordnet()
    score = nltk_meteor(reader)
    related = families(reader, chance)
    pairs = list(EDGES)
    while len(pairs) < PAIRS:
        if len(pairs) % 2:
            words = chance.sample(WORDS, chance.choice([4, 10, 40]))
        else:
            words = [word for family in chance.sample(related, chance.choice([1, 3])) for word in family] + [
                "the"
            ]
        sizes = chance.randrange(1, 18), chance.randrange(1, 18)
        candidate, reference = (" ".join(chance.choices(words, k=size)) for size in sizes)
        pairs.append((candidate, reference))
    pairs += UNUSUAL
    rows = [(candidate, reference, score(candidate, reference)) for candidate, reference in pairs]
    head = {
        "made_by": "tools/make_meteor_fixture.py",
        "nltk": version("nltk"),
        "wordnet": reader.get_version(),
    }
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii="\ud800" in row[0]) for row in rows)
    OUTPUT.write_text(json.dumps(head)[:-1] + ', "rows": [\n' + lines + "\n]}\n", encoding="utf-8")
    print(f"{OUTPUT}: {len(rows)} pairs, {sum(row[2] > 0 for row in rows)} above 0")


if __name__ == "__main__":
    main()
