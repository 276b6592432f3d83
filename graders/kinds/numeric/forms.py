"""The written form of one number: its pattern, its parts, and its exact value."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, Self

from graders.kinds.numeric.marks import DASH, SPACES, BytesPattern, compile_bytes

Percent = Literal["ratio", "number"]

MAX_DIGITS: Final = 400
"""Digits of one number: past the 309 that the largest float has, and few enough that arithmetic on them costs nothing."""

_PATTERN = (
    r"(?P<sign>[+\xad-])?"
    r"(?P<before>(?:\b(?:(?:USD|EUR|GBP|JPY|INR|CNY|CHF|CAD|AUD)[ \xa0]?|[A-Z]{1,2}))?[$\xa3\xa4\xa5][ \xa0]?"
    r"|\b(?:USD|EUR|GBP|JPY|INR|CNY|CHF|CAD|AUD|Rs\.?)[ \xa0]?)?"
    r"(?P<inner>[+\xad-])?"
    r"(?P<body>[0-9]+[ \xa0]+[0-9]+[ \xa0]?/[ \xa0]?[0-9]+|[0-9]+(?: /[ \xa0]?|[ \xa0]?/ )[0-9]+|[0-9]{1,3}(?: [0-9]{3})+\b(?:[.,][0-9]+)?|\.?[0-9]+(?:[,.'_\xa0:/\xad-][0-9]+)*)"
    r"(?P<exponent>\.?[eE][+\xad-]?[0-9]+|[ \xa0]?[xX\xd7\xb7*][ \xa0]?10[ \xa0]?(?:\^|\*\*)[ \xa0]?\(?[+\xad-]?[0-9]+\)?)?"
    r"(?P<power>[ \xa0]?(?:\^|\*\*)[ \xa0]?\(?[+\xad-]?[0-9]+\)?)?"
    r"(?P<percent>[ \xa0]{0,3}%|[ \xa0]*(?i:per ?cent|pct)\b)?"
    r"(?P<magnitude>(?:[ \xa0]{0,4}|-)(?i:hundred|thousand|million|billion|trillion|lakh|crore)s?\b)?"
    r"(?P<unsure>(?:[ \xa0]{0,4}|-)(?:dozen|[Pp]i|k|K|M|B|bn|mn|tn)\b)?"
    r"(?P<after>[$\xa3\xa5]|[ \xa0]?\xa4|[ \xa0]?(?:USD|EUR|GBP|JPY|INR|CNY|CHF|CAD|AUD)\b)?"
    r"|(?P<nonfinite>\b(?:nan|NaN|NAN|inf|Inf|INF|infinity|Infinity|INFINITY)\b)"
)
SPAN = compile_bytes(re.sub(r"\(\?P<\w+>", "(?:", _PATTERN))
"""Finds numbers; without groups, RE2 runs its fastest engine (3 ms for a megabyte of digits, 500 ms with groups)."""
_NUMBER = compile_bytes(_PATTERN)
_NONFINITE = 11  # the group's number: google-re2 is ten times slower by name
_WESTERN = r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:'[0-9]{3})+|(?:_[0-9]{3})+|(?:\xa0[0-9]{3})+)(?:\.[0-9]+)?"
_INDIAN = r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?"
_TIME_OR_RATIO = r"[0-9]+(?::[0-9]+)+(?:\.[0-9]+)?"
_VERSION = r"[0-9]+(?:\.[0-9]+){2,}"
_DATE = r"[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SHAPES: tuple[tuple[str, BytesPattern], ...] = (
    ("integer", compile_bytes(r"[0-9]+")),
    ("decimal", compile_bytes(r"[0-9]*\.[0-9]+")),
    ("thousands", compile_bytes(f"{_WESTERN}|{_INDIAN}")),
    ("fraction", compile_bytes(r"[0-9]+[ \xa0]?/[ \xa0]?[0-9]+")),
    ("mixed", compile_bytes(r"[0-9]+[ \xa0]+[0-9]+[ \xa0]?/[ \xa0]?[0-9]+")),
    ("", compile_bytes(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}")),
    ("name", compile_bytes(f"{_TIME_OR_RATIO}|{_VERSION}|{_DATE}")),
)
_SIMPLE = re.compile(r"([+-]?)(?:([0-9]+)|([0-9]+\.[0-9]+)|([1-9][0-9]{0,2}(?:,[0-9]{3})+))")
"""The commonest forms, which need no search for everything else that a number may have."""
_NOT_DIGITS = compile_bytes(r"[^0-9]+")
_MAGNITUDES = {"hundred": 2, "thousand": 3, "lakh": 5, "million": 6, "crore": 7, "billion": 9, "trillion": 12}


class NumberError(ValueError):
    """A text is not one number; the message says why."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One number taken apart; `of` gives None for a word such as `nan`."""

    body: str
    form: str
    negative: bool = False
    signs: int = 0
    exponent: str = ""
    power: str = ""
    percent: bool = False
    magnitude: str = ""
    unsure: bool = False
    currency: bool = False

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Take apart what `SPAN` found; None for a word such as `nan`."""
        if text.isdigit():
            return cls(text, "integer")
        if simple := _SIMPLE.fullmatch(text):
            sign, whole, decimal, thousands = simple.groups("")
            form = "integer" if whole else "decimal" if decimal else "thousands"
            return cls(whole or decimal or thousands, form, negative=sign == "-", signs=len(sign))
        match = _NUMBER.fullmatch(text.encode("latin-1"))
        if match is None or match.group(_NONFINITE):
            return None
        sign, before, inner, body, exponent, power, percent, magnitude, unsure, after, _ = (
            part.decode("latin-1").strip(SPACES) for part in match.groups(b"")
        )
        form = next((form for form, shape in _SHAPES if shape.fullmatch(body.encode("latin-1"))), "")
        return cls(
            body,
            "" if exponent.startswith(".") and form != "integer" else form,
            negative=(sign + inner)[:1] in ("-", DASH),
            signs=len(sign + inner),
            exponent=_exponent(exponent),
            power=_exponent(power),
            percent=bool(percent),
            magnitude=magnitude.lower().removesuffix("s").strip("-"),
            unsure=bool(unsure),
            currency=after not in ("", "$") or (bool(before) and (before, after) != ("$", "$")),
        )

    def forms(self) -> str:
        """What was accepted, joined by `+`."""
        scientific = "scientific" if self.exponent or self.power else ""
        marks = (
            "currency" if self.currency else "",
            scientific if scientific and self.form == "integer" else self.form,
            scientific if self.form != "integer" else "",
            "percent" if self.percent else "",
            "magnitude" if self.magnitude else "",
        )
        return "+".join(mark for mark in marks if mark)

    def exact(self, percent: Percent) -> Fraction:
        """The value, without rounding.

        Raises:
            NumberError: When it is not finite, underflows, or can be read in two ways.
        """
        if not self.form or self.signs > 1 or self.unsure:
            raise NumberError("ambiguous: it can be read in more than one way")
        if self.power and (self.body != "10" or self.exponent):
            raise NumberError("part of a larger expression")
        shift = _MAGNITUDES.get(self.magnitude, 0) - (2 if self.percent and percent == "ratio" else 0)
        if self.power:
            base, shift = Fraction(1), shift + _bounded(self.power)
        else:
            base, shift = self._base(), shift + _bounded(self.exponent or "0")
        value = base * Fraction(10) ** shift if shift else base
        try:
            underflows = bool(value) and not float(value)
        except OverflowError:
            underflows = True
        if underflows:
            raise NumberError("not finite")
        return -value if self.negative else value

    def _base(self) -> Fraction:
        if self.form == "integer" and len(self.body) <= MAX_DIGITS:
            return Fraction(int(self.body))
        digits = _NOT_DIGITS.sub(b" ", self.body.encode("latin-1")).decode().split()
        if sum(map(len, digits)) > MAX_DIGITS:
            raise NumberError(f"longer than {MAX_DIGITS} digits")
        if self.form not in ("fraction", "mixed"):
            before, _, after = self.body.partition(".")
            whole_digits = "".join(filter(str.isdigit, before))
            return Fraction(int(f"{whole_digits}{after}"), 10 ** len(after))
        *whole, numerator, denominator = [int(part) for part in digits]
        if not denominator or (whole and numerator >= denominator) or self.exponent:
            raise NumberError("not a proper fraction")
        return sum(whole) + Fraction(numerator, denominator)


def _exponent(written: str) -> str:
    """The digits of `e+3`, `×10^(3)` or `^3`, with their sign."""
    written = written.removeprefix(".")  # numpy prints 1.e+05
    digits = written.replace("**", "^").rpartition("^")[2] if written[:1] not in ("e", "E") else written[1:]
    return digits.strip(f"(){SPACES}").replace(DASH, "-")


def _bounded(exponent: str) -> int:
    """An exponent as a number, before which arithmetic on it is cheap."""
    if len(exponent) > 4:
        raise NumberError("not finite")
    return int(exponent)
