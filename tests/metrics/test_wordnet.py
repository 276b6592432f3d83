"""The synonym table answers as NLTK's reader of WordNet 3.0 does."""

from __future__ import annotations

import lzma
import runpy
from pathlib import Path

import pytest

from graders.kinds.metrics import wordnet
from tests.metrics.oracles import DATABASE, WHY_SKIPPED, nltk_wordnet

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "graders" / "kinds" / "metrics" / "wordnet" / "synonyms.txt.xz"
needs_database = pytest.mark.skipif(not DATABASE.is_dir(), reason=WHY_SKIPPED)


def synonyms(word: str) -> set[str]:
    """Return the synonyms METEOR can match: it compares lower-case words."""
    return {name for name in wordnet.load().synonyms(word) if name == name.lower()}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cars", {"car", "auto", "automobile", "motorcar", "machine", "railcar", "gondola"}),
        ("oxen", {"oxen", "ox", "cattle", "kine", "cows"}),  # by exception, to a word alone in its synset
        ("dangerously", {"dangerously", "hazardously", "perilously"}),
        ("ice_cream", {"icecream"}),  # no answer has an underscore
        ("icecream", {"icecream"}),
        (
            "biggest",
            {"big", "bountiful", "giving", "large", "swelled"},
        ),  # by ending, satellite adjectives too
        (
            "quickest",
            {"agile", "fast", "flying", "immediate", "nimble", "prompt", "quick", "spry", "warm", "ready"},
        ),
        ("metre", {"metre", "meter", "m", "time", "measure", "beat", "cadence"}),
        ("xyzzy", set()),
        ("", set()),
        ("кошка", set()),
    ],
)
def test_synonyms_go_over_base_forms_and_parts_of_speech(word: str, expected: set[str]) -> None:
    assert expected <= synonyms(word)
    assert expected or not synonyms(word)


def test_a_listed_exception_replaces_the_rules() -> None:
    part = wordnet.PartOfSpeech(
        synsets={"axe": "ax axe", "axis": "axis", "ax": "ax axe"},
        exceptions={"axes": "axis"},
        endings=[("es", "")],
    )
    assert list(part.forms("axes")) == ["axes", "axis"]
    assert list(part.forms("axees")) == ["axees", "axe"]
    assert wordnet.WordNet([part]).synonyms("axes") == {"axis"}


def test_adverbs_have_no_endings() -> None:
    assert "quickly" in synonyms("quick")
    assert "quickly" not in synonyms("quickest")


def test_the_table_is_small_and_is_read_once() -> None:
    assert TABLE.stat().st_size <= 400_000
    assert wordnet.load() is wordnet.load()


def test_the_licence_travels_with_the_table() -> None:
    text = (TABLE.parent / "LICENSE.WordNet").read_text("utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text


@needs_database
@pytest.mark.slow
def test_the_table_in_the_tree_is_what_the_tool_builds() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "build_wordnet_table.py"))
    assert lzma.decompress(TABLE.read_bytes()).decode() == tool["build"](DATABASE)


@needs_database
@pytest.mark.slow
def test_it_answers_as_nltk_for_lemmas_exceptions_and_inflections() -> None:
    reader = nltk_wordnet()
    forms = {form for part in wordnet.load().parts for form in part.exceptions}
    lemmas = sorted(reader.all_lemma_names())[::40]
    forms.update(
        lemmas, (lemma + ending for lemma in lemmas for ending in ("s", "es", "ed", "ing", "er", "est"))
    )
    forms.update(lemma[:-1] + ending for lemma in lemmas for ending in ("ies", "ves", "ed", "ing", "en"))
    assert len(forms) > 40_000
    wrong = {}
    for form in sorted(forms):
        names = {name for synset in reader.synsets(form) for name in synset.lemma_names()}
        expected = {name for name in names if "_" not in name and name == name.lower()}
        # METEOR asks for synonyms of words without an equal: whether a word is its own synonym is not asked
        if synonyms(form) - {form} != expected - {form}:
            wrong[form] = synonyms(form) ^ expected
    assert wrong == {}
