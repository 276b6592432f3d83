"""Near duplicates are those whose runs of words are mostly the same, as counted one by one."""

import random
import re
from itertools import combinations

from runtime.data.near_duplicates import NearDuplicates

WORDS = [
    f"{one}{other}"
    for one in ("ba", "co", "di", "fu", "ge", "ho", "ka", "lu")
    for other in ("n", "r", "st", "m", "l", "x")
]


def similarity(one: str, other: str) -> float:
    """Jaccard's index of the runs of three words (1912)."""
    first, second = (
        set(zip(words, words[1:], words[2:], strict=False)) for words in (one.split(), other.split())
    )
    return len(first & second) / len(first | second)


def changed(text: str, count: int, draw: random.Random) -> str:
    words = text.split()
    for place in draw.sample(range(len(words)), count):
        words[place] = f"new{draw.randrange(10_000)}"
    return " ".join(words)


def test_pairs_are_those_that_are_similar() -> None:
    draw = random.Random(5)  # noqa: S311  # no secret
    texts: list[str] = []
    for _ in range(80):
        text = " ".join(draw.choices(WORDS, k=120))
        texts += [text, changed(text, draw.choice([1, 2, 30, 60]), draw)]
    near = NearDuplicates()
    for text in texts:
        near.add(text)
    found = {(pair.first, pair.second) for pair in near.pairs()}
    exact = {pair: similarity(texts[pair[0]], texts[pair[1]]) for pair in combinations(range(len(texts)), 2)}
    assert {pair for pair, share in exact.items() if share > 0.92} <= found
    assert all(exact[pair] > 0.6 for pair in found)


def test_many_copies_are_chained_to_earlier_ones() -> None:
    near = NearDuplicates()
    for number in range(300):
        near.add(f"{' '.join(WORDS)} number{number % 3}")
    pairs = list(near.pairs())
    assert [pair.second for pair in pairs] == list(range(1, 300))
    assert all(pair.first < pair.second for pair in pairs)


def test_across_a_border_only_pairs_over_it_count() -> None:
    draw = random.Random(6)  # noqa: S311  # no secret
    texts = [" ".join(draw.choices(WORDS, k=60)) for _ in range(6)]
    near = NearDuplicates()
    for text in (*texts, texts[0], f"{texts[4]} more", texts[2], texts[2]):
        near.add(text)
    assert [(pair.first, pair.second) for pair in near.pairs_across(6)] == [(0, 6), (4, 7), (2, 8), (2, 9)]


def test_texts_without_words_and_no_texts_have_no_pairs() -> None:
    assert list(NearDuplicates().pairs()) == []
    near = NearDuplicates([])
    for text in ("", " \n", "\ud800", ""):
        near.add(text)
    assert list(near.pairs()) == []


def test_scripts_without_spaces_count_by_characters() -> None:
    near = NearDuplicates()
    text = "春眠不覚暁処処聞啼鳥夜来風雨声花落知多少白日依山尽黄河入海流欲窮千里目更上一層楼"
    for each in (text, f"{text}。", "千山鳥飛絶万径人蹤滅孤舟蓑笠翁独釣寒江雪床前明月光疑是地上霜"):
        near.add(each)
    assert [(pair.first, pair.second) for pair in near.pairs()] == [(0, 1)]


def test_what_many_texts_share_is_left_out() -> None:
    rules = re.sub(r"\s+", " ", "Use each number once, and give nothing but the result as JSON. " * 10)
    texts = [f"{rules} Numbers: {number}, {number * 7}, {number + 11}" for number in range(50)]
    near = NearDuplicates(texts)
    for text in [*texts, texts[3]]:
        near.add(text)
    assert [(pair.first, pair.second) for pair in near.pairs()] == [(3, 50)]
