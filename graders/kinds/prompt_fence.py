"""Quotes a text that a model wrote for a judge: nothing in it is hidden, and nothing can end the quotation.

A sample may try to address its judge: with characters that a person does not see and a model reads, or by
closing the quotation around it and continuing as if it were the author. `visible` prevents the first and
`fenced` the second. Neither keeps a judge from believing what it reads.

The output of both is not much longer than the text, for every text.
"""

import hashlib
import json
import re
from collections.abc import Mapping

NONCE_DIGITS = 16

_JOINING = (
    "\u0600-\u061b\u061d-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010eff\U00011000-\U00011fff"
)
"""Arabic, Syriac, the Indic scripts and their neighbours, which spell words with a joiner or a non-joiner."""
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_SYMBOLS = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
"""Emoji, skin tones included, and the older symbols that may be drawn as such."""
_KEYCAPS = "#*0-9\u00a9\u00ae\u203c\u2049\u2122\u2139"

_ORDINARY = (
    f"(?<=[{_JOINING}])[\u200c\u200d](?![\u200c\u200d])|"
    f"(?:(?<=[{_SYMBOLS}])|(?<=[{_SYMBOLS}]\ufe0f))\u200d(?=[{_SYMBOLS}])|"
    f"(?<=[{_SYMBOLS}{_KEYCAPS}])[\ufe0e\ufe0f]|"
    f"(?<=[{_HAN}])[\ufe00-\ufe02\U000e0100-\U000e01ef]|"
    "(?<=[\u2200-\u22ff\u1000-\u109f\ua840-\ua87f])\ufe00|"
    "(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]|"
    "(?<=\U0001f3f4)\U000e0067\U000e0062"  # the flags of England, Scotland and Wales
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_HIDDEN = (
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f"  # controls, but for the tab and the line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, fillers, selectors
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero-width, bidirectional controls, separators
    "\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\ufff0-\ufffb\uffff\ufffe"  # surrogates, private use, noncharacters
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of shorthand and of music
    "\U000e0000-\U0010ffff"  # tags, selectors, private use
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0xE0000, 0x10000))
    + "]"
)
_SPECIAL = re.compile(f"(?P<ordinary>{_ORDINARY})|(?P<hidden>{_HIDDEN})(?P=hidden)*")


def visible(text: str) -> str:
    """The text with every character that is not seen written as its code point: `⟦U+200B⟧`, and `⟦U+200B×40⟧` for 40.

    These are: controls other than the tab and the line feed (the pair CR LF becomes a line feed); the bidirectional
    controls, which show a text in another order than it has; zero-width characters, the byte order mark, invisible
    operators, the soft hyphen, the fillers of Hangul; the line and paragraph separators; the tags block; the variation
    selectors; lone surrogates, private use, noncharacters, and the whole of plane 14.

    Ordinary text of every script stays as it is. So one joiner or non-joiner stays after a letter of a script that spells
    with them (Arabic, the Indic scripts and their neighbours), a joiner between two emoji, one variation selector after a
    character that has variants (an emoji, a keycap, a Han, Mongolian or Myanmar character, a mathematical operator), and
    the tags in the flags of England, Scotland and Wales. One such character at each letter is all that can be hidden.

    Letters that merely look alike, and marks piled upon a letter, are seen, and left alone. A text may itself contain
    `⟦U+200B⟧`, which then is not told apart from the character.
    """
    return _SPECIAL.sub(_shown, text.replace("\r\n", "\n"))


def fenced(texts: Mapping[str, str]) -> list[str]:
    """Each text between two equal lines that begin with `=====`, under its label.

    The lines contain one digest of all the texts and labels. No text can contain its own line: an author
    would have to try about 2^64 texts to find one that contains its own digest, and then another digest is
    used. The same texts always get the same lines.

    Args:
        texts: The texts to show, see `visible`, by label; a label never contains anything that a model wrote.
    """
    fence = _fence(texts)
    return [f"{label}:\n{fence}\n{text}\n{fence}" for label, text in texts.items()]


def _fence(texts: Mapping[str, str]) -> str:
    content = json.dumps(list(texts.items())).encode()
    count = 0
    while True:
        digest = hashlib.blake2b(content, digest_size=NONCE_DIGITS // 2, salt=count.to_bytes(16)).hexdigest()
        if not any(digest in text for text in texts.values()):
            return f"===== {digest} ====="
        count += 1


def one_line(text: str, limit: int, *, only_printable: bool = False) -> str:
    """A text in one line: white space is one space, and what is hidden is made `visible`.

    Args:
        text: What is said.
        limit: Characters; what is longer ends with an ellipsis.
        only_printable: Whether also joiners inside words, and code points that mean nothing yet, are written out, so that
            `str.isprintable` holds.
    """
    line = visible(" ".join(text[: 4 * limit].split()))
    if only_printable and not line.isprintable():
        line = "".join(c if c.isprintable() else _code(c) for c in line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _shown(found: re.Match[str]) -> str:
    hidden = found["hidden"]
    return found[0] if hidden is None else _code(hidden, len(found[0]))


def _code(character: str, count: int = 1) -> str:
    times = f"×{count}" if count > 1 else ""
    return f"⟦U+{ord(character):04X}{times}⟧"
