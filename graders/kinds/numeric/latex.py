r"""LaTeX in the plain notation: commands that only dress a number go, all others make it part of an expression."""

from fractions import Fraction
from typing import Final

from graders.kinds.numeric.latex_extents import NOT_A_NUMBER, SYMBOL, closings, extent
from graders.kinds.numeric.marks import ALGEBRA, COIN, GAP, GREEK, BytesPattern, Match, compile_bytes

_MAX_DECIMALS: Final = 100
"""Digits of a fraction of decimal numbers."""

_COMMANDS: dict[bytes, bytes] = {
    **dict.fromkeys(
        (b"!", b"left", b"right", b"displaystyle", b"textstyle", b"scriptstyle", b"mathstrut"), b""
    ),
    **dict.fromkeys(b"big Big bigg Bigg bigl bigr Bigl Bigr limits".split(), b""),
    **dict.fromkeys((b"\\", b"newline"), b"\n"),
    **dict.fromkeys((b"(", b")", b"[", b"]", b"quad", b"qquad", b"/"), b" "),
    **dict.fromkeys((b"boxed", b"fbox", b"framebox"), b"\t"),
    **dict.fromkeys((b" ", b",", b";", b":", b">", b"thinspace"), GAP.encode("latin-1")),
    **dict.fromkeys(
        b"text textbf textit textrm textsf texttt textup textsl textsc textnormal mathrm mathbf mathit mathsf mathtt mathnormal "
        b"mbox hbox makebox boldsymbol bm pmb emph underline num ang unit si ensuremath operatorname "
        b"rm bf it sf tt sc sl em cal bfseries itshape rmfamily large Large LARGE huge Huge small normalsize tiny".split(),
        b" ",
    ),
    **dict.fromkeys(b"approx sim simeq equiv cong".split(), b"="),
    **dict.fromkeys(b"implies iff Rightarrow Longrightarrow Leftrightarrow therefore".split(), b"=>"),
    **dict.fromkeys(b"rightarrow longrightarrow mapsto longmapsto to".split(), b"->"),
    **dict.fromkeys(
        b"alpha beta gamma delta epsilon varepsilon eta theta vartheta iota kappa lambda nu xi rho sigma tau upsilon chi psi omega "
        b"Delta Theta Lambda Xi Sigma Phi Psi".split(),
        GREEK.encode("latin-1"),
    ),
    **{mark: mark for mark in (b"%", b"$", b"#", b"&", b"_")},
    b"{": b"(",
    b"}": b")",
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
_NUMBER = r"[-+]?\s*(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]+)?|[-+]?\s*\.[0-9]+"
_ARGUMENT = (
    rf"(?:\{{\s*({_NUMBER})\s*\}}|\{{\s*\\(?:text|mathrm|mathbf)\s*\{{\s*({_NUMBER})\s*\}}\s*\}}|([0-9]))"
)
_FRACTION = compile_bytes(
    rf"(?:([0-9])\s*|(^|[\[({{=$:,>\n&]\s*)(-)\s*)?\\(?:[dtc]?frac|sfrac|nicefrac)\s*{_ARGUMENT}\s*{_ARGUMENT}"
)
_REWRITES: tuple[tuple[BytesPattern, bytes], ...] = (
    (compile_bytes(r"\{,\}"), b","),
    (compile_bytes(r"\\(?:tag|label|ref|eqref|hspace|vspace|phantom|hphantom|color)\*?\s*\{[^{}]*\}"), b" "),
    (compile_bytes(r"\\(?:textcolor|colorbox)\s*\{[^{}]*\}"), b" "),
    (compile_bytes(r"\\fcolorbox\s*\{[^{}]*\}\s*\{[^{}]*\}"), b" "),
    (
        compile_bytes(
            r"\\(?:begin|end)\s*\{(?:(?:fl)?align|aligned|equation|gather|gathered|split|multline|eqnarray|displaymath|math|center)\*?\}"
        ),
        b"\n",
    ),
    (compile_bytes(r"\\(?:left|right)\b"), b""),
    (compile_bytes(r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([\\a-zA-Z\s./^0-9]*)\}"), rb" \1 \\siunit{\2} "),
    (
        compile_bytes(
            r"(^|[^0-9\s}])\\(?:mathrm|operatorname|mathbf|mathsf|mathit|text)\{([A-Za-z]+)\}\s*\("
        ),
        rb"\1\2(",
    ),
    (compile_bytes(r"\b(max|min|gcd|lcm|hcf)\s*\{([^{}]*)\}"), rb"\1(\2)"),
    (compile_bytes(r"\{\s*10\s*\}\s*\^"), b"10^"),
    (compile_bytes(r"\b([kMGm])\s*\}?\s*\\(?:Omega|ohm)\b"), rb"\1ohm "),
    (compile_bytes(r"\|\s*\{([^{}|]*)\}\s*\|"), rb"|\1|"),
    (compile_bytes(r"\\(?:not\s*=|neq?\b)"), ALGEBRA.encode("latin-1")),
    (compile_bytes(r"\^\s*\{?\s*\\(?:circ|degree)\b\s*\}?"), "°".encode("latin-1")),
    (compile_bytes(r"\^\s*\{\s*(?:\\(?:text|mathrm|rm)\b\s*\{?)?\s*(st|nd|rd|th)\s*\}"), rb"\1{"),
)
_REPEATING = compile_bytes(
    r"(^|[^0-9.,A-Za-z_])([0-9]{1,40})\.([0-9]{0,40})\\(?:overline|bar|overbar)\s*(?:\{\s*([0-9]{1,40})\s*\}|([0-9]))"
)
_OVER = compile_bytes(r"\{?\s*([-+]?[0-9]+)\s*\\over\s*([0-9]+)\s*\}?")
_INFIX = compile_bytes(r"\{[^{}]*\\(?:over|choose|atop|brace|brack)\b[^{}]*\}")
_SET = compile_bytes(r"(^|[^_^}A-Za-z\\])\{(\s*[-+]?[0-9.]+(?:\s*,\s+[-+]?[0-9.]+)+\s*)\}")
_UNIT = compile_bytes(r"\\siunit\{([^{}]*)\}")
_PART = compile_bytes(r"\\([A-Za-z]+|(?s:.))|[_^]\s*\{")
_INTEGER = compile_bytes(r"\s*[-+]?\s*[0-9]+\s*")
_SUBSCRIPT = compile_bytes(r"\}\s*_")


def without_latex(data: bytes) -> bytes:
    """A text without LaTeX commands; what is left is a number only where it was one."""
    for pattern, replacement in _REWRITES:
        data = pattern.sub(replacement, data)
    data = _FRACTION.sub(_fraction, _REPEATING.sub(_repeating, data))
    data = _INFIX.sub(NOT_A_NUMBER, _OVER.sub(rb"\1/\2 ", data))
    data = _UNIT.sub(_unit, _SET.sub(rb"\1(\2)", data))
    data = _SUBSCRIPT.sub(b" " + SYMBOL + b"_", _without_commands(data))
    return data.replace(b"{", b" ").replace(b"}", b" ")


def _without_commands(data: bytes) -> bytes:
    closed: dict[int, int] | None = None
    pieces: list[bytes] = []
    position = 0
    for match in _PART.finditer(data):
        start, end = match.span()
        if start < position:
            continue  # inside the extent of a command
        pieces.append(data[position:start])
        name = match.group(1)
        known = _COMMANDS.get(name) if name else None
        if known is None:
            closed = closings(data) if closed is None else closed
            known, end = extent(data, name, end, closed) if name else _script(data, start, end, closed)
        pieces.append(known)
        position = end
    return b"".join([*pieces, data[position:]])


def _script(data: bytes, start: int, end: int, closed: dict[int, int]) -> tuple[bytes, int]:
    """A script in braces: an integer stays, anything else makes what it belongs to an expression."""
    mark, after = data[start : start + 1], closed.get(end - 1)
    if after is None:
        return mark, end
    inside = data[end : after - 1]
    if _INTEGER.fullmatch(inside):
        space = b"" if data[after : after + 1] in (b"_", b"^") else b" "
        return mark + b"".join(inside.split()) + space, after
    return mark + SYMBOL, after


def _repeating(match: Match) -> bytes:
    r"""A decimal number whose last digits repeat as a fraction: `0.1\overline{6}` is 1/6."""
    lead, whole, once, *repeated = match.groups(b"")
    digits = b"".join(repeated)
    nines = 10 ** len(digits) - 1
    exact = (int(whole + once) * nines + int(digits)) / Fraction(nines * 10 ** len(once))
    return lead + f"{exact.numerator}/{exact.denominator} ".encode()


def _fraction(match: Match) -> bytes:
    r"""`\frac{3.5}{-7}` and its like as a fraction of integers, with one sign."""
    digit, lead, minus, *arguments = match.groups(b"")
    top, bottom = (
        b"".join(b"".join(part).split()).replace(b",", b"") for part in (arguments[:3], arguments[3:])
    )
    signs = (minus + top[:1] + bottom[:1]).count(b"-")
    unsigned, below = top.lstrip(b"+-"), bottom.lstrip(b"+-")
    if digit:
        is_plain = top.isdigit() and bottom.isdigit()
        return digit + (b" " + top + b"/" + bottom + b" " if is_plain else NOT_A_NUMBER)
    if not (unsigned.isdigit() and below.isdigit()):
        if len(unsigned) + len(below) > _MAX_DECIMALS or not below.strip(b"0."):
            return lead + NOT_A_NUMBER
        exact = Fraction(unsigned.decode()) / Fraction(below.decode())
        unsigned, below = str(exact.numerator).encode(), str(exact.denominator).encode()
    sign = b"-" if signs % 2 else b"+" if top[:1] == b"+" and not signs else b""
    return lead + sign + unsigned + b"/" + below + b" "


def _unit(match: Match) -> bytes:
    r"""The unit of siunitx's `\SI{42}{\metre}`: percent, or one that leaves the number what it is."""
    return b"%" if b"percent" in (match.group(1) or b"") else b" unit "
