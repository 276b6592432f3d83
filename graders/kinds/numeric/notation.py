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
* every currency sign but `$`, `£`, `¥`: `COIN`; zero-width and direction marks: nothing;
* what makes a number part of a larger expression (roots, π, ±, inequalities, ‰, CJK myriads, unknown LaTeX commands):
  `ALGEBRA`.
"""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import re2

DASH: Final = "\xad"
GAP: Final = "\xa0"
COIN: Final = "\xa4"
SPACES: Final = f" \t{GAP}"
ALGEBRA: Final = "\xac"
GREEK: Final = "\xf0"
"""A letter that stands in for every Greek one: after a number it is a variable."""


class Match(Protocol):
    """What is used of a google-re2 match on bytes (the library ships no types)."""

    def group(self, group: int = 0, /) -> bytes | None:
        """The text of a group, None when it took no part."""
        ...

    def groups(self, default: bytes, /) -> tuple[bytes, ...]:
        """Every group, with a default for those that took no part."""
        ...

    def span(self) -> tuple[int, int]:
        """Where the match begins and ends."""
        ...


class BytesPattern(Protocol):
    """What is used of a google-re2 pattern on bytes."""

    def sub(self, repl: bytes | Callable[[Match], bytes], text: bytes, /) -> bytes:
        """Replace every match."""
        ...

    def search(self, text: bytes, /) -> Match | None:
        """The first match anywhere in the text."""
        ...

    def fullmatch(self, text: bytes, /) -> Match | None:
        """Match the whole text."""
        ...

    def finditer(self, text: bytes, /) -> Iterator[Match]:
        """Every match, left to right."""
        ...


def compile_bytes(pattern: str) -> BytesPattern:
    """Compile a google-re2 pattern for Latin-1 bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: BytesPattern = re2.compile(pattern.encode("latin-1"), options)
    return compiled


# fmt: off
_ZEROS = (
    0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0, 0x0F20, 0x1040,
    0x17E0, 0x1810, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)
