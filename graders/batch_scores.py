"""What a built-in type that grades many rows at once gives for them: its `grade_batch` returns `BatchScores`.

The rewards are numbers in a row. What else a result says (explanation, metrics, parts) is made when somebody looks at the
result: most trainers read the rewards only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Returned: TypeAlias = Callable[[int, float], object]
"""Makes what the grading function returns for a row, from the row's position and the seconds that its grading took."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchScores:
    """The rewards of many rows, each equal to the reward of its row graded alone.

    Attributes:
        rewards: One for each row, in order. NaN marks a row that has to be graded alone: it fails, or may take long, or its
            result says something that is not kept here.
        returned: For a type whose results say more than a reward; None for one whose results do not.
    """

    rewards: "Sequence[float] | NDArray[np.float64]"
    returned: Returned | None = None

    def returned_for(self, row: int, seconds: float) -> object:
        """What the grading function returns for a row that has a reward."""
        return float(self.rewards[row]) if self.returned is None else self.returned(row, seconds)
