"""Sessions with an interpreter, as doctest reads them: what stands behind the prompts is code, other lines are output."""

import re

from graders.kinds.code_testing.markdown import lines_of

_PROMPT = re.compile(r"(?:>>>|In \[\d+\]:)(?: |(?=[^ >]|$))", re.MULTILINE)
_CONTINUED = re.compile(r"(?:\.\.\.(?!\.)|[ ]*\.\.\.:)[ ]?")
_INDENT = re.compile(r"\s*?^([ \t]*)(?=\S)", re.MULTILINE)
_BEGINS = re.compile(
    rf"(?:[ \t]*+(?:\#[^\r\n]*+)?+(?:\r\n|\r|\n))*+[ \t]*+(?:{_PROMPT.pattern})", re.MULTILINE
)
_ERROR = "Traceback (most recent call last)"


def begins_session(code: str) -> bool:
    """Whether a text is a session: nothing but comments stand before its first prompt."""
    return _BEGINS.match(code) is not None


def split(code: str) -> tuple[str, str]:
    """What stands before the first prompt of a text, and what was entered behind the prompts.

    Prompts are `>>>` and `...`, and those of IPython, as far from the margin as the first line of the text; others
    belong to a docstring. What raised an exception, by the output below it, is left out.

    Returns:
        Both parts; the second is empty where the text has no prompt.
    """
    if ">>>" not in code and "In [" not in code:
        return code, ""
    indent = _INDENT.match(code)
    margin = indent[1] if indent else ""
    head: list[str] = []
    entered: list[list[str]] = []
    in_entry = False
    for line in lines_of(code):
        text = line.removeprefix(margin)
        prompt = _PROMPT.match(text)
        more = _CONTINUED.match(text) if in_entry and prompt is None else None
        in_entry = prompt is not None or more is not None
        if prompt is not None:
            entered.append([text[prompt.end() :]])
        elif more is not None:
            entered[-1].append(text[more.end() :])
        elif not entered:
            head.append(line)
        elif text.startswith(_ERROR):
            entered[-1] = []
    return "".join(head), "".join(line for entry in entered for line in entry)


def is_balanced(code: str) -> bool:
    """Whether texts in triple quotes are closed, by their number: prompts behind an open one belong to it."""
    return not any(code.count(quotes) % 2 for quotes in ('"""', "'''"))