# fmt: on
_SUPERSCRIPTS = {chr(0x80 + value): mark for value, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")}
_VULGAR = "\x8f"
_CHARACTERS: dict[str, str] = {
    **{chr(control): " " for control in range(0x80, 0xA0)},
    **{chr(letter): GREEK for letter in range(0x0370, 0x0400) if chr(letter).isalpha()},
    **{chr(zero + value): str(value) for zero in _ZEROS for value in range(10)},
    **dict.fromkeys("−﹣－‐‑➖˗负負", "-"),
    **dict.fromkeys("‒–—―", DASH),
    **dict.fromkeys("\u2007\u2009\u202f", GAP),
    **dict.fromkeys(
        "\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff\u202a\u202b\u202c\u202d\u202e", ""
    ),
    **dict.fromkeys("€₹₩₽₺₫₦₱₪₴฿₡₲₵₸₼₾₿", COIN),
    **dict.fromkeys("π√∛∜∑∏∫∂±∓≤≥≠≮≯⩽⩾≦≧≨≩≲≳≪≫≁≄≉≇≢∈∉⌊⌋⌈⌉❌✗✘‰‱万萬亿億千百十兆만억천백", ALGEBRA),
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
    **{
        mark: _VULGAR + unicodedata.normalize("NFKC", mark).replace("⁄", "/") for mark in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
    },
}
_TABLE = str.maketrans(_CHARACTERS)
_RAISED = compile_bytes(r"[\x80-\x8b]+")
_TWO_FRACTIONS = compile_bytes(r"(/[0-9]+)\x8f")
_MIXED = compile_bytes(r"([0-9])\x8f")
_RAISED_DIGITS = bytes.maketrans(bytes(range(0x80, 0x8C)), b"0123456789+-")

_COMMANDS: dict[bytes, bytes] = {
    **dict.fromkeys(
        (b"!", b"left", b"right", b"displaystyle", b"textstyle", b"scriptstyle", b"mathstrut"), b""
    ),
    **dict.fromkeys(b"big Big bigg Bigg bigl bigr Bigl Bigr limits".split(), b""),
    **dict.fromkeys((b" ", b"\\", b"(", b")", b"[", b"]", b"quad", b"qquad", b"newline", b"/"), b" "),
    **dict.fromkeys((b",", b";", b":", b">", b"thinspace"), GAP.encode("latin-1")),
    **dict.fromkeys(
        b"text textbf textit textrm textsf texttt textup textsl textsc textnormal mathrm mathbf mathit mathsf mathtt mathnormal "
        b"boxed fbox framebox mbox hbox makebox boldsymbol bm pmb emph underline num ang unit si ensuremath operatorname "
        b"rm bf it sf tt sc sl em cal bfseries itshape rmfamily large Large LARGE huge Huge small normalsize tiny".split(),
        b" ",
    ),
    **dict.fromkeys(
        b"approx sim simeq equiv cong implies iff Rightarrow Longrightarrow Leftrightarrow rightarrow longrightarrow mapsto to "
        b"therefore".split(),
        b"=",
    ),
    **{mark: mark for mark in (b"%", b"$", b"#", b"&", b"_", b"{", b"}")},
    **dict.fromkeys((b"times", b"ast"), "×".encode("latin-1")),
    b"cdot": "·".encode("latin-1"),
    b"div": "÷".encode("latin-1"),
    b"infty": b" infinity ",
    **dict.fromkeys((b"circ", b"degree", b"textdegree"), "°".encode("latin-1")),
    **dict.fromkeys((b"Omega", b"ohm"), b" ohm "),
    **dict.fromkeys((b"mu", b"micro", b"textmu"), " µ".encode("latin-1")),
    **dict.fromkeys((b"pounds", b"textsterling"), "£".encode("latin-1")),
    **dict.fromkeys((b"yen", b"textyen"), "¥".encode("latin-1")),
    b"textdollar": b"$",
    b"textminus": b"-",
    **dict.fromkeys((b"euro", b"texteuro"), COIN.encode("latin-1")),
}
_COMMAND = compile_bytes(r"\\([A-Za-z]+|(?s:.))")
_TOP = r"(?:\{\s*([-+]?)\s*([0-9]+)\s*\}|([0-9]))"
_BOTTOM = r"(?:\{\s*([0-9]+)\s*\}|([0-9]))"
_FRACTION = r"\\(?:[dtc]?frac|sfrac|nicefrac|tfrac)\s*"
_REWRITES: tuple[tuple[BytesPattern, bytes], ...] = (
    (compile_bytes(r"\{,\}"), b","),
    (compile_bytes(r"\\(?:tag|label|ref|eqref|hspace|vspace|phantom|hphantom|color)\*?\s*\{[^{}]*\}"), b" "),
    (compile_bytes(r"\\(?:textcolor|colorbox)\s*\{[^{}]*\}"), b" "),
    (compile_bytes(r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([\\a-zA-Z\s./^0-9]*)\}"), rb" \1 \\siunit{\2} "),
    (compile_bytes(r"\{\s*10\s*\}\s*\^"), b"10^"),
    (compile_bytes(r"\b([kMGm])\s*\}?\s*\\(?:Omega|ohm)\b"), rb"\1ohm "),
    (compile_bytes(r"\\(?:not\s*=|neq?\b)"), ALGEBRA.encode("latin-1")),
    (compile_bytes(r"\^\s*\{?\s*\\(?:circ|degree)\b\s*\}?"), "°".encode("latin-1")),
    (compile_bytes(rf"([0-9])\s*{_FRACTION}{_TOP}\s*{_BOTTOM}"), rb"\1 \2\3\4/\5\6 "),
    (compile_bytes(rf"{_FRACTION}{_TOP}\s*{_BOTTOM}"), rb"\1\2\3/\4\5 "),
    (compile_bytes(r"\{?\s*([-+]?[0-9]+)\s*\\over\s*([0-9]+)\s*\}?"), rb"\1/\2 "),
)
_UNIT = compile_bytes(r"\\siunit\{([^{}]*)\}")
_SCRIPT = compile_bytes(r"([_^])\s*\{\s*")


def plain(text: str) -> bytes:
    """Rewrite `text` in the one notation the scanner reads, one Latin-1 byte a character."""
    if text.isascii():
        data = text.encode()
    else:
        data = text.translate(_TABLE).encode("latin-1", "replace")
        data = _RAISED.sub(lambda match: b"^" + (match.group() or b"").translate(_RAISED_DIGITS), data)
        data = _TWO_FRACTIONS.sub(rb"\1\xac", data)
        data = _MIXED.sub(rb"\1 ", data).replace(_VULGAR.encode("latin-1"), b"")
    if b"\\" in data or b"{" in data:
        data = _without_latex(data)
    return data


def _without_latex(data: bytes) -> bytes:
    for pattern, replacement in _REWRITES:
        data = pattern.sub(replacement, data)
    data = _UNIT.sub(_unit, data)
    data = _COMMAND.sub(lambda match: _COMMANDS.get(match.group(1) or b"", ALGEBRA.encode("latin-1")), data)
    return _SCRIPT.sub(rb"\1", data).replace(b"{", b" ").replace(b"}", b" ")


def _unit(match: Match) -> bytes:
    r"""The unit of siunitx's `\SI{42}{\metre}`: percent, or one that leaves the number what it is."""
    return b"%" if b"percent" in (match.group(1) or b"") else b" unit "
