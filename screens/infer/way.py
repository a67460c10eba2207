"""Way: one way to use the model that is chosen on the Infer screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from textual.containers import Vertical
from textual.widget import Widget

from core.models.registry import ModelFolder
from screens.base import LeptonScreen


class Way(Vertical):
    """Is told which models are chosen: one, or two that are to stand side by side.

    The keys are the screen's; it asks a way whether it `can` do what one of them is for, and runs
    the way's action of that name.
    """

    @property
    def infer_screen(self) -> LeptonScreen:
        """The screen, whose threads do the work."""
        return cast("LeptonScreen", self.screen)

    def of(self, models: Sequence[ModelFolder]) -> None:
        """Be for these models."""
        raise NotImplementedError

    def can(self, action: str) -> bool:
        """Whether this is something that it does, now."""
        raise NotImplementedError

    def enter(self) -> None:
        """Give the keys to the box that a person types in."""
        raise NotImplementedError

    def leave(self, focused: Widget | None) -> bool:
        """Escape was pressed at a widget: whether something of it was left, or stopped, by that."""
        return False

    def shell_command(self) -> str:
        """The command that does in a shell what it shows."""
        raise NotImplementedError
