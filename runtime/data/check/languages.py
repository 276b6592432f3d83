"""The languages of prompts and answers, as py3langid guesses them."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from graders.installation import install_command
from runtime.data.check.base import FEWEST, Check, CheckedRow, percent
from runtime.data.findings import Finding

SAMPLED = 2_000
"""Rows that are looked at, drawn at random from all."""
LOOKED_AT = 1_000
"""Characters of a row that are looked at."""
FEWEST_LETTERS = 60
"""Letters below which a guess means nothing."""
DOMINANT = 0.9
SURE = 0.99


class Languages(Check):
    """Draws rows by reservoir sampling (Vitter's algorithm R) and guesses their languages at the end."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # no secret
        self._kept: list[tuple[int, str]] = []
        self._rows = 0
        self._counts: Counter[str] = Counter()

    def add(self, row: CheckedRow) -> tuple[Finding, ...]:
        """Keep a row, or not."""
        text = (row.view.answer or row.view.prompt)[:LOOKED_AT]
        if sum(map(str.isalpha, text)) < FEWEST_LETTERS:
            text = row.view.prompt[:LOOKED_AT]
        self._rows += 1
        if len(self._kept) < SAMPLED:
            self._kept.append((row.number, text))
        elif (place := self._random.randrange(self._rows)) < SAMPLED:
            self._kept[place] = (row.number, text)
        return ()

    def findings(self) -> Iterator[Finding]:
        """Rows in another language than nearly all others."""
        texts = [
            (number, text)
            for number, text in sorted(self._kept)
            if sum(map(str.isalpha, text)) >= FEWEST_LETTERS
        ]
        if not texts:
            return
        try:
            identifier = _identifier()
        except ImportError:
            message = "languages were not looked at: an extra is missing"
            yield Finding("not-checked", "warning", message, install_command("data"), field="languages")
            return
        guessed = [(number, *identifier.classify(text)) for number, text in texts]
        self._counts.update(language for _, language, _ in guessed)
        main, count = self._counts.most_common(1)[0]
        if len(guessed) < FEWEST or count < DOMINANT * len(guessed):
            return
        for number, language, sureness in guessed:
            if language != main and sureness >= SURE:
                message = (
                    f"it looks like {language!r}; {percent(count / len(guessed))} of the rows are {main!r}"
                )
                yield Finding("other-language", "warning", message, "remove it, unless it is meant", number)

    def figures(self) -> Mapping[str, Any]:
        """Rows by language, of those that were looked at."""
        return {
            "languages": {"looked_at": sum(self._counts.values()), "rows": dict(self._counts.most_common(20))}
        }


@cache
def _identifier() -> Any:
    """The model, which takes half a second to load."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  # an optional extra

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
