"""Which of an answer's code blocks is its code: not the one that shows what the code prints."""

import re
from collections.abc import Sequence

from graders.kinds.code_testing.languages import is_python
from graders.kinds.code_testing.markdown import Block
from graders.kinds.code_testing.sessions import begins_session, split
from graders.kinds.code_testing.white_space import dedented, plain

PYTHON = 4
"""The likelihood of a block that says that it is Python."""
UNCLEAR = 2
"""The likelihood of a block that says nothing, and does not look like code."""
MAX_STUB = 5_000
"""Characters that may follow the signature of a function without a body: its docstring."""

_BEGINS_CODE = re.compile(
    r"(?:(?:async[ ]+)?def|class|import|from|assert|raise|return|del|global)[ ]+\w|@\w|[A-Za-z_][\w.]*\(|[A-Za-z_]\w*[ ][-+*/]?=[ ]"
    r"|(?:for|while|if|with|try|async)\b[^\n]*:[ \t]*(?:#[^\n]*)?$"
)
"""How code begins that stands on the line of its fence, behind the language."""
_LOOKS_LIKE_CODE = re.compile(
    r"\w\(|\w[ \t]*[-+*/%|&^]?=(?!=)|@\w|\b(?:def|class|import|return|lambda|for|while|if|with|try|yield|assert|raise)\b"
)
_IS_CODE = re.compile(
    r"^[ \t]*(?:(?:def|class|import|return|assert|raise|async)[ ]+\w|from[ ]+[\w.]+[ ]+import\b|print[ ]?\(|@\w"
    r"|(?:for|while|if|with|try)\b[^\n]*:[ \t]*(?:#[^\n]*)?$)",
    re.MULTILINE,
)
_SHELL = re.compile(r"\s*\$ ")
"""How a session with a shell begins."""
_SOLUTION = re.compile(r"^class[ \t]+Solution\b", re.MULTILINE)
_DEFINED = re.compile(
    r"^(?:(?P<margin>[ \t]*+)(?:async[ \t]+)?def[ \t]+(?P<function>\w++)(?P<first>[^\n]*+)"
    r"|class[ \t]+(?P<class>\w+)|(?P<value>\w++)[ \t]*+(?::[^=\n]*+)?=(?!=)(?P<given>[^\n]*+))",
    re.MULTILINE,
)
_DOCSTRING = re.compile(r"\s*+(?:\"{3}[^\"]*+\"{3}|'{3}[^']*+'{3})")
_EMPTY = re.compile(r"(?:\.\.\.|pass|raise NotImplementedError[^\n]*)?")
_WORD = r"(?:[^\W_]|['’])+"
_OUTPUT_LABEL = re.compile(
    rf"[\W_]*(?:{_WORD}[\s*_`,-]+){{0,8}}?"
    r"(?:outputs?|results?|prints?|printed|stdout|stdin|inputs?|returns?|yields?|gives?|displays?|shows?|console|terminal)"
    rf"(?:[\s*_`]+(?:of|is|will[\s]+be|looks[\s]+like)(?:[\s*_`]+{_WORD}){{0,3}})?(?![^\W_])[\W_]*(?:\([^()\n]{{0,60}}\))?[\W_]*",
    re.IGNORECASE,
)
"""The line above what a program reads or prints: `Output:`, `**Expected output**`, `This prints:`."""
_CODE_LABEL = re.compile(
    r"\b(?:here|following|below|that|which|to|write|define|using|final)\b", re.IGNORECASE
)
"""What is in the line above code, even if it ends in such a word: `The following program prints the result:`."""


def code_of(block: Block) -> str:
    """The code of a block, with what stands of it on the line of the opening fence; of a session what was entered."""
    first = "".join(block.info.split(None, 1)[1:])
    if _BEGINS_CODE.match(first):
        return f"{first}\n{block.text}"
    if begins_session(block.text):
        return split(block.text)[1]
    if block.text.strip():
        return block.text
    line = first if is_python(block.info) else block.info
    return f"{line}\n{block.text}" if _LOOKS_LIKE_CODE.search(line) else block.text


def likelihood(block: Block, code: str, names: Sequence[str] = ()) -> int:
    """How likely a block is the code of an answer, by what it defines, its language, its text and the line above it.

    Args:
        block: The block.
        code: Its code.
        names: The functions and classes that are tested, the most important first.
    """
    kind, merit = _kind(block, code), merit_of(code, names)
    if not merit:
        return kind
    return kind + (PYTHON + 1) * merit if kind >= UNCLEAR else PYTHON + merit


def merit_of(code: str, names: Sequence[str]) -> int:
    """How much of what is tested a code defines: 0 for nothing, up to 6 for the first of the names."""
    found = _definitions(code) if names else {}
    defined = [found.get(name, 0) for name in names]
    return 2 * defined[0] + max(defined) if defined else 0


def says_code(text: str) -> bool:
    """Whether a line of a text begins like a statement of Python."""
    return _IS_CODE.search(text) is not None


def _kind(block: Block, code: str) -> int:
    looks_like_code = _LOOKS_LIKE_CODE.search(code) is not None
    shows_output = _shows_output(block, code)
    if is_python(block.info) and not begins_session(block.text):
        return 1 if shows_output and not looks_like_code else PYTHON
    if shows_output:
        return 0
    if block.info and not _BEGINS_CODE.match(block.info):
        return 1
    return 3 if looks_like_code else UNCLEAR


def _definitions(code: str) -> dict[str, int]:
    """The names that a code defines in its module or in a class `Solution`: 1 for a function without a body, 2 otherwise."""
    code = dedented(plain(code))
    has_methods = _SOLUTION.search(code) is not None
    found: dict[str, int] = {}
    for each in _DEFINED.finditer(code):
        name = each["function"] or each["class"] or each["value"]
        if each["function"] and (has_methods or not each["margin"]):
            found[name] = 1 if _is_stub(each["first"], code, each.end()) else 2
        elif each["class"] or (each["value"] and not re.search(rf"(?<![\w.]){name}\b", each["given"])):
            found[name] = 2
    return found


def _is_stub(first: str, code: str, end: int) -> bool:
    """Whether a function that begins with a line has no body, and nothing follows it."""
    _, colon, body = first.rstrip().rpartition(":")
    if not colon or len(code) - end > MAX_STUB:
        return False
    if body.strip():
        return _EMPTY.fullmatch(body.strip()) is not None and not code[end:].strip()
    docstring = _DOCSTRING.match(code, end)
    lines = code[docstring.end() if docstring else end :].split("\n")
    left = "\n".join(line for line in lines if not line.lstrip().startswith("#")).strip()
    return _EMPTY.fullmatch(left) is not None


def _shows_output(block: Block, code: str) -> bool:
    if begins_session(block.text) or _SHELL.match(code):
        return True
    label = block.label
    is_label = _OUTPUT_LABEL.fullmatch(label) is not None and not _CODE_LABEL.search(label)
    return is_label and not says_code(code)
