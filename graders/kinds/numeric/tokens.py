"""The words, numbers and marks around a number, and whether one of them stands for a part of a phrase."""

import re

from graders.kinds.numeric.phrases import NUMBER_WORDS

_TAG = r"<[/|!]?[A-Za-z|][^<>\n]{0,48}>"
_WORD = r"[A-Za-z]+(?:['-][A-Za-z]+)*"
_NUMBER = r"[-+]?[.]?[0-9](?:[0-9.,/%]*[0-9%])?(?: / ?[0-9]+| ?/ [0-9]+)?"
_BEFORE = re.compile(rf"{_TAG}|{_WORD}|{_NUMBER}|[^\sA-Za-z0-9*_\"'`$~#\[{{]")
_AFTER = re.compile(rf"{_TAG}|{_WORD}(?:[23]\b)?|{_NUMBER}|\n|[^\sA-Za-z0-9*_\"'`$~)\]}}]")


def tokens_before(text: str) -> list[str]:
    """The words, numbers and marks of what stands before a number, in lower case."""
    return _tokens(_BEFORE, text)


def tokens_after(text: str) -> list[str]:
    """The same of what follows it: `42-plus` is two words; in `42 - plus` the mark is a dash."""
    return _tokens(_AFTER, text[1:] if text[:1] == "-" and text[1:2].isalpha() else text)


def _tokens(pattern: re.Pattern[str], window: str) -> list[str]:
    tokens: list[str] = []
    for token in pattern.findall(window.lower()):
        if "-" in token and token[0].isalpha():
            tokens += token.split("-")
        elif len(token) == 1 or token[0] != "<":
            tokens.append(token)
    return tokens


def matches(expected: str, word: str) -> bool:
    """Whether a part of a phrase stands for a word."""
    if expected == "*":
        return word[0].isalpha()
    if expected in ("#", "@"):
        is_variable = expected == "@" and len(word) == 1 and word.isalpha() and word not in "ai"
        return is_variable or word[-1].isdigit() or word[-1] == "%" or word in NUMBER_WORDS
    return expected == word
