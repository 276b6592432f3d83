"""The Porter stemmer with NLTK's extensions, which METEOR's second stage compares words by.

M. Porter, "An algorithm for suffix stripping", Program 14.3 (1980), pp. 130-137. Where NLTK's default mode
(`NLTK_EXTENSIONS`) departs from the paper, so do we, down to its oddities: the numbers of METEOR depend on it.
Importing NLTK costs more than half a second, so it is the oracle of the tests instead.
"""

from __future__ import annotations

from typing import Final

__all__ = ["stem"]

_IRREGULAR: Final = {
    "skies": "sky",
    "sky": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "news": "news",
    "innings": "inning",
    "inning": "inning",
    "outings": "outing",
    "outing": "outing",
    "cannings": "canning",
    "canning": "canning",
    "howe": "howe",
    "proceed": "proceed",
    "exceed": "exceed",
    "succeed": "succeed",
}

# In each step the first suffix that fits decides, also when its condition then fails: "ational" before "tional".
_STEP_2: Final = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "bli": "ble",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
    "fulli": "ful",
}
_STEP_3: Final = {
    "icate": "ic",
    "ative": "",
    "alize": "al",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
}
_STEP_4: Final = dict.fromkeys(
    [
        "al",
        "ance",
        "ence",
        "er",
        "ic",
        "able",
        "ible",
        "ant",
        "ement",
        "ment",
        "ent",
        "ou",
        "ism",
        "ate",
        "iti",
        "ous",
        "ive",
        "ize",
    ],
    "",
)
"""All but "ion", which needs an "s" or "t" before it."""


def stem(word: str) -> str:
    """Return the stem of a word in lower case; any text is accepted, in time linear in its length."""
    if len(word) <= 2:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    word = _past_and_gerund(_plural(word))
    if word.endswith("y") and len(word) > 2 and _shape(word[:-1])[-1] == "c":
        word = word[:-1] + "i"  # step 1c: NLTK turns "happy" and "fly", not "enjoy", nor "by"
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        word = word[:-2]  # NLTK: "radically" first loses its adverb's ending, then runs through step 2
    if word.endswith("logi"):
        word = word[:-1] if _measure(word[:-3]) > 0 else word  # NLTK: the "l" counts, for "geology"
    else:
        word = _strip(word, _STEP_2, 0)
    word = _strip(word, _STEP_3, 0)
    if word.endswith("ion"):
        word = word[:-3] if word.endswith(("sion", "tion")) and _measure(word[:-3]) > 1 else word
    else:
        word = _strip(word, _STEP_4, 1)
    return _final_letters(word)


def _plural(word: str) -> str:
    """Step 1a: caresses, ponies, caress, cats."""
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]  # NLTK: "dies" is "die", "flies" is "fli"
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _past_and_gerund(word: str) -> str:
    """Step 1b: agreed, plastered, motoring."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]  # NLTK: "died" is "die", "spied" is "spi"
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix) and "v" in _shape(word[: -len(suffix)]):
            return _restored(word[: -len(suffix)])
    return word


def _restored(word: str) -> str:
    """Give back what a lost -ed or -ing had taken: conflat(e), hop(p), fil(e)."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    shape = _shape(word)
    # NLTK writes the paper's condition "*d" (double consonant) among the suffixes, so it also strikes the star
    # out of a word that ends in "*d". The values of METEOR come from there; we keep it.
    if (word[-2:-1] == word[-1] and shape[-1] == "c") or word.endswith("*d"):
        return word if word[-1] in "lsz" else word[:-2] + word[-1]
    if shape.count("vc") == 1 and _ends_short(word, shape):
        return word + "e"
    return word


def _final_letters(word: str) -> str:
    """Step 5: probate, cease, controll."""
    if word.endswith("e"):
        shape = _shape(word[:-1])
        measure = shape.count("vc")
        if measure > 1 or (measure == 1 and not _ends_short(word[:-1], shape)):
            word = word[:-1]
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        return word[:-1]
    return word


def _strip(word: str, rules: dict[str, str], above: int) -> str:
    """Replace the first suffix that fits when what stands before it has a measure above the limit."""
    if word.endswith(tuple(rules)):  # one call decides the usual case: no suffix of this step
        suffix = next(filter(word.endswith, rules))
        rest = word.removesuffix(suffix)
        if _measure(rest) > above:
            return rest + rules[suffix]
    return word


def _shape(word: str) -> str:
    """Return "c" for each consonant and "v" for each vowel; a "y" is a vowel after a consonant."""
    shape = []
    consonant = False
    for letter in word:
        consonant = letter not in "aeiou" and not (letter == "y" and consonant)
        shape.append("c" if consonant else "v")
    return "".join(shape)


def _measure(word: str) -> int:
    """Return the paper's m: how often a consonant follows a vowel."""
    return _shape(word).count("vc")


def _ends_short(word: str, shape: str) -> bool:
    """Return the paper's *o, consonant-vowel-consonant but not w, x, y ("hop"); NLTK adds "at"."""
    return (shape.endswith("cvc") and word[-1] not in "wxy") or shape == "vc"
