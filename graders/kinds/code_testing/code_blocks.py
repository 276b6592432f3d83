"""Which of an answer's code blocks is its code: not the one that shows what the code prints."""

import re

from graders.kinds.code_testing.languages import is_python
from graders.kinds.code_testing.markdown import Block

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
_TRANSCRIPT = re.compile(r"\s*(?:>>>|\$ |In \[\d+\])")
"""How a session with an interpreter or a shell begins."""
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
    """The code of a block, with what stands of it on the line of the opening fence."""
    first = "".join(block.info.split(None, 1)[1:])
    if _BEGINS_CODE.match(first):
        return f"{first}\n{block.text}"
    if block.text.strip():
        return block.text
    line = first if is_python(block.info) else block.info
    return f"{line}\n{block.text}" if _LOOKS_LIKE_CODE.search(line) else block.text


def likelihood(block: Block, code: str) -> int:
    """How likely a block is the code of an answer, by its language, its text and the line above it."""
    looks_like_code = _LOOKS_LIKE_CODE.search(code) is not None
    shows_output = _shows_output(block, code)
    if is_python(block.info):
        return 1 if shows_output and not looks_like_code else 4
    if shows_output:
        return 0
    if block.info and not _BEGINS_CODE.match(block.info):
        return 1
    return 3 if looks_like_code else 2


def _shows_output(block: Block, code: str) -> bool:
    if _TRANSCRIPT.match(code):
        return True
    label = block.label
    is_label = _OUTPUT_LABEL.fullmatch(label) is not None and not _CODE_LABEL.search(label)
    return is_label and not _IS_CODE.search(code)
