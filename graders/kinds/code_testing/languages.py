"""What the words behind an opening fence say of the language of a block."""

import re

_PYTHON = re.compile(r"[\s{.]*(?:lang(?:uage)?-)?i?py(?:thon)?[\d.]*(?![A-Za-z])", re.IGNORECASE)
_MARKDOWN = re.compile(r"[\s{.]*(?:markdown|mdx?|rst)(?![A-Za-z])", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\s*(?:python|py)[\d.]*[ \t]+", re.IGNORECASE)
_FIRST_LINE = re.compile(r"\s*(?:python|py)[\d.]*[ \t]*(?:\r\n?|\n|$)", re.IGNORECASE)


def is_python(info: str) -> bool:
    """Whether an info string says Python: `python`, `Python3`, `py`, `{.python .numberLines}`, `python:main.py` and kin."""
    return _PYTHON.match(info) is not None


def is_markdown(info: str) -> bool:
    """Whether an info string says Markdown, whose own blocks then are looked into."""
    return _MARKDOWN.match(info) is not None


def without_language(code: str) -> str:
    """The code without a first line that only names the language: the word stood below the fence."""
    found = _FIRST_LINE.match(code)
    return code[found.end() :] if found else code


def without_first_word(code: str) -> str:
    """The code without a first word that only names the language."""
    found = _FIRST_WORD.match(code)
    return code[found.end() :] if found else code
