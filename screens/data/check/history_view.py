"""The history of a data set's quality, in a window."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from core.data.lake.version import QualityNote
from screens.data.check.quality_words import history_told
from screens.data.pane import AGE_SECONDS
from screens.widgets.text_window import TextWindow


class HistoryView(TextWindow):
    """What earlier checks found; how long ago is told anew while it is open."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"Checks of {dataset}", Text("looking…", "dim"))
        self._notes: Sequence[QualityNote] | None = None

    def on_mount(self) -> None:
        self.set_interval(AGE_SECONDS, self.grow_older)

    def tell(self, notes: Sequence[QualityNote]) -> None:
        """Show these."""
        self._notes = notes
        self.grow_older()

    def grow_older(self) -> None:
        """Tell how long ago each was."""
        if self._notes is not None:
            self.show(history_told(self._notes))
