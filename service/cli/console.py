"""A console for tables and colours, on which no text of others drives the terminal."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from runtime.data.printable import printable


class SafeConsole(Console):
    """A console that shows every text as it is: no markup in it counts, and control characters are shown as escapes."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of something to show; rich asks this for whatever it shows, and for what is inside of it."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text, keep="\n"), segment.style)


def marked(markup: str) -> Text:
    """A text of ours with rich's markup, which no text of others may have in it."""
    return Text.from_markup(markup)
