"""ScoreBars: labels with their probabilities as bars and as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

from screens.text import fit, percent, plain

EIGHTHS = " ▏▎▍▌▋▊▉█"
WIDEST_LABEL = 20
NUMBER_WIDTH = 8


def bar(share: float, width: int) -> str:
    """A bar of `width` cells filled to a share between 0 and 1, in eighths of a cell."""
    known = share if math.isfinite(share) else 0.0
    eighths = round(min(max(known, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (EIGHTHS[rest] if rest else "")).ljust(width)


class ScoreBars(Widget):
    """The likeliest labels, as many as there are lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"score-bars--bar", "score-bars--dim"}
    DEFAULT_CSS = """
    ScoreBars {
        width: 1fr; height: 1fr; text-wrap: nowrap; text-overflow: clip;
        & > .score-bars--bar { color: $primary; }
        & > .score-bars--dim { color: $text-muted; }
    }
    """

    def __init__(self, scores: Mapping[str, float] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._scores = dict(scores or {})

    def show(self, scores: Mapping[str, float]) -> None:
        """Show other scores: the probability of each label."""
        self._scores = dict(scores)
        self.refresh()

    def render(self) -> Text:
        width, height = self.content_size
        # A score that is no number has no rank: it goes last, where it harms nothing.
        ranked = sorted(
            self._scores.items(), key=lambda each: -each[1] if math.isfinite(each[1]) else math.inf
        )
        # The last of several lines says how many more there are.
        shown = ranked[: height if len(ranked) <= height else max(height - 1, 1)]
        widest = max((cell_len(plain(label)) for label, _ in shown), default=0)
        labels = min(widest, WIDEST_LABEL, max(width - NUMBER_WIDTH - 1, 1))
        room = width - labels - 1 - NUMBER_WIDTH
        text = Text()
        for label, score in shown:
            if text:
                text.append("\n")
            text.append(fit(plain(label), labels) + " ")
            text.append(bar(score, max(room, 0)), self.get_component_rich_style("score-bars--bar"))
            text.append(f"{percent(score):>{NUMBER_WIDTH}}")
        if 1 < height < len(ranked):
            rest = f"\nand {len(ranked) - len(shown)} more"
            text.append(rest, self.get_component_rich_style("score-bars--dim"))
        return text
