"""Write `tests/data/worked_answers.jsonl`: worked answers as models write them, with the number that each states.

    .venv/bin/python -m tools.make_worked_answers

A row has the text, where its answer stands (`extract`, as `numeric_check` has it) and the exact `answer` (`1080`, `7/2`). The
value is known because the text is made from it: a story in one of several languages is calculated step by step, and its
result is written in one of the forms that models use, behind one of the markers that they use, amid thoughts, closing
sentences and stray characters. No digit follows the answer, so it is also the last number of the text. The seed is fixed.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "worked_answers.jsonl"
ROWS = 480

DIGITS = {
    "ar": "٠١٢٣٤٥٦٧٨٩",
    "fa": "۰۱۲۳۴۵۶۷۸۹",
    "hi": "०१२३४५६७८९",
    "bn": "০১২৩৪৫৬৭৮৯",
    "th": "๐๑๒๓๔๕๖๗๘๙",
    "zh": "０１２３４５６７８９",
    "ja": "０１２３４５６７８９",
}
"""The digits that a language has beside the ASCII ones."""


@dataclass(frozen=True, slots=True)
class Story:
    """A problem's solution: its steps, with `{a}`, `{b}`, `{c}`, what is between (`{d}`) and the result (`{r}`)."""

    language: str
    steps: tuple[str, ...]
    calculate: Callable[[int, int, int], tuple[Fraction, Fraction]]


def _times_minus(a: int, b: int, c: int) -> tuple[Fraction, Fraction]:
    return Fraction(a * b), Fraction(a * b - c)


def _plus_times(a: int, b: int, c: int) -> tuple[Fraction, Fraction]:
    return Fraction(a + b), Fraction((a + b) * c)


def _times_over(a: int, b: int, c: int) -> tuple[Fraction, Fraction]:
    return Fraction(a * b), Fraction(a * b, c)


def _minus_times(a: int, b: int, c: int) -> tuple[Fraction, Fraction]:
    return Fraction(b * c), Fraction(a - b * c)


# fmt: off
STORIES = (
    Story("en", ("The lift starts on floor {a} and goes down {b} floors {c} times, {d} floors in all.", "It is now on floor {a} - {d} = {r}."), _minus_times),
    Story("en", ("The bakery makes {a} * {b} = {d} rolls in a morning.", "{c} of them stay on the shelf, so {d} - {c} = {r} rolls are sold."), _times_minus),
    Story("en", ("Each crate holds {a} red and {b} green bottles: {a} + {b} = <<{a}+{b}={d}>>{d}.", "The van carries {c} crates, which is {d} x {c} = <<{d}*{c}={r}>>{r} bottles."), _plus_times),
    Story("en", ("{a} hives with {b} jars of honey each give {a} × {b} = {d} jars.", "Shared by {c} neighbours, everyone gets {d} ÷ {c} jars."), _times_over),
    Story("en", ("Step 1: the tank takes in {a} litres a minute for {b} minutes, {d} litres in all.", "Step 2: {c} litres leak away again. {d} − {c} = {r}."), _times_minus),
    Story("de", ("Im Saal stehen {a} Reihen mit je {b} Stühlen, also {a} · {b} = {d} Stühle.", "{c} davon bleiben leer: {d} - {c} = {r}."), _times_minus),
    Story("fr", ("Le jardin donne {a} kilos de poires et {b} kilos de prunes, soit {a} + {b} = {d} kilos par semaine.", "En {c} semaines, cela fait {d} × {c} = {r} kilos."), _plus_times),
    Story("es", ("El barco hace {a} viajes con {b} pasajeros: {a} x {b} = {d}.", "Se bajan {c} antes de llegar, {d} - {c} = {r}."), _times_minus),
    Story("hi", ("एक डिब्बे में {a} लाल और {b} नीली पेंसिलें हैं: {a} + {b} = {d}।", "ऐसे {c} डिब्बों में {d} × {c} = {r} पेंसिलें हैं।"), _plus_times),
    Story("ar", ("في الحديقة {a} صفوف وفي كل صف {b} شجرة: {a} × {b} = {d}.", "قطعنا {c} منها، فيبقى {d} - {c} = {r}."), _times_minus),
    Story("fa", ("هر روز {a} نامه صبح و {b} نامه عصر می‌رسد: {a} + {b} = {d}.", "در {c} روز می‌شود {d} × {c} = {r}."), _plus_times),
    Story("bn", ("প্রতি ঝুড়িতে {b}টি করে {a} ঝুড়িতে {a} × {b} = {d}টি আম।", "{c}টি বিক্রি হলে থাকে {d} - {c} = {r}টি।"), _times_minus),
    Story("th", ("ห้องสมุดมี {a} ชั้น ชั้นละ {b} เล่ม รวม {a} × {b} = {d} เล่ม", "ยืมไป {c} เล่ม เหลือ {d} - {c} = {r} เล่ม"), _times_minus),
    Story("zh", ("每箱有{a}个苹果和{b}个梨:{a} + {b} = {d}。", "{c}箱一共有{d} × {c} = {r}个。"), _plus_times),
    Story("ja", ("一日に{a}回、毎回{b}人が乗るので、{a} × {b} = {d}。", "途中で{c}人が降りて、{d} - {c} = {r}。"), _times_minus),
)

MARKERS: dict[str, tuple[str, ...]] = {
    "en": ("Answer:", "Final answer:", "The answer is", "**Answer:**", "Result ="),
    "de": ("Antwort:", "Ergebnis:"), "fr": ("Réponse :", "Résultat :"), "es": ("Respuesta:", "Resultado:"),
    "hi": ("उत्तर:",), "ar": ("الجواب:",), "fa": ("پاسخ:",), "bn": ("উত্তর:",), "th": ("คำตอบ:",), "zh": ("答案:",), "ja": ("答え:",),
}
"""What models write before their answer, beside `####`, boxes and tags."""

