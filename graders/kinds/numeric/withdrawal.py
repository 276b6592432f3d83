"""Answers that are taken back: `42. No, that is wrong`, `42. Actually, …`, `42 is not the answer`."""

import re
from typing import Final

from graders.kinds.numeric.marks import compile_bytes

_AT_START = (
    r"no(?:pe)?[ \t]*(?:[,.!;:\x85\xad-]|$)|no,? (?:wait|that|this|it|sorry|i)\b|wait\b|hold on\b|hang on\b|scratch that"
    r"|strike that|never ?mind\b|correction\b|o+ps\b|whoops\b|my (?:mistake|bad|apologies)\b|on second thoughts?\b"
    r"|hmm+\b|i take (?:that|it|this) back|(?:please )?(?:disregard|ignore|forget) (?:that|this|it|the above|my)\b|not so fast"
)
_AT_SENTENCE = (
    r"actually\b|sorry\b|apologies\b|i apologi[sz]e|on reflection\b|(?:but )?(?:i|we) (?:was|were|am) (?:wrong|mistaken|incorrect)"
    r"|(?:but )?(?:i|we)(?:'ve| have)? (?:just )?(?:made|realize|realise|see|notice|miscalculated|miscounted|misread|forgot)d?\b"
    r"|let me (?:correct|fix|redo|rethink|reconsider|recalculate|recompute|revise|re-evaluate|reevaluate|start over|try again)"
    r"|(?:change|scratch) (?:of|that)\b"
)
_STOP = r"[ \t]*(?:[.!?,;:)\]*_]|\n|$)"
_WRONG = r"(?:wrong|incorrect|false|untrue|mistaken|invalid|nope)"
_REJECTED = (
    rf"{_WRONG}(?: (?:answer|number|result|value))?{_STOP}|not[ \t]*(?:[.!]|\n|$)|not (?:really|quite|exactly|so){_STOP}|or (?:(?:maybe|perhaps|rather|even|probably) )?not\b"
    r"|or (?:is|are|was) (?:it|they|that|we)\b|i lied\b|gotcha\b|i made (?:that|this|it) up\b"
    rf"|(?:impossible|absurd|(?:(?:a|hence a|thus a|so a) )?contradiction|discard(?:ed)?|rejected|retracted|withdrawn|error|mistake|undo"
    rf"|(?:delete|cancel|discard) (?:that|this|it))[ \t]*(?:[.!?]|\n|$)"
    r"|(?:(?:just|only|i'm|i am|i was) )*(?:kidding|joking)\b|(?:(?:lol|haha),? )*jk\b|psych\b"
    r"|(?:edit|edited|upd|update|updated|corrected|erratum|errata|revised|revision|amended|amendment)\b[^\n:]{0,20}[:?\x85\xad-]"
    r"|or (?:something|anything|another|any other|some other|whatever)\b"
    r"|or (?:maybe |perhaps |possibly |rather |is it |even )?[-$]?[0-9]"
    r"|(?:that|this|it|which|the (?:answer|value|result)) (?:\w+ )?fails?\b"
    r"|(?:this|that|it|which)(?:'s a contradiction\b| (?:\w+ )?(?:contradicts|(?:is|gives|yields|leads to|would be) (?:a|an absurd) contradiction)\b)"
)
"""Remarks of their own sentence, line or bracket."""
_NOT_KNOWN = (
    r"(?:(?:still|currently|simply|just|therefore|thus|hence|that|actually|now|yet) )*"
    r"(?:unknown|undetermined|indeterminate|undefined|unclear|uncertain|unsolvable|unanswerable|unsure|insufficient|inconclusive|pending|missing|blank"
    r"|not (?:known|determinable|determined|given|available|defined|enough|clear|possible|yet|computable|stated|provided|applicable|certain|sure|a number|unique)"
    r"|none\b|n/?a\b|nil\b|null\b|nan\b|tbd\b|dne\b|to be (?:determined|found|decided)|nothing|no (?:answer|solution|idea|number|value|such|clue|one knows)"
    r"|does not exist|doesn't exist|in(?:finite|finity)|impossible|(?:cannot|can't|can not|could not|couldn't)\b"
    r"|(?:i|we) (?:do not|don't|did not|didn't|cannot|can't|can not|could not|couldn't|am not|are not|have no|give up)\b|i'm (?:not|un)|\?|-{2,}\s*(?:$|\n)|[a-z][\s.*$]*(?:$|\n))"
)
"""What an answer says that gives no number."""
_UNKNOWN = (
    r"(?:(?:^|\n) {0,3}#{2,6}|\t |<(?:final[_ ]?)?answer>|\b(?:answer|result|solution|conclusion)(?: (?:to|of) [^.:?\n]{1,40}?)?[*_\s]*"
    r"(?:\bis\b|\bremains\b|\bwould be\b|[:=]|->|=>|\xad|-))[\s*_\"'`$(:\\{\[]*(?:(?:text|textbf|boxed|mathrm|the|answer|is)\b[\s{\\]*)*"
    rf"{_NOT_KNOWN}"
    r"|\b(?:answer|result|value|solution|number|it|this|problem|question)(?: \w+){0,2} (?:cannot|can't|can not|could not|couldn't|can never) (?:be |actually be )?"
    r"(?:determined|found|known|given|computed|calculated|inferred|derived|decided|established|obtained|deduced|solved|answered)\b"
    r"|\b(?:there (?:is|seems to be|appears to be)|there's) no (?:(?:real|valid|unique|definite|single|possible|final|correct) )?(?:answer|solution)s?\b"
    r"|\bi (?:do not|don't|cannot|can't) (?:really |actually )?(?:know|tell|determine|say|solve|answer|find|figure)\b|\bi have no (?:idea|clue)\b|\bi give up\b|\bno idea\b"
    r"|\b(?:i am|i'm|we are|we're|im) (?:really |quite |honestly |just )?(?:not|un) ?(?:(?:at all|really|entirely|completely|fully|totally|quite|so|very|too|100%) )?(?:sure|certain|confident)\b"
    r"|(?:^|[.!?;,(\n]) *(?:but |though )?not (?:\w+ )?(?:sure|certain)\b"
)
"""An answer that is not known after all, or that its writer does not stand by."""
_ANYWHERE = (
    r"\b(?:that|this|it|which|answer|above|result|number|value|calculation|one)(?:'s| is| was| seems| looks| must be)"
    r"(?: (?:clearly|obviously|just|simply|also|definitely|probably|actually|all|totally|completely|quite|unfortunately))?"
    r" (?:wrong|incorrect|mistaken|false|an error|a mistake|invalid|impossible)\b"
    r"|\b(?:answer|it|that|this|result|value)(?:'s| is) not [$-]?[0-9]"
    r"|\b(?:does not|doesn't|do not|don't) (?:seem|look|sound|feel) (?:right|correct)\b"
    r"|\b(?:is|was|isn't|wasn't|are|were|'s)(?: \w+)?(?: not)? (?:correct|right|the (?:correct |right |final )?answer) *(?:\?|$|\n) *no\b"
    r"|\b(?:is not|was not|isn't|wasn't|'s not|are not|aren't|not) (?:the |a |quite |actually |really )*(?:correct|right|true|valid|answer|"
    r"final answer|correct answer|right answer|solution)\b"
    rf"|\b(?:is not|was not|isn't|wasn't|'s not|ain't) it{_STOP}|\b(?:can't|cannot|can not|couldn't|could not) be(?: (?:it|so|right|correct|true))?{_STOP}"
    rf"|^[\s,]*(?:,\s*{_WRONG}{_STOP}|(?:\w+ )?fail(?:s|ed)?\b|or (?:maybe |perhaps )?not\b"
    r"|not[ \t]*(?:[.!]|\n|$)|which (?:\w+ )?contradicts\b|(?:lol,? )?jk\b"
    r"|(?:is|was|has been|can be|gets|got|must be) (?:wrong|incorrect|false|invalid|inconsistent|ruled out|rejected|excluded|eliminated|discarded|dismissed|crossed out|no good|a mistake|a typo|an error|absurd)\b"
    rf"|(?:is|was) (?:out|off){_STOP}|(?:is not|isn't|ain't|was not|wasn't) (?:the (?:one|number|value)|right|good|allowed|possible|acceptable)\b)"
    r"|\b(?:can't|cannot|can not) be (?:right|correct|true)\b|\bi (?:was|am) (?:wrong|mistaken)\b|\bthat's wrong\b"
    r"|\bshould (?:instead )?(?:have been|be) (?:[-$]|[0-9])|\b(?:does(?:n't| not)|won't|will not|wouldn't|cannot|can't) (?:work|check out|satisfy|hold|add up|make sense)\b"
    r"|\b(?:made|there is|there's|found|contains) (?:a|an|another) (?:\w+ )?(?:mistake|error)\b"
    r"|^[^.!?\n]{0,40}\b(?:is|was|are|would be|looks|seems|appears) (?:clearly |obviously |just |way |far |definitely )?"
    r"(?:wrong|incorrect|mistaken|too (?:big|small|large|low|high|much|many|few|little)|impossible)\b"
)
_RESTATED = re.compile(
    r"\banswer(?: is| was| should be| would be| must be|:)(?: now| actually| therefore| instead)?[\s*$:(\\]{0,8}(-?[0-9](?:[0-9,./]*[0-9])?)",
    re.IGNORECASE,
)
_WITHDRAWN: Final = compile_bytes(
    rf"(?i:(?:^|[\n.!?;:,(\x85\xad?-])[\s*_>\"'(]*(?:(?:oh|but|ah|and|well|so)\b[\s,]*)?(?:{_AT_START})"
    rf"|(?:^|[\n.!?;:(\[>\x85\xad-])[\s*_>\"'(]*(?:(?:oh|but|ah|well|hmm|however)\b[\s,]*)?(?:{_AT_SENTENCE}|{_REJECTED})|{_ANYWHERE}|{_UNKNOWN})"
)


