"""The tags, tokens and channels that begin and end reasoning in what a model wrote.

* Tags such as `<think>`, in any case, with attributes, with ASCII, full-width or escaped brackets (`&lt;think&gt;`): `_TAGS`.
* Tags that are also the names of ordinary XML elements, such as `<analysis>`: `_WEAK_TAGS`.
* Names in square brackets: `[THINK]` (Magistral), `[THINKING]`.
* Names between bars or triangles: `<|think|>…<|/think|>`, `◁think▷…◁/think▷` (Kimi).
* Names with a word for the beginning and the end: `<|begin_of_thought|>` (Sky-T1), `<|START_THINKING|>` (Command A),
  `<|think_start|>`, `<start_working_out>`.
* Pairs of tokens that follow no such rule: `_PAIRS`.
* Channels of the Harmony format: `<|channel|>analysis`.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_TAGS = (
    r"(?!no)[a-z]{1,12}[_:-]think(?:ing)?|antthinking|think(?:ing)?|(?:inner_|internal_|hidden_|private_)?"
    r"(?:thoughts?|reasoning|monologue)|(?:thought|think(?:ing)?|reasoning)[_-]process|chain[_-]of[_-]thought|"
    r"working[_-]out|reflection|scratchpad"
)
_WEAK_TAGS = "analysis|reason|rationale|cot"
_WORDS = "think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|working_out|analysis|cot"
_BEGINS = ("begin", "start")
_EDGE = "begin|start|end"
_PAIRS = {
    "<|channel>thought": "<channel|>",  # Gemma
    "<unused94>thought": "<unused95>",  # MedGemma
}
"""Opening and closing tokens."""
_PAIR_OF = {close: opening for opening, close in _PAIRS.items()}
_FINAL = "[BEGIN FINAL RESPONSE]"
"""Ends the reasoning of Apriel, which has no opening token."""

_MARK = re.compile(
    r"(?:[<＜]|&lt;)\s{0,8}(?P<close>[/／]?)\s{0,8}(?i:(?P<tag>" + _TAGS + ")|(?P<weak>" + _WEAK_TAGS + r"))"
    r"(?:\s[^<>＜＞\n]{0,80}?)?\s{0,8}(?<!/)(?:[>＞]|&gt;)"
    r"|\[(?P<bracket_close>/?)(?P<bracket>(?i:think(?:ing)?))\]"
    r"|<[|｜](?P<bar_close>/?)(?P<bar>(?i:" + _WORDS + r"))[|｜]>|◁(?P<kimi_close>/?)(?P<kimi>think(?:ing)?)▷"
    r"|<[|｜]?(?i:(?P<edge>" + _EDGE + r")[_▁-](?:of[_▁-])?(?P<edged>" + _WORDS + ")"
    r"|(?P<word>" + _WORDS + ")[_▁-](?P<word_edge>" + _EDGE + r"))[|｜]?>"
    r"|(?P<token>" + "|".join(map(re.escape, [*_PAIRS, *_PAIR_OF, _FINAL])) + ")"
    r"|<\|channel\|>[ \t]{0,8}(?P<channel>analysis|commentary|final)\b"
    r"(?:[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,50})?<\|message\|>)?"
    r"|(?P<end><\|(?:end|return|call|start)\|>)"
)


class Mark(NamedTuple):
    """A tag or a token.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends.
        kind: What it does: begin a thought, end one, begin a channel, or end a message.
        name: Which thought it begins or ends, or the name of the channel; equal for the two marks of one thought.
        weak: Whether it may as well be something else, as `<analysis>` in XML.
    """

    start: int
    end: int
    kind: Literal["open", "close", "channel", "end"]
    name: str
    weak: bool = False


def may_have_thoughts(text: str) -> bool:
    """Whether a text has a character that begins a tag or a token: most have not, and this is a hundred times faster."""
    return "<" in text or "[" in text or "&lt;" in text or "◁" in text or "＜" in text


def find_marks(text: str) -> Iterator[Mark]:
    """All marks of a text, in order."""
    return map(_mark, _MARK.finditer(text)) if may_have_thoughts(text) else iter(())


def _mark(found: re.Match[str]) -> Mark:
    start, end = found.span()
    group = found.lastgroup or ""
    if found["channel"]:
        return Mark(start, end, "channel", found["channel"])
    if found["end"]:
        return Mark(start, end, "end", found["end"])
    if found["token"]:
        token = found["token"]
        closes = token in _PAIR_OF or token == _FINAL
        return Mark(start, end, "close" if closes else "open", _PAIR_OF.get(token, token))
    if found["edge"] or found["word_edge"]:
        begins = (found["edge"] or found["word_edge"]).lower() in _BEGINS
        return Mark(
            start, end, "open" if begins else "close", f"edge {_named(found['edged'] or found['word'])}"
        )
    closes = bool(found["close"] or found["bracket_close"] or found["bar_close"] or found["kimi_close"])
    name, weak = _named(found[group]), group == "weak"
    if group == "bracket":
        weak = found["bracket"] != "THINK"
    form = {"weak": "tag"}.get(group, group)
    return Mark(start, end, "close" if closes else "open", f"{form} {name}", weak)


def _named(name: str) -> str:
    """A name without what its forms differ in: `Thinking` is `think`, and `thoughts` is `thought`."""
    return re.sub(r"thinking$", "think", name.lower().replace("-", "_")).replace("thoughts", "thought")
