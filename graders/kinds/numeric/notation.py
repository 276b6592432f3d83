r"""One plain notation for the many ways numbers are written: unicode and LaTeX to Latin-1 bytes.

`plain` rewrites a text so that the scanner in `graders.kinds.numeric.scanner` meets every sign, digit and separator in one spelling.
It returns bytes of one byte a character: google-re2 then reports positions that are also character positions, and lone
surrogates (which UTF-8 refuses) cannot stop it. Time is linear in the text.

What a character becomes:

* decimal digits of the scripts in `_ZEROS` (fullwidth, Arabic, Indic, Thai, mathematical bold …): ASCII digits;
* minus signs and hyphens (U+2212, U+FF0D, U+2010, U+2011): `-`; longer dashes (U+2012..U+2015), which are also
  punctuation: `DASH`;
* no-break, thin, narrow and figure spaces, and LaTeX's `\,`: `GAP`, a thousands separator that is not a space;
* superscripts: `^` and ASCII digits; subscripts: `_` and a digit; vulgar fractions: ` 1/2`;
* `<sup>3</sup>` and `<sub>3</sub>`: `^{3}` and `_{3}`; `&lt;` and its like: the character that they stand for;
* every currency sign but `$`, `£`, `¥`: `COIN`; zero-width and direction marks: nothing;
* arrows: `->` and `=>`; any character that Latin-1 lacks and none of these: `OTHER`;
* what makes a number part of a larger expression (roots, π, ±, inequalities, ‰, CJK myriads, unknown LaTeX commands):
  `ALGEBRA`.
"""

import re
import unicodedata
from html import unescape

from graders.kinds.numeric.latex import without_latex
from graders.kinds.numeric.marks import ALGEBRA, COIN, DASH, GAP, GREEK, OTHER, compile_bytes

# fmt: off
_ZEROS = (
    0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0, 0x0F20, 0x1040,
    0x17E0, 0x1810, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)
