"""Numbers that name a place, not a quantity: `step 42`, `equation (42)`, `see page 42`, `it follows from (42)`.

What such a number belongs to is a part of the text itself. `page`, `row` and `line` are also what a question may ask for,
so that their numbers are quantities (`She is on page 42`) unless the words before speak of the answer or refer to it.
"""

import re
from typing import Final

_WINDOW: Final = 64
_NUMBERED: Final = r"(?:(?: ?(?:number|no\.?|\#))? ?[*_$`(\[]{0,3}|: ?[*_$`(\[]{0,3}\()"
_OTHERS: Final = r"(?:\(?[0-9]{1,3}\)?(?:, ?| ?& ?|,? and | to | or | ?[-\xad] ?))*"
_PART = re.compile(
    r"(?<![\w'-])(?:(?<!in )case|(?<!the )(?<!a )(?<!i )(?<!we )fig(?:ure|\.)|steps?|(?:in)?equations?|eqn?s?\.?|theorems?|lemmas?|corollary"
    r"|propositions?|definitions?|remarks?|identity|formulas?|formulae|axioms?|exercises?|examples?|problems?|questions?|sections?|sec\."
    r"|chapters?|appendix|footnotes?|hint|claim|assumption|condition|constraint|method|approach)"
    rf"{_NUMBERED} ?{_OTHERS}\(?$",
    re.IGNORECASE,
)
_POSITION = re.compile(
    r"\b(?:answers?|results?|solutions?|proof|derivation|explanation|details|calculation|working|see|shown|listed|refer|referring|look|cf\.?)\b"
    r"[^.!?\n]{0,40}\b(?:in|on|at|from|under|to|of|by|see|cf\.?|look)(?: the| also)? (?:row|line|column|page|pages|paragraph|cell|entry|table|slide|"
    rf"verse|index|footnote|position|volume|figure){_NUMBERED} ?{_OTHERS}$",
    re.IGNORECASE,
)
_SEE_POSITION = re.compile(
    rf"\b(?:see|cf\.?) (?:also )?(?:the )?(?:row|lines?|column|pages?|pp?\.|paragraph|cell|entry|tables?|slide|figures?){_NUMBERED} ?{_OTHERS}$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:by|from|in|see|using|into|via|with|combining|adding|subtracting) (?:\([0-9]{1,3}\)(?:, ?|,? and | & ))*\($",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"([A-Za-z]+)[.: #*_$`(\[]*$")
_LABEL_WORDS: Final = frozenset(
    [
        "case",
        "fig",
        "figure",
        "figures",
        "step",
        "steps",
        "equation",
        "equations",
        "inequation",
        "eq",
        "eqs",
        "eqn",
        "eqns",
        "theorem",
        "theorems",
        "lemma",
        "lemmas",
        "corollary",
        "proposition",
        "propositions",
        "definition",
        "definitions",
        "remark",
        "remarks",
        "identity",
        "formula",
        "formulas",
        "formulae",
        "axiom",
        "axioms",
        "exercise",
        "exercises",
        "example",
        "examples",
        "problem",
        "problems",
        "question",
        "questions",
        "section",
        "sections",
        "sec",
        "chapter",
        "chapters",
        "appendix",
        "footnote",
        "footnotes",
        "hint",
        "claim",
        "assumption",
        "condition",
        "constraint",
        "method",
        "approach",
        "row",
        "line",
        "lines",
        "column",
        "page",
        "pages",
        "paragraph",
        "cell",
        "entry",
        "table",
        "tables",
        "slide",
        "verse",
        "index",
        "position",
        "volume",
        "p",
        "pp",
        "number",
        "no",
        "and",
        "to",
        "or",
        "by",
        "from",
        "in",
        "see",
        "using",
        "into",
        "via",
        "with",
        "combining",
        "adding",
        "subtracting",
    ]
)
"""Words that may stand right before a label; any other word needs no closer look."""
_QUANTITY = re.compile(
    r" (?:times|minutes|hours|days|weeks|months|years|seconds|people|men|women|children|boys|girls|students|apples|dollars)\b",
    re.IGNORECASE,
)


def is_label(before: str, written: str, after: str) -> bool:
    """Whether a number names a part of the text.

    Args:
        before: What stands before the number, in plain notation.
        written: The number as it is written.
        after: What follows it.
    """
    if not written.isdigit() or len(written) > 4:
        return False
    before = before[-_WINDOW:]
    if not _may_be_labelled(before):
        return False
    if before[-1:] == "(" and after[:1] == ")" and _REFERENCE.search(before):
        return True
    named = _PART.search(before) or _POSITION.search(before) or _SEE_POSITION.search(before)
    return named is not None and not _QUANTITY.match(after)


def _may_be_labelled(before: str) -> bool:
    word = _LAST_WORD.search(before[-24:])
    return word.group(1).lower() in _LABEL_WORDS if word else before.rstrip("( ")[-1:] in (",", "&", "-")