THOUGHTS = (
    "<think>\nA quick estimate says {w}, but that skips a step. Slowly now.\n</think>\n\n",
    "<think>Is it {w}? The sum does not come out, so no.</think>\n",
    "<|thinking|> {w}? Too hasty, one thing after the other. <|/thinking|>\n",
    "<reasoning>\n- rough guess: {w}\n- better count it all\n</reasoning>\n",
    "◁think▷ maybe {w}, maybe more ◁/think▷\n",
    "> *thinking:* about {w}, to be worked out below\n\n",
)
"""What comes first, with another number in it."""

CLOSINGS = ("", "", "", "\n", "\n\nHope that helps!", "\n\n🎉", "\n<|im_end|>", "</s>", "\n---\n", "\r\n", " ✅", "\n\n\u200b")
"""What comes last; none of it has a digit."""

STRAY = ("", "", "", "", "!!!", ".", "。", " ", "\u00a0", "\u200b", "\u200e", " .", "\t", " !", "…")
"""Characters that cling to the answer."""
# fmt: on


def _forms(value: Fraction, *, latex: bool) -> list[str]:
    """The ways to write a value in ASCII digits which have one reading."""
    return list(
        _fractions(value, latex=latex) if value.denominator > 1 else _integers(int(value), latex=latex)
    )


def _fractions(value: Fraction, *, latex: bool) -> Iterator[str]:
    whole, rest = divmod(value.numerator, value.denominator)
    yield f"{value.numerator}/{value.denominator}"
    if whole:
        yield f"{whole} {rest}/{value.denominator}"
    if latex:
        yield rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        yield rf"\dfrac{{{value.numerator}}}{{{value.denominator}}}"
    if not 100 % value.denominator:
        yield f"{value.numerator * 100 // value.denominator}%"
        yield f"{float(value):.2f}"


def _integers(number: int, *, latex: bool) -> Iterator[str]:
    yield from (f"{number}", f"{number}", f"{number}.0", f"{number}.00")
    if number < 0:
        yield from (f"\u2212{-number}", f"\uff0d{-number}")
    else:
        yield from (f"+{number}", f"${number}", f"€{number:,}", f"{number} €")
    if abs(number) >= 1_000:
        yield from (f"{number:,}", f"{number:,}.00", f"{number:,}".replace(",", "\u202f"), f"{number:_}")
    if not number % 10:
        yield f"{number // 10}e1"
    if latex:
        yield from (rf"\text{{{number}}}", f"{number:,}".replace(",", "{,}"))


def _written(value: Fraction, story: Story, chance: random.Random, *, latex: bool = False) -> str:
    """A form of a value; where commas and points swap their meanings, one without them."""
    forms = _forms(value, latex=latex)
    safe = [form for form in forms if story.language == "en" or not set(form) & set(".,")]
    return chance.choice(safe)


def _stated(value: Fraction, story: Story, chance: random.Random) -> tuple[str, Any]:
    """The line that states the answer, and where it stands there."""
    how = chance.choice(("hashes", "hashes", "marker", "marker", "boxed", "tag", "prose"))
    if how == "boxed":
        box = rf"\boxed{{{_written(value, story, chance, latex=True)}}}"
        return chance.choice((box, f"${box}$", f"$$\n{box}\n$$", rf"\[ {box} \]", f"So: {box}")), "boxed"
    number = _written(value, story, chance)
    if how == "hashes":
        space = chance.choice((" ", "", "  ", "\t", "\n"))
        return f"####{space}{number}{chance.choice(STRAY)}", {"after": "####"}
    if how == "marker":
        marker = chance.choice(MARKERS[story.language])
        stars = chance.choice(("", "", "**"))
        return f"{marker} {stars}{number}{stars}{chance.choice(STRAY)}", {"after": marker}
    if how == "tag":
        tag = chance.choice(("answer", "result", "final"))
        return f"<{tag}>{number}</{tag}>", {"regex": f"(?s)<{tag}>(.*?)</{tag}>"}
    return f"{MARKERS[story.language][0]} {number}{chance.choice(STRAY)}", "last"


def _row(story: Story, chance: random.Random) -> dict[str, Any]:
    a, b, c = chance.randint(11, 99), chance.randint(4, 60), chance.randint(2, 40)
    between, value = story.calculate(a, b, c)
    names = {"a": a, "b": b, "c": c, "d": between, "r": value}
    line, extract = _stated(value, story, chance)
    end = chance.choice(("\n", "\n", "\n\n", "\r\n"))
    text = end.join([*(step.format(**names) for step in story.steps), line])
    if chance.random() < 0.4:
        text = chance.choice(THOUGHTS).format(w=value.numerator + chance.randint(1, 90)) + text
    text += chance.choice(CLOSINGS)
    if story.language in DIGITS and chance.random() < 0.7:
        text = text.translate(str.maketrans("0123456789", DIGITS[story.language]))
    return {"language": story.language, "text": text, "extract": extract, "answer": str(value)}


def rows() -> list[dict[str, Any]]:
    """All rows, the same ones each time."""
    chance = random.Random(1701)  # noqa: S311  # reproducible texts, no secret
    return [_row(STORIES[number % len(STORIES)], chance) for number in range(ROWS)]


def as_lines() -> str:
    """The file: a row a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


if __name__ == "__main__":
    OUTPUT.write_text(as_lines(), encoding="utf-8")
    print(f"{OUTPUT}: {ROWS} rows")
