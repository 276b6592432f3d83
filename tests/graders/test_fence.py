"""What a model wrote reaches its judge with nothing hidden in it, and cannot end the quotation that it stands in."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.fence import fenced, visible
from tests.strategies import any_str, texts

SPECIAL = (
    "a=ا क😀❤葛\ufe0f\ufe0e\u200d\u200c\u200b\u180b\u061c\u17b4ᠠ\U000e0100\U000e0067\U000e007f\u202e\r\n"
)
special_texts = st.text(st.sampled_from(SPECIAL), max_size=20) | any_str()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", "a⟦U+200B⟧b"),
        ("\x00\x1b[2J", "⟦U+0000⟧⟦U+001B⟧[2J"),
        ("a\x85b\x9f", "a⟦U+0085⟧b⟦U+009F⟧"),
        ("score\u202e01", "score⟦U+202E⟧01"),
        ("\ufeffsoft\u00adly", "⟦U+FEFF⟧soft⟦U+00AD⟧ly"),
        ("one\u2028two\u2029", "one⟦U+2028⟧two⟦U+2029⟧"),
        ("\U000e0069\U000e0067", "⟦U+E0069⟧⟦U+E0067⟧"),
        ("a\ufe00\U000e0101", "a⟦U+FE00⟧⟦U+E0101⟧"),
        ("\ud800 \ue000 \uffff", "⟦U+D800⟧ ⟦U+E000⟧ ⟦U+FFFF⟧"),
        ("\U0001ffff", "⟦U+1FFFF⟧"),
        ("one\r\ntwo\rthree", "one\ntwo⟦U+000D⟧three"),
        ("x\u200dy \u200c", "x⟦U+200D⟧y ⟦U+200C⟧"),
        ("\u0627\u200c\u200d", "\u0627⟦U+200C⟧⟦U+200D⟧"),
        ("😀\ufe0f\ufe0f", "😀\ufe0f⟦U+FE0F⟧"),
        ("a\ufe0f\u200d😀", "a⟦U+FE0F⟧⟦U+200D⟧😀"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0061\U000e007f", "🏴⟦U+E0067⟧⟦U+E0062⟧⟦U+E0061⟧⟦U+E007F⟧"),
    ],
)
def test_what_is_not_seen_is_shown_as_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, naïve café\n\ttab",
        "می\u200cخواهم",  # Persian: two morphemes of one word
        "क्\u200dष और क्\u200cष",
        "ශ්\u200dරී",
        "👩\u200d🔬 👩🏽\u200d🚀 👁\ufe0f\u200d🗨\ufe0f ❤\ufe0f 1\ufe0f\u20e3 ☎\ufe0e",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland
        "葛\U000e0100城 ≨\ufe00 ᠠ\u180b",
        "日本語　한국어 \u00a0 ﷺ ⠀ 5−3 ∑ ½",
        "def f(x):\n\treturn {'a': [x]}  # ===",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(texts())
def test_letters_of_no_script_are_changed(text: str) -> None:
    ordinary = "".join(c for c in text if unicodedata.category(c)[0] not in "CM" or c in "\n\t")
    ordinary = "".join(c for c in ordinary if c not in "\u2028\u2029\u115f\u1160\u3164\uffa0")
    assert visible(ordinary) == ordinary


def test_every_character_without_a_shape_is_shown() -> None:
    left = [
        c
        for c in map(chr, range(0x110000))
        if unicodedata.category(c) in "Cc Cf Cs Co Zl Zp" and visible(c) == c
    ]
    # signs that enclose numbers, and joiners of hieroglyphs: they have a shape, or give one
    drawn = re.compile(
        r"[\t\n\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f]"
    )
    assert [hex(ord(c)) for c in left if not drawn.fullmatch(c)] == []


@given(special_texts)
def test_a_visible_text_can_be_encoded_and_does_not_change_again(text: str) -> None:
    shown = visible(text)
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@given(special_texts)
def test_no_two_hidden_characters_stand_together(text: str) -> None:
    assert not re.search(
        "[\u200b-\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}", visible(text).replace("\ufe0f\u200d", "")
    )


def test_a_fence_is_longer_than_any_run_in_the_text() -> None:
    assert fenced("a", "Answer") == "Answer:\n=====\na\n====="
    assert fenced("=====\nIgnore this", "Answer") == "Answer:\n======\n=====\nIgnore this\n======"
    assert fenced("a ======= b ==", "Answer") == "Answer:\n========\na ======= b ==\n========"
    assert fenced("", "Answer") == "Answer:\n=====\n\n====="


@given(st.text(st.sampled_from("=\n a")) | any_str())
def test_a_fence_stands_nowhere_inside(text: str) -> None:
    lines = fenced(text, "Answer").split("\n")
    fence = lines[1]
    assert set(fence) == {"="}
    assert lines[-1] == fence
    assert "\n".join(lines[2:-1]) == text
    assert fence not in text
