"""What we are measured against."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER_ROWS = 5_000
"""Rows that the slower peers grade; their time is per row."""


def bare_loop(samples: Sequence[str], items: Sequence[Mapping[str, str]]) -> list[float]:
    """The same comparisons with nothing around them."""
    rewards = []
    for text, item in zip(samples, items, strict=True):
        rewards.append(1.0 if text == item["answer"] else 0.0)  # the loop is what is measured
    return rewards


def peers(samples: Sequence[str], items: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Exact matches of other projects: the seconds a row of each; nothing where their environment is not there."""
    python = ROOT / ".cache" / "peers" / "bin" / "python"
    if not python.exists():
        return {}
    rows = {"samples": samples[:PEER_ROWS], "answers": [item["answer"] for item in items[:PEER_ROWS]]}
    measured = subprocess.run(  # noqa: S603  # our own script
        [str(python), "-I", str(ROOT / "benchmarks" / "peers.py")],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: dict[str, float] = json.loads(measured.stdout)
    return seconds


def references() -> dict[str, Callable[[str, str], float]]:
    """The libraries that define the metrics, without those whose data is not here."""
    import nltk  # noqa: PLC0415  # 1.6 s
    from nltk.translate import gleu_score, meteor_score  # noqa: PLC0415
    from rapidfuzz import fuzz, utils  # noqa: PLC0415
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415
    from sacrebleu import BLEU  # noqa: PLC0415

    bleu = BLEU(effective_order=True)
    rouge_1, rouge_l = RougeScorer(["rouge1"]), RougeScorer(["rougeL"])
    found: dict[str, Callable[[str, str], float]] = {
        "fuzzy_match": lambda a, b: fuzz.WRatio(a, b, processor=utils.default_process) / 100,
        "bleu": lambda a, b: bleu.sentence_score(a, [b]).score / 100,
        "gleu": lambda a, b: gleu_score.sentence_gleu([b.split()], a.split()),
        "rouge_1": lambda a, b: rouge_1.score(b, a)["rouge1"].fmeasure,
        "rouge_l": lambda a, b: rouge_l.score(b, a)["rougeL"].fmeasure,
    }
    wordnet = ROOT / ".cache" / "wordnet"
    if wordnet.is_dir():
        nltk.data.path.insert(0, str(wordnet))
        found["meteor"] = lambda a, b: meteor_score.meteor_score([b.split()], a.split())
        found["meteor"]("warm", "up")
    return found
