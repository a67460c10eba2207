"""ScoreBars: labels with their probabilities as bars and as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

from screens.text import fit, percent, plain

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """A bar of `width` cells filled to a share between 0 and 1, in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (EIGHTHS[rest] if rest else "")).ljust(width)


class ScoreBars(Widget):
    """The likeliest labels, as many as there are lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"score-bars--bar", "score-bars--dim"}
    DEFAULT_CSS = """
    ScoreBars {
        width: 1fr; height: 1fr;
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
        ranked = sorted(self._scores.items(), key=lambda each: -each[1])
        shown = ranked[: self.content_size.height]
        if len(ranked) > len(shown):
            shown = shown[:-1]
        labels = min(max((len(plain(label)) for label, _ in shown), default=0), 20)
        width = max(self.content_size.width - labels - 10, 4)
        text = Text(no_wrap=True)
        for label, score in shown:
            text.append(fit(plain(label), labels) + " ")
            text.append(bar(score, width), self.get_component_rich_style("score-bars--bar"))
            text.append(f" {percent(score):>7}\n")
        if len(ranked) > len(shown):
            rest = f"and {len(ranked) - len(shown)} more"
            text.append(rest, self.get_component_rich_style("score-bars--dim"))
        return text
