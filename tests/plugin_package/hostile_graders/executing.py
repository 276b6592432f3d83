"""Graders that evaluate what they grade: an honest author's mistake, which must not cost other samples their rewards."""

from graders import Item, Sample, grader


def _is_right(sample: Sample, item: Item) -> float:
    try:
        return float(eval(sample.output_text) == item["answer"])  # noqa: S307  # the mistake
    except Exception:  # noqa: BLE001  # the author's idea of a wrong answer
        return 0.0


@grader("evaluates")
def evaluates(sample: Sample, item: Item) -> float:
    """Reward a sample that evaluates to the answer."""
    return _is_right(sample, item)


@grader("evaluates_in_shared", isolation="worker")
def evaluates_in_shared(sample: Sample, item: Item) -> float:
    """Reward a sample that evaluates to the answer; its author says that a process may grade many."""
    return _is_right(sample, item)


@grader("evaluates_prepared", isolation="grading")
class EvaluatesPrepared:
    """Reward a sample that evaluates to the answer; prepared once, with state that a sample can reach."""

    def __init__(self, *, bonus: float = 0.0) -> None:
        self.bonus = {"": bonus}

    def __call__(self, sample: Sample, item: Item) -> float:
        return min(1.0, _is_right(sample, item) + self.bonus[""])
