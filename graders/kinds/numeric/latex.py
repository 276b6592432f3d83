r"""LaTeX in the plain notation: commands that only dress a number go, all others make it part of an expression."""

from graders.kinds.numeric.marks import ALGEBRA, COIN, GAP, BytesPattern, Match, compile_bytes

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


def without_latex(data: bytes) -> bytes:
    for pattern, replacement in _REWRITES:
        data = pattern.sub(replacement, data)
    data = _UNIT.sub(_unit, data)
    data = _COMMAND.sub(lambda match: _COMMANDS.get(match.group(1) or b"", ALGEBRA.encode("latin-1")), data)
    return _SCRIPT.sub(rb"\1", data).replace(b"{", b" ").replace(b"}", b" ")


def _unit(match: Match) -> bytes:
    r"""The unit of siunitx's `\SI{42}{\metre}`: percent, or one that leaves the number what it is."""
    return b"%" if b"percent" in (match.group(1) or b"") else b" unit "
