"""What a model wrote reaches its judge with nothing hidden in it, and cannot end the quotation that it stands in."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.kinds.prompt_fence import fenced, one_line, visible
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
        ("a" + "\u200b" * 5_000 + "b\u200b\u200b", "a⟦U+200B×5000⟧b⟦U+200B×2⟧"),
        ("\u200b\u200c\u200b\r\r", "⟦U+200B⟧⟦U+200C⟧⟦U+200B⟧⟦U+000D×2⟧"),
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


def test_texts_stand_under_their_labels_between_fences() -> None:
    question, given_answer = fenced({"Question": "2+2?", "Answer": "=====\n4"})
    fence = question.split("\n")[1]
    assert re.fullmatch("===== [0-9a-f]{16} =====", fence)
    assert question == f"Question:\n{fence}\n2+2?\n{fence}"
    assert given_answer == f"Answer:\n{fence}\n=====\n4\n{fence}"


def test_equal_texts_have_equal_fences_and_others_have_others() -> None:
    shown = [{"A": "a"}, {"A": "b"}, {"B": "a"}, {"A": "a", "B": "a"}, {"A": '", "B": "'}, {"A": "", "B": ""}]
    fences = [fenced(texts)[0].split("\n")[1] for texts in shown]
    assert len(set(fences)) == len(shown)
    assert fences == [fenced(texts)[0].split("\n")[1] for texts in shown]


@given(st.lists(st.text(st.sampled_from("=\n a")) | any_str(), min_size=1, max_size=3))
def test_a_fence_stands_nowhere_inside(found: list[str]) -> None:
    texts = {f"Text {number}": visible(text) for number, text in enumerate(found)}
    shown = fenced(texts)
    for text, block in zip(texts.values(), shown, strict=True):
        lines = block.split("\n")
        assert lines[1] == lines[-1] == shown[0].split("\n")[1]
        assert "\n".join(lines[2:-1]) == text
        assert lines[1] not in text


def test_a_text_that_holds_the_digest_of_the_texts_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    class Weak:
        """A digest that everybody knows."""

        def __init__(self, data: bytes, *, digest_size: int, salt: bytes) -> None:
            self._digest = f"{salt[-1]:016x}"

        def hexdigest(self) -> str:
            return self._digest

    monkeypatch.setattr("graders.kinds.prompt_fence.hashlib.blake2b", Weak)
    guessed = "\n".join(f"===== {number:016x} =====" for number in range(3))
    (block,) = fenced({"Answer": guessed})
    assert block.split("\n")[1] == f"===== {3:016x} ====="


@given(st.text(st.sampled_from(SPECIAL + "\u200b" * 20), max_size=200) | any_str())
def test_what_is_shown_is_not_much_longer_than_the_text(text: str) -> None:
    (block,) = fenced({"Answer": visible(text)})
    assert len(block) <= 13 * len(text) + 100


@pytest.mark.parametrize("hidden", ["\u200b", "\x00", "\U000e0041", "\ud800", "\ufe0f", "\r"])
def test_a_run_of_one_hidden_character_is_short(hidden: str) -> None:
    assert len(visible("a" + hidden * 100_000 + "b")) < 30


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" a\n\tb ", "a b"),
        (
            "\x1b[2J\x1b]0;title\x07 bad\nFAKE level=info",
            "⟦U+001B⟧[2J⟦U+001B⟧]0;title⟦U+0007⟧ bad FAKE level=info",
        ),
        ("\ud800\u202e", "⟦U+D800⟧⟦U+202E⟧"),
        ("👩\u200d🔬 \u0378", "👩⟦U+200D⟧🔬 ⟦U+0378⟧"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 99 + "…"),
        ("\u200b\u200c" * 1_000, ("⟦U+200B⟧⟦U+200C⟧" * 100)[:99] + "…"),
    ],
)
def test_a_line_is_printable(text: str, line: str) -> None:
    assert one_line(text, 100, only_printable=True) == line
    assert line.isprintable()


def test_a_line_keeps_the_joiners_of_words() -> None:
    assert one_line("می\u200cخواهم\n👩\u200d🔬", 100) == "می\u200cخواهم 👩\u200d🔬"