# fmt: on
_SUPERSCRIPTS = {chr(0x80 + value): mark for value, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")}
_VULGAR, _VULGAR_END = "\x8f", "\x8e"
_QUESTION = "\xbf"
_UNKNOWN = bytes.maketrans(b"?" + _QUESTION.encode("latin-1"), OTHER.encode("latin-1") + b"?")
"""Tells question marks from what the encoder writes for characters that Latin-1 lacks."""
_SCRIPTS = [
    (chr(code), unicodedata.decomposition(chr(code)))
    for code in (
        *range(0x02B0, 0x02E5),
        *range(0x1D2C, 0x1D6B),
        *range(0x1D9B, 0x1DC0),
        *range(0x2070, 0x20A0),
        0x2C7C,
    )
]
"""Raised and lowered letters and signs, with how Unicode defines them."""
_CHARACTERS: dict[str, str] = {
    **{letter: f"^{ALGEBRA}" for letter, defined in _SCRIPTS if defined.startswith("<super>")},
    **{letter: f"_{ALGEBRA}" for letter, defined in _SCRIPTS if defined.startswith("<sub>")},
    **{chr(sign): ALGEBRA for sign in range(0x2200, 0x2300)},
    **{chr(control): " " for control in range(0x80, 0xA0)},
    **dict.fromkeys("\u0304\u0305\u0307\u0332\u0335\u0336\u0337\u0338", ALGEBRA),
    **dict.fromkeys("∴∵∎", " "),
    **dict(zip("⟨⟩∣∗≔≜≝", "()|*===", strict=True)),
    **{chr(letter): GREEK for letter in range(0x0370, 0x0400) if chr(letter).isalpha()},
    **{chr(zero + value): str(value) for zero in _ZEROS for value in range(10)},
    **dict.fromkeys("−﹣－‐‑➖˗负負", "-"),
    **dict.fromkeys("‒–—―", DASH),
    **dict.fromkeys("\u2007\u2009\u202f", GAP),
    **dict.fromkeys(
        "\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff\u202a\u202b\u202c\u202d\u202e", ""
    ),
    **dict.fromkeys("€₹₩₽₺₫₦₱₪₴฿₡₲₵₸₼₾₿", COIN),
    **dict.fromkeys("π∑∏∫∂±∓≤≥≠≮≯⩽⩾≦≧≨≩≲≳≪≫≁≄≉≇≢∈∉⌊⌋⌈⌉❌✗✘❎🚫👎⛔🙅🛑⅟‰‱万萬亿億千百十兆만억천백", ALGEBRA),
    **dict.fromkeys("√∛∜", f"{ALGEBRA}sqrt "),
    **dict.fromkeys("→⟶↦⟼➔➜➝➞➡", "->"),
    **dict.fromkeys("⇒⟹⇔⟺", "=>"),
    **dict.fromkeys("?？؟", _QUESTION),
    "¿": OTHER,
    OTHER: OTHER,
    **dict.fromkeys("⁄∕／", "/"),
    **dict.fromkeys("⋅∙", "·"),
    **dict.fromkeys("✕✖⨯", "×"),
    **dict.fromkeys("‘’ʼ＇", "'"),
    **dict.fromkeys("，٬", ","),
    **dict.fromkeys("．٫", "."),
    **dict.fromkeys("％٪", "%"),
    **dict.fromkeys("≈≃≅≡＝", "="),
    **dict.fromkeys("＋➕", "+"),
    **dict(zip("＜＞＾｜！［］｛｝＿～∶", "<>^|![]{}_~:", strict=True)),
    "＊": "*",
    "＄": "$",
    "￥": "¥",
    "￡": "£",
    "：": ":",
    "（": "(",
    "）": ")",
    "∞": " infinity ",
    "μ": "µ",
    **dict.fromkeys("Ω\u2126", "ohm"),
    **{mark: stand_in for stand_in, mark in _SUPERSCRIPTS.items()},
    **{chr(0x2080 + value): f"_{value}" for value in range(10)},
    **dict.fromkeys("…⋯‥", "..."),
    **dict.fromkeys("〜∼", "~"),
    **dict.fromkeys("′", "'"),
    **dict.fromkeys("″", '"'),
    **{
        mark: _VULGAR + unicodedata.normalize("NFKC", mark).replace("⁄", "/") + _VULGAR_END
        for mark in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
    },
}
_TABLE = str.maketrans(_CHARACTERS)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,12}|#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5});")
_SCRIPT = re.compile(r"<(su[pb])>([^<>\n]{0,40})</\1>", re.IGNORECASE)
_RAISED = compile_bytes(r"[\x80-\x8b]+")
_TWO_FRACTIONS = compile_bytes(r"\x8e([0-9.\x8f])")
_MIXED = compile_bytes(r"([0-9])\x8f")
_VULGAR_MARKS = (_VULGAR + _VULGAR_END).encode("latin-1")
_RAISED_DIGITS = bytes.maketrans(bytes(range(0x80, 0x8C)), b"0123456789+-")


def plain(text: str) -> bytes:
    """Rewrite `text` in the one notation the scanner reads, one Latin-1 byte a character."""
    if "&" in text:
        text = _ENTITY.sub(lambda match: unescape(match.group()), text)
    if "<s" in text or "<S" in text:
        text = _SCRIPT.sub(lambda match: f"{'^' if match[1].lower() == 'sup' else '_'}{{{match[2]}}}", text)
    if text.isascii():
        data = text.encode()
    else:
        data = text.translate(_TABLE).encode("latin-1", "replace").translate(_UNKNOWN)
        data = _RAISED.sub(lambda match: b"^" + (match.group() or b"").translate(_RAISED_DIGITS), data)
        data = _TWO_FRACTIONS.sub(rb"\1\xac", data)
        data = _MIXED.sub(rb"\1 ", data).translate(None, _VULGAR_MARKS)
    if b"\\" in data or b"{" in data:
        data = without_latex(data)
    return data
