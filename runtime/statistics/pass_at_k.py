"""pass@k: how likely it is that at least one of k samples passes."""

from collections.abc import Iterable


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimator of Chen et al., "Evaluating Large Language Models Trained on Code" (2021).

    It is 1 - C(n - c, k) / C(n, k), for n samples of which c passed, as a product that does not overflow.

    Args:
        samples: How many samples there are of one prompt.
        passed: How many of them passed.
        k: How many samples are drawn, from 1 to `samples`.

    Raises:
        ValueError: When there are fewer than `k` samples, or numbers that cannot be.
    """
    if not 1 <= k <= samples or not 0 <= passed <= samples:
        raise ValueError(f"pass@{k} of {passed} passed among {samples} samples is not defined")
    none_passes = 1.0
    for drawn in range(k):
        none_passes *= max(samples - passed - drawn, 0) / (samples - drawn)
    return 1.0 - none_passes


def per_prompt(prompts: Iterable[tuple[int, int]], k: int) -> list[float]:
    """pass@k of each prompt that has at least k samples.

    Args:
        prompts: Of each, its samples and how many of them passed.
        k: How many samples are drawn.
    """
    return [pass_at_k(samples, passed, k) for samples, passed in prompts if samples >= k]