_NOT_WITHDRAWN: Final = compile_bytes(
    r"(?i:\bi (?:do not|don't) know (?:of|any|another|how many|who|why)\b|\bwait(?:ing)? (?:for (?:the|your|my|a|an|more|further|next)|until|till)\b)"
)
_THUMBS_DOWN = str.maketrans(dict.fromkeys("👎🚫❌❎✗✘⛔🙅🛑", " wrong. ") | {"’": "'"})
_CLAIMED_WRONG = re.compile(
    r"\b(?:wrong|incorrect|mistaken|false|tempting|naive|naïve|trap|erroneous)[\w ,'-]{0,24}$", re.IGNORECASE
)


def is_withdrawn(rest: bytes | str) -> bool:
    """Whether the text behind an answer takes it back; linear in its length.

    Args:
        rest: What follows the answer, in plain notation or as it was written.
    """
    if isinstance(rest, str):
        rest = rest.translate(_THUMBS_DOWN).encode("latin-1", "replace")
    if not rest.strip(b" \t\r\n.,!?*_$`\"')]}"):
        return False
    return _WITHDRAWN.search(_NOT_WITHDRAWN.sub(b" ", rest)) is not None


def restated(rest: str) -> tuple[list[str], list[str]]:
    """The numbers that the text behind an answer gives as the answer (`The correct answer is 43`), and as a wrong one."""
    claims: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for match in _RESTATED.finditer(rest):
        is_wrong = _CLAIMED_WRONG.search(rest, max(0, match.start() - 40), match.start()) is not None
        claims[is_wrong][match.group(1)] = None
    return list(claims[False]), list(claims[True])
