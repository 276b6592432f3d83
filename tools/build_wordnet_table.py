"""Build the synonym table of the METEOR metric from the WordNet 3.0 database.

    tools/fetch_wordnet.sh
    .venv/bin/python tools/build_wordnet_table.py .cache/wordnet/corpora/wordnet

METEOR asks WordNet one question: which words may stand for this one? So the table keeps neither glosses nor
pointers nor sense order, only the words of each synset per part of speech and the irregular forms. What cannot
change an answer is left out:

* a synset without a word that could be an answer (all capitalised, or several words joined by ``_``: NLTK
  compares lower-case tokens and skips names with an underscore);
* a synset whose words are all in another synset of the same part of speech;
* an adverb alone in its synset, unless it is the base of an irregular form: nothing else leads from another word to
  it, for adverbs have no endings. (A noun alone stays: "oxen" leads to "ox", and any noun may get an "s".);
* an irregular form without a base in the table, unless a regular ending would find one there.

The file is UTF-8 text under xz, eight sections parted by an empty line: the synsets of nouns, verbs, adjectives
and adverbs, one a line, then the exceptions of the same four (``form base base...``). The output is the same
byte for byte on every run.
"""

from __future__ import annotations

import lzma
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from graders.kinds.metrics.wordnet import ENDINGS

PARTS = ("noun", "verb", "adj", "adv")
TABLE = Path(__file__).parents[1] / "graders" / "kinds" / "metrics" / "wordnet" / "synonyms.txt.xz"


def synsets(data: Path) -> list[frozenset[str]]:
    """Return the words of every synset in a ``data.*`` file, as spelt there (see wndb(5WN))."""
    found = []
    for line in data.read_text("utf-8").splitlines():
        if line.startswith(" "):  # the licence at the top of each file
            continue
        fields = line.split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        # "galore(ip)": where an adjective stands in the sentence; not part of the word
        found.append(frozenset(re.sub(r"\([^()]*\)$", "", word) for word in words))
    return found


def lemmas(index: Path) -> set[str]:
    """Return the lemmas an ``index.*`` file lists."""
    return {line.split()[0] for line in index.read_text("utf-8").splitlines() if not line.startswith(" ")}


def distinct(groups: list[frozenset[str]]) -> list[frozenset[str]]:
    """Drop the synsets without an answer and those another one holds."""
    kept: list[frozenset[str]] = []
    by_word: dict[str, list[frozenset[str]]] = {}
    for group in sorted(set(groups), key=lambda words: (-len(words), sorted(words))):
        if not any(word == word.lower() and "_" not in word for word in group):
            continue
        if any(group <= larger for larger in by_word.get(min(group), [])):
            continue
        kept.append(group)
        for word in group:
            by_word.setdefault(word, []).append(group)
    return kept


def exceptions(path: Path) -> dict[str, list[str]]:
    """Read an ``*.exc`` file; where a form has several lines the last one counts, as in NLTK."""
    return {form: bases for form, *bases in map(str.split, path.read_text("utf-8").splitlines())}


def part_of_speech(wordnet: Path, part: str, endings: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the two sections of one part of speech: synsets and exceptions."""
    every = synsets(wordnet / f"data.{part}")
    if {word.lower() for group in every for word in group} != lemmas(wordnet / f"index.{part}"):
        message = f"index.{part} and data.{part} disagree: not the database this tool knows"
        raise SystemExit(message)
    irregular = exceptions(wordnet / f"{part}.exc")
    bases = {base for listed in irregular.values() for base in listed}
    groups = [group for group in distinct(every) if endings or len(group) > 1 or group & bases]
    known = {word.lower() for group in groups for word in group}
    kept = [
        " ".join([form, *listed])
        for form, listed in sorted(irregular.items())
        if known.intersection(listed)
        or any(form.endswith(old) and form.removesuffix(old) + new in known for old, new in endings)
    ]
    return "\n".join(sorted(" ".join(sorted(group)) for group in groups)), "\n".join(kept)


def build(wordnet: Path) -> str:
    """Return the text of the table."""
    pairs = [part_of_speech(wordnet, part, endings) for part, endings in zip(PARTS, ENDINGS, strict=True)]
    return "\n\n".join([synsets for synsets, _ in pairs] + [listed for _, listed in pairs])


def main() -> None:
    """Write the table from the database directory named on the command line."""
    text = build(Path(sys.argv[1]))
    packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    TABLE.write_bytes(packed)
    print(f"{TABLE}: {len(text):,} characters, {len(packed):,} bytes")


if __name__ == "__main__":
    main()
