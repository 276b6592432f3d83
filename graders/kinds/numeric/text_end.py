"""Where a model's answer ends: what stands behind an end-of-text token is no part of it."""

import re

_END = re.compile(
    r"<\|(?:endoftext|end_of_text|im_end|eot_id|eom_id|eot|eos|end_of_turn|end_of_sentence|return)\|>|<\|end\|>(?!\s{0,8}<\|start\|>)"
    r"|<(?:eos|eot|end_of_turn|end_of_utterance)>|</s>|<｜end▁of▁sentence｜>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[|｜]?[^<>\n]{0,40}>")
_PROMPT = re.compile(
    r"<\|(?:im_start|start_header_id|start)\|>\s*(?:user|system|human|developer)", re.IGNORECASE
)


def before_end(text: str) -> str:
    """A text up to its first end-of-text token that has any words before it.

    A text that begins with a prompt is left as it is, as is `</s>` behind an opening `<s>`, which strikes text out.
    """
    if "<" not in text:
        return text
    position = 0
    for match in _END.finditer(text):
        piece = text[position : match.start()]
        if match.group().lower() == "</s>" and "<s>" in piece.lower():
            continue
        if any(map(str.isalnum, _TAG.sub("", piece))):
            return text if _PROMPT.search(piece) else text[: match.start()]
        position = match.end()
    return text
