"""A column of samples, for types that grade many rows at once."""

from collections.abc import Sequence
from typing import overload

from graders.samples.sample import Sample


class SampleColumn(Sequence[Sample]):
    """Many samples as they came, each made into a `Sample` only when somebody looks at it."""

    def __init__(self, sources: Sequence[object]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SampleColumn": ...
    def __getitem__(self, index: int | slice) -> "Sample | SampleColumn":
        if isinstance(index, slice):
            return SampleColumn(self._sources[index])
        return Sample.load(self._sources[index])

    @property
    def output_texts(self) -> Sequence[str]:
        """The text of each sample, in order."""
        if set(map(type, self._sources)) == {str}:
            return self._sources  # type: ignore[return-value]  # the line above has looked at each of them
        return [Sample.load(source).output_text for source in self._sources]
